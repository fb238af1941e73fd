"""Run directories and supervisors for tests; every process started here is ended here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.unit.operator import supervised
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import Wishes, make_plan, prepare
from whisper_tui.supervisor.rundir import RunDir, SupervisorFile
from whisper_tui.supervisor.supervisor import Supervisor

SUPERVISED = Path(supervised.__file__)


@pytest.fixture(autouse=True)
def usual_modes() -> Iterator[None]:
    """What tests lay down themselves is closed to others, whatever this user is used to."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """An empty run directory."""
    run = RunDir(tmp_path / "run")
    run.make()
    return run


@pytest.fixture
def plan(run: RunDir) -> Plan:
    """Two providers and the operator, prepared, on free ports."""
    return prepare(
        run, make_plan(None, Wishes(count=2, auto_ports=True, light=True, record=False, chain="off"))
    )


@pytest.fixture
async def supervisor(run: RunDir, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    """A supervisor in this process, over stand-ins, everything up."""
    supervised.put_stand_ins(monkeypatch.setattr)
    read_end, write_end = os.pipe()
    supervisor = Supervisor(run, plan, read_end, dict(os.environ))
    supervisor.start()
    try:
        async with asyncio.timeout(20):
            await until_ready(supervisor)
        yield supervisor
    finally:
        if not supervisor.done.is_set():
            await supervisor.down()
        os.close(read_end)
        os.close(write_end)


async def until_ready(supervisor: Supervisor) -> None:
    async with contextlib.aclosing(supervisor.events.stream(None)) as pieces:
        async for piece in pieces:
            if b"event: ready" in piece:
                return


@dataclass
class Running:
    """A supervisor process over stand-ins."""

    run: RunDir
    pid: int

    @property
    def client(self) -> SupervisorClient:
        return SupervisorClient(self.run)

    async def ready(self) -> None:
        async with asyncio.timeout(20), contextlib.aclosing(self.client.events()) as events:
            async for event in events:
                if event.kind == "ready":
                    return

    async def pids(self) -> list[int]:
        return [view.pid for view in (await self.client.status()).processes if view.pid]


@pytest.fixture
def running(run: RunDir, plan: Plan) -> Iterator[Running]:
    """A real supervisor process over stand-ins."""
    process = subprocess.Popen(
        [sys.executable, str(SUPERVISED), "--run-dir", str(run.root)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        greeting = msgspec.json.decode(process.stdout.readline(), type=SupervisorFile)
    with pidfd(greeting.pid) as handle:
        yield Running(run, greeting.pid)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            wait_gone(handle)


@contextlib.contextmanager
def pidfd(pid: int) -> Iterator[int]:
    """A handle that stays with this process, whoever gets its pid later."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def wait_gone(handle: int, within_s: float = 10.0) -> None:
    """Wait until the process behind a pidfd has ended."""
    import select

    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(within_s * 1000), f"a process is still there after {within_s} s"
