"""Turns what happens into frames: snapshots of the state now and then, and between them the events, compressed together.

Events after a snapshot share one compressed stream, flushed at the end of each frame: a frame of few events costs few bytes,
and whoever seeks begins at a snapshot anyway.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import msgspec
from msgspec import Struct

from mesh_core.api.schema import Event
from whisper_tui.model.state import State
from whisper_tui.recording import frames, snapshot
from whisper_tui.recording.entries import (
    ENTRY_BYTES_MAX,
    GROUP_BYTES,
    GROUP_EVENTS,
    PENDING_BYTES_MAX,
    Packer,
    join,
    says_something,
)
from whisper_tui.recording.frames import SNAPSHOTS_BYTES_MAX, Frame, Kind

SEGMENT_BYTES = 4 << 20
"""A segment of so many bytes, without the state that it begins with, is followed by another."""


class About(Struct, frozen=True):
    """What is recorded. `run` is the wall clock at which the mesh was started, in milliseconds; `program` wrote it."""

    run: float
    network: str
    primary: str
    exec_delay_ms: float
    providers: int
    fast: bool
    program: str


class Store(Protocol):
    """Where segments go. An OSError ends the segment."""

    def begin(self) -> None:
        """A new segment."""

    def append(self, data: bytes) -> None:
        """More of it."""


class Tape:
    """Keeps events and the states they lead to. After an OSError nothing is lost but what it was about to write: the next
    event begins a new segment with a snapshot of what is known then.
    """

    def __init__(self, store: Store, about: About, state: State, first: int = 0) -> None:
        self._store = store
        self._about = about
        self._state = state
        self._count = first
        self._base: State | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._head: Frame | None = None
        self._in_group = 0
        self._group_bytes = 0
        self._snapshot_bytes = 0
        self._segment_bytes = 0
        self._packer = Packer()
        self._stream = zlib.compressobj()

    @property
    def state(self) -> State:
        """What all events so far have led to."""
        return self._state

    @property
    def count(self) -> int:
        """Events that were kept, and those before the first."""
        return self._count

    @property
    def has_news(self) -> bool:
        """Whether something waits to be flushed."""
        return bool(self._pending)

    def take(self, event: Event, after: State) -> None:
        """One more event, and the state that it led to."""
        before, self._state = self._state, after
        if not says_something(before, after):
            return
        if self._base is None or self._is_full:
            self.flush()
            self._begin_group(before)
        packed = self._packer.pack(event, before.now_ms)
        if len(packed) > ENTRY_BYTES_MAX:
            self.flush()
            self.miss(after)
            return
        if self._head is None:
            self._head = self._frame(Kind.EVENTS, before, b"")
        self._pending.append(packed)
        self._pending_bytes += len(packed)
        self._count += 1
        self._in_group += 1
        self._group_bytes += len(packed)
        if self._pending_bytes >= PENDING_BYTES_MAX:
            self.flush()

    @property
    def _is_full(self) -> bool:
        return (
            self._in_group >= GROUP_EVENTS
            or self._group_bytes >= GROUP_BYTES
            or self._segment_bytes >= SEGMENT_BYTES
        )

    def miss(self, after: State) -> None:
        """An event that is not kept: what follows begins a new segment."""
        self._state, self._base = after, None

    def flush(self) -> None:
        """Write what waits. OSError when that fails; then a new segment follows."""
        if self._head is None:
            return
        head, self._head = self._head, None
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        data = self._stream.compress(join(pending)) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        self._append(head._replace(events=len(pending), payload=data))

    def _begin_group(self, state: State) -> None:
        self._packer, self._stream = Packer(), zlib.compressobj()
        self._in_group = self._group_bytes = 0
        base = self._base if self._segment_bytes < SEGMENT_BYTES else None
        if base is not None:
            changes = snapshot.encode_changes(base, state)
            self._snapshot_bytes += len(changes)
            if self._snapshot_bytes <= SNAPSHOTS_BYTES_MAX:
                self._append(self._frame(Kind.CHANGES, state, frames.deflated(changes)))
                self._base = state
                return
        self._base = None
        self._store.begin()
        about = self._frame(Kind.ABOUT, state, msgspec.json.encode(self._about))
        encoded = snapshot.encode(state)
        whole = self._frame(Kind.BASE, state, frames.deflated(encoded))
        self._store.append(frames.start() + frames.encode(about) + frames.encode(whole))
        self._base, self._segment_bytes, self._snapshot_bytes = state, 0, len(encoded)

    def _append(self, frame: Frame) -> None:
        try:
            self._store.append(frames.encode(frame))
        except OSError:
            self._base = None
            raise
        self._segment_bytes += frame.size

    def _frame(self, kind: Kind, state: State, payload: bytes) -> Frame:
        incident = state.incidents[-1].number if state.incidents else 0
        return Frame(kind, 0, self._count, state.now_ms, state.log_number, incident, payload)
