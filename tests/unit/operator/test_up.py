"""`up` in front of a mesh that runs already, and of one that somebody else ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.operator.conftest import Running
from whisper_tui.commands.up import Manner, stay, up
from whisper_tui.settings import Settings
from whisper_tui.supervisor.prepare import Wishes

PLAIN = Manner(with_console=False, detach=True, ascii_only=False, as_json=False)


def test_a_mesh_that_runs_is_attached_to_though_its_nodes_do_not_see_each_other(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(running.run, Wishes(), Settings({}, None, None), PLAIN) == 0  # stand-ins never meet
    said = capsys.readouterr().out
    assert "2 providers and the operator running already" in said
    assert "kept from before" not in said


async def test_a_mesh_without_its_operator_is_attached_to(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await running.ready()
    await running.client.command("kill", names=["operator"], by="test")
    assert await asyncio.to_thread(up, running.run, Wishes(), Settings({}, None, None), PLAIN) == 0
    assert "2 providers and no operator running already" in capsys.readouterr().out


async def test_the_foreground_says_that_somebody_else_ended_the_mesh(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await running.ready()
    staying = asyncio.create_task(stay(running.run, as_json=False))
    async with asyncio.timeout(20):
        while "(by test)" not in capsys.readouterr().out:  # until it listens
            for command in ("pause", "revive"):
                await running.client.command(command, names=["node2"], by="test")
        await running.client.command("down", by="test")
        await staying
    assert "ended by `whisper-tui down`" in capsys.readouterr().out
