"""What is stopped by a signal is there and answers nothing: it is said, at once, with what to do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.unit.operator.conftest import Running
from tests.unit.operator.test_supervisor import pids, states
from whisper_tui.errors import MeshUnreachable
from whisper_tui.reach import Reach
from whisper_tui.supervisor import stopped as module
from whisper_tui.supervisor.stopped import stopped
from whisper_tui.supervisor.supervisor import Supervisor


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as made:
        yield made
        made.kill()


async def until(holds: Callable[[], bool]) -> None:
    """A signal takes effect when the kernel gets to it, and tells nobody."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("with_proc", [True, False])
async def test_only_processes_that_are_stopped_are(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, with_proc: bool, tmp_path: object
) -> None:
    if not with_proc:
        monkeypatch.setattr(module, "PROC", tmp_path)
    asked = [process.pid, os.getpid(), 2**22 + 1]
    assert stopped(asked) == stopped([]) == set()
    process.send_signal(signal.SIGSTOP)
    await until(lambda: stopped(asked) == {process.pid})
    process.send_signal(signal.SIGCONT)
    await until(lambda: stopped(asked) == set())


async def test_a_stopped_supervisor_is_named_at_once_and_nothing_hangs(running: Running) -> None:
    await running.ready()
    os.kill(running.pid, signal.SIGSTOP)
    try:
        await until(lambda: bool(stopped([running.pid])))
        for asked in (
            running.client.command("down"),
            running.client.status(),
            anext(running.client.events()),
        ):
            with pytest.raises(MeshUnreachable) as caught:
                async with asyncio.timeout(2):
                    await asked
            assert caught.value.message == (
                f"the supervisor of {running.run.root}, pid {running.pid}, is stopped by a signal"
            )
            assert f"kill -CONT {running.pid}" in caught.value.hint
            assert caught.value.exit_code != 0
    finally:
        os.kill(running.pid, signal.SIGCONT)


async def test_a_participant_stopped_from_outside_shows_as_paused_and_is_revived(
    supervisor: Supervisor,
) -> None:
    pid = pids(supervisor)["node1", "provider"]
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: states(supervisor, "node1") == {"axl": "running", "provider": "paused"})
    note = next(view.note for view in supervisor.status().processes if view.pid == pid)
    assert note == "stopped by a signal that this program did not send"
    await supervisor.revive(["node1"])
    await until(lambda: not stopped([pid]))
    assert states(supervisor, "node1") == {"axl": "running", "provider": "running"}
    assert pids(supervisor)["node1", "provider"] == pid
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: states(supervisor, "node1")["provider"] == "paused")
    os.kill(pid, signal.SIGCONT)
    await until(lambda: states(supervisor, "node1")["provider"] == "running")


async def test_one_that_was_paused_on_purpose_stays_so_until_it_is_revived(supervisor: Supervisor) -> None:
    await supervisor.pause(["node1"])
    assert states(supervisor, "node1") == {"axl": "paused", "provider": "paused"}
    await until(lambda: pids(supervisor)["node1", "axl"] in stopped(pids(supervisor).values()))
    assert states(supervisor, "node1") == {"axl": "paused", "provider": "paused"}


async def test_a_stopped_operator_is_named_instead_of_waited_for(running: Running) -> None:
    await running.ready()
    await running.client.command("pause", names=["operator"])
    with pytest.raises(MeshUnreachable) as caught:
        async with asyncio.timeout(2):
            await Reach(running.run).ask_operator(lambda control: control.command("submit", text="why?"))
    assert caught.value.message == "the operator's node cannot be asked: its axl is paused"
    assert "revive operator" in caught.value.hint
