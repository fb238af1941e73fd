"""The supervisor as a process: it outlives whoever started it, and nothing outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.operator.conftest import SUPERVISED, Running, pidfd, wait_gone
from whisper_tui.actions.actions import Actions
from whisper_tui.errors import MeshUnreachable
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir


def command_line_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


async def test_when_it_is_killed_every_child_ends_within_two_seconds_a_paused_one_too(
    running: Running,
) -> None:
    await running.ready()
    await running.client.command("pause", names=["node1"])
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(pidfd(pid)) for pid in await running.pids()]
        assert len(handles) == 6
        os.kill(running.pid, signal.SIGKILL)
        began = time.monotonic()
        for handle in handles:
            wait_gone(handle, 2.0)
        assert time.monotonic() - began < 2.0
    assert running.run.running() is None


async def test_down_ends_it_and_all_its_children(running: Running) -> None:
    await running.ready()
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(pidfd(pid)) for pid in [*await running.pids(), running.pid]]
        await Actions(running.run, "test").down()
        for handle in handles:
            wait_gone(handle, 1.0)
    assert not running.run.supervisor_file.exists()
    with pytest.raises(MeshUnreachable, match="no mesh runs"):
        await running.client.status()


async def test_when_the_mesh_is_down_its_supervisor_runs_no_more(running: Running) -> None:
    """What is ending has no command line any more; one that still cleans up after itself has."""
    await running.ready()
    with pidfd(running.pid):  # the pid stays its own
        await Actions(running.run, "test").down()
        assert command_line_of(running.pid) == b""


async def test_sigterm_takes_everything_down(running: Running) -> None:
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(pidfd(pid)) for pid in [*await running.pids(), running.pid]]
        os.kill(running.pid, signal.SIGTERM)
        for handle in handles:
            wait_gone(handle)


async def test_a_hangup_changes_nothing(running: Running) -> None:
    await running.ready()
    os.kill(running.pid, signal.SIGHUP)
    assert (await running.client.status()).ready


async def test_it_is_nobodys_child_and_has_no_terminal(running: Running) -> None:
    assert os.getsid(running.pid) not in {os.getsid(0), running.pid}
    assert all(os.getpgid(pid) == pid for pid in await running.pids())


def test_one_whose_greeting_nobody_hears_ends_again(run: RunDir, plan: Plan) -> None:
    unheard_read, unheard_write = os.pipe()
    os.close(unheard_read)
    alive_read, alive_write = os.pipe()  # held by the supervisor alone: it ends when that ends
    subprocess.run(
        [sys.executable, str(SUPERVISED), "--run-dir", str(run.root)],
        stdout=unheard_write,
        pass_fds=(alive_write,),
        check=True,
    )
    os.close(unheard_write)
    os.close(alive_write)
    assert os.read(alive_read, 1) == b""
    os.close(alive_read)
    assert run.running() is None
    assert not run.supervisor_file.exists()


async def test_a_second_supervisor_waits_until_the_first_has_ended(running: Running) -> None:
    await running.ready()
    second = subprocess.Popen(  # noqa: ASYNC220 - it forks and leaves
        [sys.executable, str(SUPERVISED), "--run-dir", str(running.run.root)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with second:
        await Actions(running.run, "test").down()
        assert second.stdout is not None
        assert b'"pid"' in second.stdout.readline()
    client = SupervisorClient(running.run)
    assert (await client.status()).pid != running.pid
    await client.command("down")
