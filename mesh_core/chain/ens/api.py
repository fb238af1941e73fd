"""The registrar's HTTP API on loopback, behind the run directory's token: names to read, and commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from mesh_core.api.http import Answer, HttpError, Request
from mesh_core.chain.ens.desk import Desk
from mesh_core.chain.ens.errors import ChainUnavailable, Refused
from mesh_core.chain.ens.names import BadName
from mesh_core.chain.ens.schema import Mint, Named, SetRecord, Transfer

Do = Callable[[Any], Awaitable[msgspec.Struct]]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `register`: none."""


class Api:
    """Answers requests at one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._commands: Mapping[str, tuple[type[msgspec.Struct], Do]] = {
            "verify": (Named, lambda args: desk.verify(args.name)),
            "register": (Nothing, lambda _: desk.register()),
            "set": (SetRecord, lambda args: desk.set_record(args.name, args.key, args.text)),
            "mint": (Mint, lambda args: desk.mint(args.name, args.owner)),
            "transfer": (Transfer, lambda args: desk.transfer(args.name, args.to)),
        }

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/names":
            if request.method != "GET":
                raise HttpError(405, "/names is only read")
            return _answer(self._desk.everything())
        name = request.path.removeprefix("/commands/")
        if name not in self._commands:
            raise HttpError(404, f"there are /names and /commands/NAME: {', '.join(self._commands)}")
        if request.method != "POST":
            raise HttpError(405, "commands are POSTed")
        kind, do = self._commands[name]
        try:
            return _answer(await do(request.json(kind)))
        except BadName as error:
            raise HttpError(400, str(error)) from None
        except Refused as error:
            raise HttpError(409, str(error)) from None
        except ChainUnavailable as error:
            raise HttpError(503, str(error)) from None


def _answer(view: msgspec.Struct) -> Answer:
    return Answer(msgspec.json.encode(view) + b"\n")
