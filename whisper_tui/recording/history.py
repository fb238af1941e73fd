"""What a console has seen since it was opened, kept in memory: it can be gone back to without a recording."""

from __future__ import annotations

import zlib

from mesh_core.api.schema import Event
from whisper_tui.model.state import State
from whisper_tui.recording.entries import (
    ENTRY_BYTES_MAX,
    GROUP_BYTES,
    PENDING_BYTES_MAX,
    Packer,
    join,
    says_something,
)
from whisper_tui.recording.timeline import Group, Timeline

GROUP_EVENTS = 1_024
BYTES_MAX = 16 << 20
"""Compressed events; the oldest go."""

GROUPS_MAX = 64
"""States kept whole; they share what has not changed."""

PENDING_MAX = 256


class History:
    """Every event since a state, bounded."""

    def __init__(self, state: State) -> None:
        self._groups: list[Group] = []
        self._timeline = Timeline(self._groups)
        self._bytes = 0
        self._count = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._begin(state)

    def take(self, event: Event, before: State, after: State) -> None:
        """One more event, the state that it met and the one that it led to."""
        if not says_something(before, after):
            return
        if self._groups[-1].count + len(self._pending) >= GROUP_EVENTS or self._group_bytes >= GROUP_BYTES:
            self._flush()
            self._begin(before)
        packed = self._packer.pack(event, before.now_ms)
        if len(packed) > ENTRY_BYTES_MAX:
            self._flush()
            self._count += 1  # a position of its own: at it, what it led to is known
            self._begin(after)
            return
        self._pending.append(packed)
        self._pending_bytes += len(packed)
        self._group_bytes += len(packed)
        self._count += 1
        if len(self._pending) >= PENDING_MAX or self._pending_bytes >= PENDING_BYTES_MAX:
            self._flush()

    @property
    def timeline(self) -> Timeline:
        """All of it that is kept, up to now."""
        self._flush()
        return self._timeline

    def _begin(self, state: State) -> None:
        self._packer, self._stream = Packer(), zlib.compressobj(1)
        self._group_bytes = 0
        incident = state.incidents[-1].number if state.incidents else 0
        self._groups.append(Group(self._count, state.now_ms, incident, lambda: state))
        while len(self._groups) > GROUPS_MAX or (self._bytes > BYTES_MAX and len(self._groups) > 1):
            self._bytes -= sum(len(piece.data) for piece in self._groups.pop(0).pieces)

    def _flush(self) -> None:
        if not self._pending:
            return
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        piece = self._stream.compress(join(pending)) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        self._groups[-1].add(piece, len(pending))
        self._bytes += len(piece)
