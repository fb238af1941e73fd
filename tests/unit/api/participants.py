"""A participant that exists only to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from mesh_core.api.hub import Entity, Shown
from mesh_core.api.schema import CheckedRecord, Counters, NodeView, RecordView, ReplicaView, State
from mesh_core.api.server import CommandRefusedError

PEER = bytes(range(32))
TOKEN = "a-token"


def node_view(problem: str = "") -> NodeView:
    return NodeView(
        PEER.hex(), "node1", "provider", "local", 3, "0", True, True, True, problem, [], "search", "", 6
    )


class Thing(Struct, frozen=True):
    """A view of something."""

    name: str
    value: int


class Things:
    """Views by key; counts how often each was built. `all` is the group of them."""

    def __init__(self, **values: int) -> None:
        self.values = {key.encode(): value for key, value in values.items()}
        self.built = 0

    def entities(self) -> Iterable[Entity]:
        return [("thing", key) for key in self.values]

    def view(self, entity: Entity) -> Shown:
        self.built += 1
        if entity[0] == "all":
            return tuple(self.entities())
        value = self.values.get(entity[1])
        return None if value is None else Thing(entity[1].decode(), value)


class FakeParticipant:
    """Answers what it was given and remembers its commands."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.certificates: dict[bytes, bytes] = {}
        self.results: dict[bytes, bytes] = {}
        self.records: dict[bytes, CheckedRecord] = {}

    def state(self) -> State:
        replica = ReplicaView("root", "vector", 0, {}, 0, {}, [])
        return State(7, 1.0, node_view(), [], [], [], [], replica, Counters(0, 0, 0, 0, 0, 0))

    def health(self) -> dict[str, Any]:
        return {"ready": True, "problem": ""}

    def metrics(self) -> bytes:
        return b"whisper_up 1\n"

    async def certificate(self, job: bytes) -> bytes | None:
        return self.certificates.get(job)

    def result(self, job: bytes) -> bytes | None:
        return self.results.get(job)

    def records_of_job(self, job: bytes) -> list[RecordView]:
        return [found.record for found in self.records.values() if found.record.job == job.hex()]

    def records_of_author(self, author: bytes) -> list[RecordView]:
        return [found.record for found in self.records.values() if found.record.author == author.hex()]

    async def record(self, name: bytes) -> CheckedRecord | None:
        return self.records.get(name)

    async def command(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if args.get("refuse"):
            raise CommandRefusedError("not today")
        self.commands.append((name, args))
        return {"done": name}
