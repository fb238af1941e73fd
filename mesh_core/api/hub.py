"""Events for whoever watches: moments as they happen, views of what has changed, a ring to resume from.

Views are built only while somebody watches, at most as often as they want them (every `VIEW_PERIOD_S` unless they say
otherwise) and once per entity, however often
it changed: progress of many jobs cannot flood a console, and a participant nobody watches pays a set
insertion, of which there are no more than the ring could tell of. Subscribers keep no queue; each is a position in the ring. One that falls off its end gets every
view again, as if it had just connected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct

RING_EVENTS = 4096
RING_BYTES = 4 << 20
VIEW_PERIOD_S = 0.05
KEEP_ALIVE_S = 15.0
SEQ_PER_BOOT = 1_000_000_000
"""Sequence numbers start at boot times this, so that a position from before a restart is never taken for one
after it."""

SNAPSHOT_SEQ = 0
"""What views sent on connecting carry: whoever is cut off among them and resumes gets all of them again."""

_PIECE_BYTES = 64 << 10

EntityKey: TypeAlias = bytes
Entity: TypeAlias = tuple[str, EntityKey]
"""Kind of view and the key of what it shows; the key is empty where there is only one."""

Shown: TypeAlias = Struct | tuple[Entity, ...] | None
"""The view of an entity, None when there is nothing (any more); of a group, the entities that it consists of now."""


class Views(Protocol):
    """Where views come from."""

    def entities(self) -> Iterable[Entity]:
        """Everything there is to show now."""

    def view(self, entity: Entity) -> Shown:
        """What there is to show of one entity, or of a group, now."""


class _Wire(Struct, frozen=True):
    """`schema.Event` with its data still as the view it came from."""

    seq: int
    at_ms: float
    node: str
    kind: str
    data: Any


@dataclass(slots=True)
class _Entry:
    """One event of the ring. `encoded` is empty until somebody reads it, and again once a newer view of the
    same entity has replaced it."""

    seq: int
    at_ms: float
    kind: str
    data: Any
    entity: Entity | None = None
    encoded: bytes = b""
    superseded: bool = False


class EventHub:
    """Collects what happens in one participant and tells it to any number of subscribers."""

    def __init__(self, peer: bytes, boot: int, views: Views, wall_ms: Callable[[], float]) -> None:
        self._node = peer.hex()
        self._views = views
        self._wall_ms = wall_ms
        self._seq = boot * SEQ_PER_BOOT
        self._ring: deque[_Entry] = deque()
        self._ring_bytes = 0
        self._latest: dict[Entity, _Entry] = {}
        self._dirty: dict[Entity, None] = {}
        self._flush_at: asyncio.TimerHandle | None = None
        self._flushed_s = float("-inf")
        self._wakers: dict[asyncio.Event, float] = {}
        self._closed = False

    @property
    def seq(self) -> int:
        """Number of the latest event."""
        return self._seq

    @property
    def subscribers(self) -> int:
        """Open streams."""
        return len(self._wakers)

    def moment(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Tell that something has happened; returns its fields as told, keys and hashes as hexadecimal text."""
        told = {name: inert(value) for name, value in fields.items()}
        self._append(kind, told)
        return told

    def dirty(self, entity: Entity) -> None:
        """An entity may have changed, or all of a group; its view follows soon."""
        self._mark([entity])
        if self._dirty and self._wakers and self._flush_at is None:
            loop = asyncio.get_running_loop()
            period_s = min(self._wakers.values())
            self._flush_at = loop.call_at(max(loop.time(), self._flushed_s + period_s), self._flush)

    def _mark(self, entities: Iterable[Entity]) -> None:
        self._dirty |= dict.fromkeys(entities)
        if len(self._dirty) > RING_EVENTS:
            self._break_off()

    async def stream(
        self, last_seen: int | None, period_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events: what was missed since `last_seen`, or all views, then what happens, until closed. Views are
        wanted at most every `period_s`; whoever else watches may have them come more often."""
        waker = asyncio.Event()
        self._wakers[waker] = VIEW_PERIOD_S if period_s is None else period_s
        try:
            self._flush()
            position = self._seq if last_seen is None else last_seen
            fresh = last_seen is None
            while True:
                waker.clear()
                if fresh or not self._reaches(position):
                    position, fresh = self._seq, False
                    for piece in self._snapshot():
                        yield piece
                    continue
                missed = [self._encoded(event) for event in self._after(position)]
                position = self._seq
                if missed:
                    yield b"".join(missed)
                elif self._closed:
                    return
                elif not await _woken(waker):
                    yield b": still here\n\n"
        finally:
            del self._wakers[waker]

    def close(self) -> None:
        """End all streams after what is due."""
        self._flush()
        self._closed = True
        self._wake()

    def _flush(self) -> None:
        """Turn what is dirty into events."""
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        # One at a time: should a view fail to build, the others are still dirty and come with the next flush.
        while self._dirty:
            entity = next(iter(self._dirty))
            del self._dirty[entity]
            view = self._views.view(entity)
            if isinstance(view, tuple):
                self._mark(view)
            elif view is not None:
                self._supersede(entity)
                self._latest[entity] = self._append(entity[0], view, entity)
        self._flushed_s = asyncio.get_running_loop().time()

    def _break_off(self) -> None:
        """Nobody has watched for so long that nobody can resume: whoever comes gets every view in any case."""
        self._dirty.clear()
        self._ring.clear()
        self._latest.clear()
        self._ring_bytes = 0
        self._seq += 1
        self._wake()

    def _append(self, kind: str, data: Any, entity: Entity | None = None) -> _Entry:
        self._seq += 1
        entry = _Entry(self._seq, self._wall_ms(), kind, data, entity)
        self._ring.append(entry)
        while len(self._ring) > RING_EVENTS or self._ring_bytes > RING_BYTES:
            self._forget(self._ring.popleft())
        self._wake()
        return entry

    def _supersede(self, entity: Entity) -> None:
        """A newer view follows: whoever resumes needs only that one."""
        before = self._latest.pop(entity, None)
        if before is not None:
            self._ring_bytes -= len(before.encoded)
            before.data, before.encoded, before.superseded = None, b"", True

    def _forget(self, entry: _Entry) -> None:
        self._ring_bytes -= len(entry.encoded)
        if entry.entity is not None and self._latest.get(entry.entity) is entry:
            del self._latest[entry.entity]

    def _encoded(self, entry: _Entry) -> bytes:
        """An entry of the ring, encoded once for all subscribers."""
        if not entry.encoded:
            entry.encoded = self._lines(entry)
            entry.data = None
            self._ring_bytes += len(entry.encoded)
        return entry.encoded

    def _lines(self, entry: _Entry) -> bytes:
        body = msgspec.json.encode(_Wire(entry.seq, entry.at_ms, self._node, entry.kind, entry.data))
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.seq, entry.kind.encode(), body)

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()

    def _reaches(self, position: int) -> bool:
        """Whether the ring still holds everything after `position`, which is one of this boot."""
        oldest = self._ring[0].seq if self._ring else self._seq + 1
        return oldest - 1 <= position <= self._seq

    def _after(self, position: int) -> list[_Entry]:
        """What follows `position` and still counts, oldest first."""
        missed: list[_Entry] = []
        for entry in reversed(self._ring):
            if entry.seq <= position:
                break
            if not entry.superseded:
                missed.append(entry)
        missed.reverse()
        return missed

    def _snapshot(self) -> Iterator[bytes]:
        """All views, in pieces that a connection takes at once."""
        piece = bytearray()
        for kind, key in list(self._views.entities()):
            view = self._views.view((kind, key))
            if view is not None:
                piece += self._lines(_Entry(SNAPSHOT_SEQ, self._wall_ms(), kind, view))
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)


async def _woken(waker: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            await waker.wait()
    except TimeoutError:
        return False
    return True


def inert(value: Any) -> Any:
    """Keys and hashes as lower-case hexadecimal text, collections as lists; anything else as it is."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [inert(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(inert(item) for item in value)
    if isinstance(value, Mapping):
        return {inert(key): inert(item) for key, item in value.items()}
    return value
