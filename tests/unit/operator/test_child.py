"""One child process: started, watched, signalled, and gone when its supervisor is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.operator.conftest import pidfd, wait_gone
from whisper_tui.supervisor.child import Child, Command, end_all, last_line
from whisper_tui.supervisor.schema import ProcessView

WAITS = "import os, sys, time; print('here', flush=True); time.sleep(60)"
READS_LIFELINE = "import os; print('here', flush=True); os.read(int(os.environ['WHISPER_LIFELINE_FD']), 1)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"


class Nursery:
    """Children of a test, and the lifeline they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[ProcessView] = []
        self.children: list[Child] = []
        self.read_end, self.write_end = os.pipe()

    def cut(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
        self.write_end = -1

    def start(self, program: str, *, foreign: bool = False) -> Child:
        """Start a Python program. A foreign one does not get to see the lifeline."""
        child = Child(ProcessView("node1", "provider"), self.seen.append)
        self.children.append(child)
        argv = [sys.executable, "-c", program]
        child.start(Command(argv, self.folder, self.folder / "out", foreign), self.read_end, dict(os.environ))
        return child

    async def says(self, text: str) -> None:
        """Wait until a child has printed `text`."""
        out = self.folder / "out"
        async with asyncio.timeout(10):
            while not out.exists() or text not in out.read_text():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.005)


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    nursery = Nursery(tmp_path)
    yield nursery
    await end_all(nursery.children)
    nursery.cut()
    os.close(nursery.read_end)


@pytest.fixture(params=["by pidfd", "by signal"])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of learning of a child's end."""
    if request.param == "by signal":
        monkeypatch.delattr(os, "pidfd_open")


async def test_an_end_nobody_asked_for_is_told_with_its_last_words(nursery: Nursery, watched: None) -> None:
    child = nursery.start("import sys; print('starting'); sys.exit('port 9002 is in use')")
    async with asyncio.timeout(10):
        await child.gone()
    assert child.view.state == "exited"
    assert child.view.exit_code == 1
    assert child.view.note == "exit code 1: port 9002 is in use"
    assert [view.state for view in nursery.seen] == ["starting", "exited"]


async def test_a_killed_child_was_killed(nursery: Nursery, watched: None) -> None:
    child = nursery.start(WAITS)
    child.kill()
    async with asyncio.timeout(10):
        await child.gone()
    assert (child.view.state, child.view.exit_code, child.view.pid) == ("killed", -9, 0)


async def test_a_paused_child_is_woken_to_end(nursery: Nursery) -> None:
    child = nursery.start(WAITS)
    child.pause()
    assert child.view.state == "paused"
    async with asyncio.timeout(2):
        await end_all([child])
    assert child.view.state == "stopped"


async def test_a_resumed_child_runs(nursery: Nursery) -> None:
    child = nursery.start(WAITS)
    child.pause()
    child.resume()
    assert child.view.state == "running"
    assert child.alive


async def test_a_child_that_does_not_listen_is_killed(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whisper_tui.supervisor.child.GRACE_S", 0.1)
    child = nursery.start(DEAF)
    await nursery.says("here")
    async with asyncio.timeout(5):
        await end_all([child])
    assert child.view.exit_code == -9


async def test_a_program_that_does_not_exist_is_an_end_with_a_note(nursery: Nursery, tmp_path: Path) -> None:
    child = Child(ProcessView("node1", "axl"), nursery.seen.append)
    child.start(Command(["/nowhere/axl"], tmp_path, tmp_path / "out"), nursery.read_end, {})
    assert child.view.state == "exited"
    assert "cannot be started: No such file or directory: /nowhere/axl" in child.view.note
    assert not child.alive


async def test_children_see_the_end_of_the_lifeline(nursery: Nursery) -> None:
    child = nursery.start(READS_LIFELINE)
    await nursery.says("here")
    nursery.cut()
    async with asyncio.timeout(2):
        await child.gone()
    assert child.view.exit_code == 0


async def test_a_program_that_knows_no_lifeline_ends_with_it_all_the_same(nursery: Nursery) -> None:
    child = nursery.start(WAITS, foreign=True)
    await nursery.says("here")
    nursery.cut()
    async with asyncio.timeout(2):
        await child.gone()
    assert child.view.exit_code == -9


async def test_a_foreign_program_is_the_process_itself(nursery: Nursery) -> None:
    child = nursery.start(
        "import os; print('pid', os.getpid(), flush=True); import time; time.sleep(60)", foreign=True
    )
    await nursery.says(f"pid {child.view.pid}")
    pid = child.view.pid
    with pidfd(pid) as handle:
        child.kill()
        await child.gone()
        wait_gone(handle)
    async with asyncio.timeout(5):
        while _members(pid):  # noqa: ASYNC110 - the end of somebody else's child is told to nobody
            await asyncio.sleep(0.001)


def _members(group: int) -> list[Path]:
    return [process for process in Path("/proc").glob("[0-9]*/stat") if _group(process) == group]


def _group(stat: Path) -> int:
    """Process group of a process; 0 for one that has just ended."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[2]) if fields[0] != "Z" else 0


def test_the_last_line_is_what_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 10_000 + b"\nfirst\nlast \xff words\n\n   \n")
    assert last_line(log) == "last \ufffd words"
    assert last_line(log, log.stat().st_size) == ""
