"""Talking to the supervisor of a run directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.supervisor.http import exchange, open_request
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Outcome, Status

T = TypeVar("T")

COMMAND_S = 60.0
LINE_BYTES_MAX = 1 << 20


class Refusal(msgspec.Struct):
    """What the supervisor answers when it does not do a thing."""

    error: str


class SupervisorClient:
    """Asks the supervisor that runs `run` now, whichever process that is."""

    def __init__(self, run: RunDir) -> None:
        self._run = run

    async def status(self) -> Status:
        """Everything it knows."""
        return await self._ask("GET", "/status", Status)

    async def command(self, name: str, **args: object) -> Outcome:
        """Carry out a command; ActionError when it is refused, MeshUnreachable when nobody is there."""
        headers = {"Authorization": f"Bearer {self._run.token()}", "Content-Type": "application/json"}
        return await self._ask("POST", f"/commands/{name}", Outcome, headers, msgspec.json.encode(args))

    async def events(self, last_seen: int | None = None) -> AsyncIterator[Event]:
        """Its events, views of all processes first; ends when the supervisor does.

        With `last_seen`, what came after that sequence number instead, as long as it is remembered.
        """
        headers = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
        try:
            async with open_request(self._port(), "GET", "/events", headers=headers) as (_, pieces):
                async for event in _parsed(pieces):
                    yield event
        except OSError as error:
            raise self._unreachable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        answer_type: type[T],
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> T:
        try:
            status, answer = await exchange(
                self._port(), method, path, headers=headers, body=body, timeout_s=COMMAND_S
            )
            if status == 200:
                return msgspec.json.decode(answer, type=answer_type)
            raise ActionError(msgspec.json.decode(answer, type=Refusal).error)
        except OSError as error:
            raise self._unreachable(error) from error
        except msgspec.MsgspecError as error:
            raise MeshUnreachable(f"the supervisor of {self._run.root} answers nonsense: {error}") from error

    def _port(self) -> int:
        supervisor = self._run.running()
        if supervisor is None:
            raise MeshUnreachable(f"no mesh runs in {self._run.root}", "start one with `whisper-tui up`")
        return supervisor.port

    def _unreachable(self, error: OSError) -> MeshUnreachable:
        why = str(error) or "it does not answer"
        return MeshUnreachable(f"the supervisor of {self._run.root} cannot be reached: {why}")


async def _parsed(pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Server-sent events of one `data` line each, as our own server writes them."""
    pending = b""
    async for piece in pieces:
        *lines, pending = (pending + piece).split(b"\n")
        if len(pending) > LINE_BYTES_MAX:
            raise ConnectionResetError("a line in the event stream has no end")
        for line in lines:
            if line.startswith(b"data: "):
                yield msgspec.json.decode(line[6:], type=Event)
