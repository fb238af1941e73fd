"""The supervisor's HTTP API: who may ask what, and what is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mesh_core.api.http import Answer, HttpError, Request
from whisper_tui.supervisor.schema import Outcome
from whisper_tui.supervisor.supervisor import Supervisor


class Bare(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of commands on the whole mesh. `by` says who asks, for the log."""

    by: str = ""


class Named(Bare, forbid_unknown_fields=True, kw_only=True):
    """Arguments of commands on participants."""

    names: list[str]


class Kill(Named, forbid_unknown_fields=True, kw_only=True):
    """Arguments of `kill`."""

    only: Literal["provider", "axl"] | None = None


class Sides(Bare, forbid_unknown_fields=True, kw_only=True):
    """Arguments of `partition`."""

    b: list[str]
    a: list[str] = []


@dataclass(frozen=True)
class Command:
    """What a command is called with, and what it does."""

    args: type[Bare]
    do: Callable[[Any], Awaitable[Outcome]]


class Api:
    """Answers requests for one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._commands = {
            "kill": Command(Kill, lambda args: supervisor.kill(args.names, args.only, by=args.by)),
            "pause": Command(Named, lambda args: supervisor.pause(args.names, by=args.by)),
            "revive": Command(Named, lambda args: supervisor.revive(args.names, by=args.by)),
            "add": Command(Bare, lambda args: supervisor.add(by=args.by)),
            "partition": Command(Sides, lambda args: supervisor.partition(args.a, args.b, by=args.by)),
            "heal": Command(Bare, lambda args: supervisor.heal(by=args.by)),
            "down": Command(Bare, lambda args: supervisor.down(by=args.by)),
        }

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith("/commands/"):
            return await self._command(request)
        if request.method != "GET":
            raise HttpError(405, f"{request.path} is only read")
        if request.path == "/status":
            return Answer(msgspec.json.encode(self._supervisor.status()) + b"\n")
        if request.path == "/events":
            stream = self._supervisor.events.stream(_last_event(request))
            return Answer(content_type="text/event-stream", stream=stream)
        raise HttpError(404, "there are /status, /events and /commands/NAME")

    async def _command(self, request: Request) -> Answer:
        name = request.path.removeprefix("/commands/")
        command = self._commands.get(name)
        if command is None:
            raise HttpError(404, f"no such command; there are {', '.join(self._commands)}")
        if request.method != "POST":
            raise HttpError(405, "commands are POSTed")
        return Answer(msgspec.json.encode(await command.do(request.json(command.args))) + b"\n")


def _last_event(request: Request) -> int | None:
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
