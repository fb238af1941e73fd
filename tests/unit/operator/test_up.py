"""`up` in front of a mesh that runs already, and of one that somebody else ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from tests.unit.operator.conftest import Running
from whisper_tui.commands import up as module
from whisper_tui.commands.up import Manner, stay, up
from whisper_tui.config.in_force import NO_FLAGS
from whisper_tui.errors import BadInput
from whisper_tui.settings import Settings
from whisper_tui.supervisor.launch import causes
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView

PLAIN = Manner(with_console=False, detach=True, flags=NO_FLAGS, as_json=False)


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
    staying = asyncio.create_task(stay(running.run, module._follow(running.run, as_json=False)))
    async with asyncio.timeout(20):
        while "(by test)" not in capsys.readouterr().out:  # until it listens
            for command in ("pause", "revive"):
                await running.client.command(command, names=["node2"], by="test")
        await running.client.command("down", by="test")
        await staying
    assert "ended by `whisper-tui down`" in capsys.readouterr().out


async def test_what_the_environment_asks_of_a_running_mesh_is_not_called_a_flag(running: Running) -> None:
    settings = Settings({"EXEC_DELAY": "15"}, None, 15.0)
    with pytest.raises(BadInput) as caught:
        await asyncio.to_thread(up, running.run, Wishes(exec_delay=15.0), settings, PLAIN)
    assert "unset EXEC_DELAY" in caught.value.hint
    with pytest.raises(BadInput) as caught:
        await asyncio.to_thread(up, running.run, Wishes(exec_delay=3.0), settings, PLAIN)
    assert "leave the flag out" in caught.value.hint


async def test_a_start_that_is_interrupted_says_so(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def launching(*_: object) -> AsyncIterator[bool]:
        await asyncio.Event().wait()
        yield True

    monkeypatch.setattr(module, "launched", launching)
    starting = asyncio.create_task(
        module._up(run, Wishes(), Settings({}, None, None), PLAIN, foreground=True)
    )
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert capsys.readouterr().err == "interrupted; what was started is ended again\n"


async def test_a_cause_that_several_share_is_told_once(running: Running) -> None:
    await running.ready()
    status = await running.client.status()

    def failing(*names: str, note: str = "exit code 3") -> list[ProcessView]:
        return [
            replace(view, state="exited", note=note) if (view.name in names and view.part == "axl") else view
            for view in status.processes
        ]

    assert causes(replace(status, processes=failing("node1", "node2", "operator"))) == [
        "axl: exit code 3 (all 3)"
    ]
    assert causes(replace(status, processes=failing("node1", "node2"))) == ["axl: exit code 3 (node1, node2)"]
    assert causes(replace(status, processes=failing("node1"))) == ["node1 axl: exit code 3"]
    assert causes(status) == []
