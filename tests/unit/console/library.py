"""Signed records that were never signed: what a participant would answer about the records of an invented mesh."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import convert

from mesh_core.api.schema import Check, CheckedRecord, CheckedStatement, RecordView
from tests.unit.console.feeder import Feeder, peer_of
from whisper_tui.errors import ActionError

SOUND = (
    Check("signature", True, "ed25519, by its author"),
    Check("hash", True, "BLAKE2b-256 of its body"),
    Check("link", True, "names the record before"),
)


class Library:
    """Answers about every record that a mesh has told of. `refusal` refuses the next questions, `checks` are what checking
    comes to, `open` is cleared to keep everybody waiting; `asked` is what was asked for."""

    def __init__(self, mesh: Feeder) -> None:
        self.mesh = mesh
        self.refusal = ""
        self.checks: tuple[Check, ...] = SOUND
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[tuple[str, str]] = []

    def views(self) -> list[RecordView]:
        """Every record, the oldest first."""
        told = {event.data["hash"]: event.data for event in self.mesh.events if event.kind == "record"}
        return [convert(data, RecordView) for data in told.values()]

    async def record(self, name: str) -> tuple[str, CheckedRecord]:
        await self._may_answer("record", name)
        view = next((view for view in self.views() if view.hash == name), None)
        if view is None:
            raise ActionError(f"no record {name} is held here")
        return "operator", self.checked(view)

    def checked(self, view: RecordView) -> CheckedRecord:
        """What checking it comes to."""
        says: dict[str, Any] = {"job": view.job}
        statements = []
        if view.kind == "lease":
            says |= {"epoch": view.epoch, "holder": peer_of("node1")}
            promise = {"epoch": view.epoch, "accepted": None}
            statements = [
                CheckedStatement("promise", peer_of(name), promise, "")
                for name in ("node1", "node3", "node5")
            ]
        raw = (f"{view.kind} {view.seq} of nobody's chain".encode() + bytes(64)).hex()
        before = peer_of("the record before")
        return CheckedRecord(view, "local", 1, before, says, statements, list(self.checks), raw)

    async def about_job(self, job: str) -> tuple[str, Sequence[RecordView]]:
        await self._may_answer("job", job)
        return "operator", [view for view in self.views() if view.job == job]

    async def by_author(self, peer: str) -> tuple[str, Sequence[RecordView]]:
        await self._may_answer("author", peer)
        return "operator", [view for view in self.views() if view.author == peer]

    async def _may_answer(self, what: str, key: str) -> None:
        self.asked.append((what, key))
        await self.open.wait()
        if self.refusal:
            raise ActionError(self.refusal)
