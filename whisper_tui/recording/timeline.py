"""Any moment of a run: groups of events, each after a snapshot, folded again as far as somebody wants to see.

A position counts the events before it: at position n the state is what n events have led to. Where events are missing,
because nobody recorded them or their segment has gone, positions are missing too.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from mesh_core.api.schema import Event
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State
from whisper_tui.recording.entries import GROUP_BYTES_MAX, PIECE_BYTES_MAX, BadEntries, Entry, Unpacker
from whisper_tui.recording.snapshot import BadSnapshot

KEPT_EVERY = 128
"""States kept of a group that was folded: as many events at most are folded again for a step."""

FOLDS_KEPT = 3


class Piece(NamedTuple):
    """Compressed entries, and how many they are said to be."""

    data: bytes | memoryview
    events: int


@dataclass(slots=True)
class Group:
    """Events after a snapshot, in compressed pieces; more may be added. `first` is the position of the snapshot, `incident`
    the number of its newest incident, `now_ms` its time. `base` makes its state."""

    first: int
    now_ms: float
    incident: int
    base: Callable[[], State]
    pieces: list[Piece] = field(default_factory=list)
    count: int = 0

    def add(self, data: bytes | memoryview, count: int) -> None:
        """More events."""
        self.pieces.append(Piece(data, count))
        self.count += count


class Reader:
    """Reads the events of a group, those that are added later too."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._read = 0
        self._bytes = 0
        self._stream = zlib.decompressobj()
        self._unpacker = Unpacker()

    def more(self) -> Iterator[Entry]:
        """Events that have not been read yet. Damaged if they cannot be."""
        while self._read < len(self._group.pieces):
            piece = self._group.pieces[self._read]
            self._read += 1
            try:
                yield from self._unpacker.unpack(self._inflated(piece.data), piece.events)
            except (zlib.error, BadEntries) as error:
                raise Damaged(f"what follows event {self._group.first} cannot be read: {error}") from error

    def _inflated(self, data: bytes | memoryview) -> bytes:
        packed = self._stream.decompress(data, PIECE_BYTES_MAX + 1)
        self._bytes += len(packed)
        if len(packed) > PIECE_BYTES_MAX or self._stream.unconsumed_tail:
            raise BadEntries(f"a piece of it is larger than {PIECE_BYTES_MAX} bytes")
        if self._bytes > GROUP_BYTES_MAX:
            raise BadEntries(f"it is larger than {GROUP_BYTES_MAX} bytes")
        return packed


class Damaged(Exception):
    """Events or a snapshot that fit their checksums and yet mean nothing. The text says which."""


