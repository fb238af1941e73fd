"""One participant on this machine: its AXL node and its mesh process, started, signalled and seen together."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from whisper_tui.supervisor.child import Child, Command
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.rundir import ParticipantDir
from whisper_tui.supervisor.schema import WORKING, Part, ProcessView

Only: TypeAlias = Literal["provider", "axl"]

RETRY_FIRST_S = 0.03
RETRY_MAX_S = 0.25


def axl_command(program: str, seat: Seat, files: ParticipantDir) -> Command:
    """Our AXL node, or the Go one at `program`: the same flags, the same bridge."""
    node = [program] if program else [sys.executable, "-P", "-m", "axl"]
    flags = ["-config", files.node_config.name, "-listen", str(seat.listener)]
    return Command([*node, *flags], files.root, files.axl_log, foreign=bool(program))


def provider_command(files: ParticipantDir, logs: Path) -> Command:
    """The mesh process. It writes its own log; what it prints beside that is kept in `logs`."""
    argv = [sys.executable, "-P", "-m", "mesh_core", "--config", str(files.settings)]
    return Command(argv, files.root, logs / f"{files.root.name}.out")


class Participant:
    """AXL node and mesh process of `seat`."""

    def __init__(
        self,
        plan: Plan,
        seat: Seat,
        files: ParticipantDir,
        logs: Path,
        token: str,
        changed: Callable[[ProcessView], None],
    ) -> None:
        self.seat = seat
        self.control = ControlClient(f"http://127.0.0.1:{seat.control_port}", token)
        self.axl = Child(_view(seat, "axl"), changed)
        self.provider = Child(_view(seat, "provider"), changed)
        self._retired = ""
        self._commands = {
            self.axl: axl_command(plan.axl_node, seat, files),
            self.provider: provider_command(files, logs),
        }

    @property
    def children(self) -> list[Child]:
        """Both processes, the AXL node first."""
        return [self.axl, self.provider]

    @property
    def whole(self) -> bool:
        """Whether both processes are there and not paused."""
        return all(child.view.state in WORKING for child in self.children)

    def start(self, lifeline: int, env: Mapping[str, str]) -> None:
        """Start what is not there and wake what is paused."""
        for child in self.children:
            child.resume()
            if not child.alive:
                child.start(self._commands[child], lifeline, env)

    def kill(self, only: Only | None) -> list[Child]:
        """SIGKILL both processes or one of them; returns those concerned."""
        chosen = [child for child in self.children if child.alive and only in {None, child.view.part}]
        for child in chosen:
            child.kill()
        return chosen

    def pause(self) -> None:
        """SIGSTOP both."""
        for child in self.children:
            child.pause()

    async def ready(self) -> bool:
        """Wait until both answer; False when one of them ends before that, or says that its key is retired."""
        answering = await _answering(self.axl, self._bridge_listens) and await _answering(
            self.provider, self._provider_works
        )
        if self._retired:
            self.provider.running(self._retired)
        return answering and not self._retired

    async def _bridge_listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.seat.axl_port)
        except OSError:
            return False
        writer.close()
        return True

    async def _provider_works(self) -> bool:
        """Whether it does, or never will: then with a note."""
        try:
            health = await self.control.health()
            self._retired = str(health.get("retired", ""))
            return bool(health["ready"] or self._retired)
        except (ControlError, ControlUnavailable, KeyError):
            return False


def _view(seat: Seat, part: Part) -> ProcessView:
    return ProcessView(seat.name, part, seat.peer, seat.control_port, since_ms=time.time() * 1000)


async def _answering(child: Child, answers: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until `child` answers.

    Nothing but an attempt tells when another program has begun to listen, hence the growing pauses; the end of
    the child interrupts them.
    """
    pause_s = RETRY_FIRST_S
    while child.alive:
        if await answers():
            child.running()
            return True
        try:
            async with asyncio.timeout(pause_s):
                await child.gone()
        except TimeoutError:
            pause_s = min(pause_s * 1.5, RETRY_MAX_S)
    return False
