"""Talking to the supervisor of a run directory: its API is a control API with other things to show and do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import Event
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Outcome, Status
from whisper_tui.supervisor.stopped import stopped

STATUS_S = 10.0
COMMAND_S = 45.0
"""How long a command may take: participants that come up are waited for."""


class SupervisorClient:
    """Asks the supervisor that runs `run` now, whichever process that is.

    Everything raises MeshUnreachable when nobody is there.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run

    async def status(self) -> Status:
        """Everything it knows."""
        try:
            return msgspec.json.decode(await self._control(STATUS_S).get("/status"), type=Status)
        except (ControlUnavailable, ControlError, msgspec.MsgspecError) as error:
            raise self._unreachable(error) from error

    async def command(self, name: str, **args: object) -> Outcome:
        """Carry out a command; ActionError when it is refused."""
        try:
            return msgspec.convert(await self._control().command(name, **args), Outcome)
        except ControlError as error:
            raise ActionError(str(error)) from error
        except (ControlUnavailable, msgspec.MsgspecError) as error:
            raise self._unreachable(error) from error

    async def events(self) -> AsyncGenerator[Event, None]:
        """Its events, views of all processes first; ends when the supervisor does."""
        try:
            async with aclosing(self._control().events()) as events:
                async for event in events:
                    yield event
        except (ControlUnavailable, ControlError) as error:
            raise self._unreachable(error) from error

    def _control(self, answer_s: float = COMMAND_S) -> ControlClient:
        supervisor = self._run.running()
        if supervisor is None:
            raise self._run.nobody()
        self._check_going(supervisor.pid)
        return ControlClient(f"http://127.0.0.1:{supervisor.port}", self._run.token(), answer_s)

    def _check_going(self, pid: int) -> None:
        """MeshUnreachable when the supervisor is stopped: it would take every request and answer none."""
        if stopped([pid]):
            raise MeshUnreachable(
                f"the supervisor of {self._run.root}, pid {pid}, is stopped by a signal",
                f"wake it with: kill -CONT {pid}; or end it and its whole mesh with: kill -KILL {pid}",
            )

    def _unreachable(self, error: Exception) -> MeshUnreachable:
        supervisor = self._run.running()
        if supervisor is not None:
            self._check_going(supervisor.pid)
        return MeshUnreachable(f"the supervisor of {self._run.root} cannot be reached: {error}")