class Fold:
    """A group folded: every state in it can be had soon."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._entries: list[Entry] = []
        self._reader = Reader(group)
        self._kept: list[State] = [group.base()]
        self._last = self._kept[0]
        self.times: list[float] = []
        self.told: list[int] = []
        """Positions at which the log had grown."""
        self.incidents: list[tuple[int, int]] = []
        """(number, position) at which an incident had begun."""
        self.extend()

    @property
    def end(self) -> int:
        """The last position."""
        return self._group.first + len(self._entries)

    def extend(self) -> None:
        """Take in what has come since."""
        state = self._last
        for entry in self._reader.more():
            before, state = state, apply(state, entry)
            self._entries.append(entry)
            self.times.append(state.now_ms)
            if len(self._entries) % KEPT_EVERY == 0:
                self._kept.append(state)
            if state.log_number > before.log_number:
                self.told.append(self.end)
            if state.incidents and (
                not before.incidents or state.incidents[-1].number > before.incidents[-1].number
            ):
                self.incidents.append((state.incidents[-1].number, self.end))
        self._last = state

    def at(self, position: int) -> State:
        """The state at a position of this group."""
        offset = min(position, self.end) - self._group.first
        if offset == len(self._entries):
            return self._last
        state = self._kept[offset // KEPT_EVERY]
        for entry in self._entries[offset - offset % KEPT_EVERY : offset]:
            state = apply(state, entry)
        return state

    def event(self, position: int) -> Event:
        """The event that led to this position."""
        return self._entries[position - self._group.first - 1].event


def apply(state: State, entry: Entry) -> State:
    """The state after an entry; what was not kept before it told the time at least."""
    if entry.now_ms > state.now_ms:
        state = replace(state, now_ms=entry.now_ms)
    return reduce(state, entry.event)


class Timeline:
    """Groups in their order; more may be added at the end, and the oldest may go."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._folds: dict[int, Fold] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not self._groups

    @property
    def first(self) -> int:
        """The first position."""
        return self._groups[0].first

    @property
    def last(self) -> int:
        """The last position."""
        return self._groups[-1].first + self._groups[-1].count

    @property
    def began_ms(self) -> float:
        """The time at the first position; of a run that began there, that of its first event."""
        first = self._fold(0)
        return self._groups[0].now_ms or (first.times[0] if first.times else 0.0)

    @property
    def ended_ms(self) -> float:
        """The time at the last position."""
        return self.at(self.last).now_ms

    def at(self, position: int) -> State:
        """The state at a position; at the nearest one that there is."""
        return self._fold(self._group_at(position)).at(max(position, self.first))

    def position_at(self, ms: float) -> int:
        """The last position that is not later than this time (wall clock, milliseconds); the first when all are."""
        times = [group.now_ms for group in self._groups]
        index = max(0, bisect.bisect_right(times, ms) - 1)
        fold = self._fold(index)
        return self._groups[index].first + bisect.bisect_right(fold.times, ms)

    def told_before(self, position: int) -> int:
        """The position before this one at which the log had grown; the first when there is none."""
        for index in range(self._group_at(position), -1, -1):
            told = self._fold(index).told
            at = bisect.bisect_left(told, position) - 1
            if at >= 0:
                return told[at]
        return self.first

    def told_after(self, position: int) -> int:
        """The position after this one at which the log had grown; the last when there is none."""
        for index in range(self._group_at(position), len(self._groups)):
            told = self._fold(index).told
            at = bisect.bisect_right(told, position)
            if at < len(told):
                return told[at]
        return self.last

    def incident_before(self, position: int) -> int | None:
        """The position before this one at which an incident had begun; None when there is none."""
        for index in range(self._group_at(position), -1, -1):
            if (
                index + 1 < len(self._groups)
                and self._groups[index + 1].incident == self._groups[index].incident
            ):
                continue
            before = [at for _, at in self._fold(index).incidents if at < position]
            if before:
                return before[-1]
        return None

    def incident_after(self, position: int) -> int | None:
        """The position after this one at which an incident had begun; None when there is none."""
        for index in range(self._group_at(position), len(self._groups)):
            if (
                index + 1 < len(self._groups)
                and self._groups[index + 1].incident == self._groups[index].incident
            ):
                continue
            for _, at in self._fold(index).incidents:
                if at > position:
                    return at
        return None

    def time_of(self, position: int) -> float:
        """The time at a position."""
        return self.at(position).now_ms

    def events(self) -> Iterator[Event]:
        """All events in order, from the first position on."""
        for group in self._groups:
            for entry in Reader(group).more():
                yield entry.event

    def _group_at(self, position: int) -> int:
        """Index of the last group that begins at or before this position."""
        return max(0, bisect.bisect_right(self._groups, position, key=lambda group: group.first) - 1)

    def _fold(self, index: int) -> Fold:
        group = self._groups[index]
        fold = self._folds.pop(group.first, None)
        if fold is None:
            try:
                fold = Fold(group)
            except (BadSnapshot, zlib.error) as error:
                raise Damaged(f"what was known at event {group.first} cannot be read: {error}") from error
            while len(self._folds) >= FOLDS_KEPT:
                del self._folds[next(iter(self._folds))]
        else:
            fold.extend()
        self._folds[group.first] = fold
        return fold
