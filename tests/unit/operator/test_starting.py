"""Commands that are typed while a mesh starts, and what is said of what takes its time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.unit.operator.conftest import Running
from whisper_tui.commands import output, starting
from whisper_tui.commands.output import Progress
from whisper_tui.commands.starting import until_started
from whisper_tui.errors import MeshUnreachable
from whisper_tui.reach import Reach
from whisper_tui.supervisor.rundir import RunDir, lock


async def test_whoever_asks_while_a_mesh_is_prepared_waits_for_it(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock(run.up_lock_file):
        asking = asyncio.create_task(until_started(Reach(run)))
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
    with pytest.raises(MeshUnreachable, match="no mesh runs in"):  # the preparation has failed
        await asking
    monkeypatch.setattr(starting, "STARTING_S", 0.05)
    with lock(run.up_lock_file), pytest.raises(MeshUnreachable, match="is still starting"):
        await until_started(Reach(run))


async def test_without_a_mesh_nothing_is_waited_for(run: RunDir) -> None:
    with pytest.raises(MeshUnreachable, match="no mesh runs in"):
        await until_started(Reach(run))


async def test_participants_that_never_meet_are_not_waited_for_for_long(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Reach) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Reach, "until_met", never)
    age_s = time.time() - (await running.client.status()).started_ms / 1000
    monkeypatch.setattr(starting, "STARTING_S", age_s + 0.5)
    async with asyncio.timeout(10):
        await until_started(Reach(running.run))


async def test_what_takes_long_is_told_also_where_lines_cannot_be_written_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress() as progress:
        progress.say("1 of 7")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(output, "SOON_S", 0.0)
    monkeypatch.setattr(output, "EVERY_S", 0.0)
    with Progress() as progress:
        for text in ("1 of 7", "2 of 7", "2 of 7"):
            progress.say(text)
            await asyncio.sleep(0.01)
    assert capsys.readouterr().err == "1 of 7\n2 of 7\n"
