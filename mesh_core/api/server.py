"""The control API of one participant (docs: the tables of `mesh_core.api.schema`).

Questions and answers pass through here, so everything but `/health` and `/metrics` needs the token
(`mesh_core.api.http` asks for it).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from mesh_core.api.http import Answer, HttpError, Request, Server
from mesh_core.api.hub import EventHub
from mesh_core.api.schema import COMMANDS, ROUTES, VIEW_PERIOD_HEADER, CheckedRecord, RecordView, State

OPEN_TO_ALL = frozenset({"/health", "/metrics"})
"""What every user of this machine may read: that a participant works, and numbers."""

VIEW_PERIOD_MAX_S = 10.0
"""Who wants views less often than this gets them as often."""

_ID_BYTES = 32
_BRANCHES = ("/jobs/", "/members/", "/records/", "/commands/")


class CommandRefusedError(Exception):
    """A command cannot be carried out; the message is one line for whoever gave it."""


class Participant(Protocol):
    """What the control API shows and steers."""

    def state(self) -> State:
        """Everything at once."""

    def health(self) -> dict[str, Any]:
        """Whether this participant works, in a few words."""

    def metrics(self) -> bytes:
        """Prometheus text."""

    async def certificate(self, job: bytes) -> bytes | None:
        """The settle certificate of a job as a file that can be checked offline, None while there is none on disk."""

    def result(self, job: bytes) -> bytes | None:
        """The opened result of one of this node's own jobs, None while there is none."""

    def records_of_job(self, job: bytes) -> list[RecordView]:
        """The newest records about a job that are held."""

    def records_of_author(self, author: bytes) -> list[RecordView]:
        """The newest records by an author that are held."""

    async def record(self, name: bytes) -> CheckedRecord | None:
        """One signed record and every check of it, None while it is not held, or its own and not on disk."""

    async def command(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out a command of `schema.COMMANDS`. Raises CommandRefusedError."""


class ControlServer:
    """Routes requests to the participant."""

    def __init__(self, participant: Participant, hub: EventHub, token: str) -> None:
        self._participant = participant
        self._hub = hub
        self._server = Server(self._answer, token, OPEN_TO_ALL)
        self._routes: dict[tuple[str, str], Callable[[Request], Awaitable[Answer]]] = {
            ("GET", "/health"): self._health,
            ("GET", "/state"): self._state,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/events"): self._events,
        }

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return self._server.port

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._server.start(host, port)

    async def close(self) -> None:
        """End all streams and stop."""
        self._hub.close()
        await self._server.close()

    async def _answer(self, request: Request) -> Answer:
        route = self._routes.get((request.method, request.path))
        if route is not None:
            return await route(request)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["jobs", job, "certificate"]:
                return _file(
                    await self._participant.certificate(_id(job, "a job id")),
                    f"job {job} has no certificate yet, or this node's disk does not",
                )
            case "GET", ["jobs", job, "result"]:
                return _file(
                    self._participant.result(_id(job, "a job id")),
                    f"job {job} has no result that this node can open",
                )
            case "GET", ["jobs", job, "records"]:
                return _json(self._participant.records_of_job(_id(job, "a job id")))
            case "GET", ["members", peer, "records"]:
                return _json(self._participant.records_of_author(_id(peer, "a peer id")))
            case "GET", ["records", name]:
                return await self._record(name)
            case "POST", ["commands", name]:
                return await self._command(name, request)
        known = {path for _, path in self._routes}
        if request.path in known or request.path.startswith(_BRANCHES):
            raise HttpError(405, f"{request.method} is not answered at {request.path}")
        there_are = ", ".join(route.path for route in ROUTES)
        raise HttpError(404, f"nothing at {request.path}; there are {there_are} and /commands")

    async def _health(self, _request: Request) -> Answer:
        return _json(self._participant.health())

    async def _state(self, _request: Request) -> Answer:
        return _json(self._participant.state())

    async def _metrics(self, _request: Request) -> Answer:
        return Answer(self._participant.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

    async def _events(self, request: Request) -> Answer:
        last_seen = request.headers.get("last-event-id")
        if last_seen is not None and not (last_seen.isascii() and last_seen.isdecimal()):
            raise HttpError(400, "Last-Event-ID is the id of an event: a whole number")
        position = int(last_seen[:20]) if last_seen is not None else None
        wanted = request.headers.get(VIEW_PERIOD_HEADER.lower(), "")
        if wanted and not (wanted.isascii() and wanted.isdecimal()):
            raise HttpError(400, f"{VIEW_PERIOD_HEADER} is a whole number of milliseconds")
        period_s = min(int(wanted[:9]) / 1000, VIEW_PERIOD_MAX_S) if wanted else None
        return Answer(content_type="text/event-stream", stream=self._hub.stream(position, period_s))

    async def _record(self, name: str) -> Answer:
        record = await self._participant.record(_id(name, "a record's hash"))
        if record is None:
            raise HttpError(
                404, f"no record {name} is held here: it was never seen, or a snapshot has taken its place"
            )
        return _json(record)

    async def _command(self, name: str, request: Request) -> Answer:
        if name not in {spec.name for spec in COMMANDS}:
            raise HttpError(
                404, f"no command {name!r}; there are {', '.join(spec.name for spec in COMMANDS)}"
            )
        try:
            return _json(await self._participant.command(name, request.json(dict[str, Any])))
        except CommandRefusedError as error:
            raise HttpError(409, str(error)) from None


def _json(value: object) -> Answer:
    return Answer(msgspec.json.encode(value) + b"\n")


def _file(content: bytes | None, absent: str) -> Answer:
    if content is None:
        raise HttpError(404, absent)
    return Answer(content, content_type="application/octet-stream")


def _id(text: str, what: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _ID_BYTES:
        raise HttpError(400, f"{what} is 64 hexadecimal characters")
    return found
