"""Events as they are kept: one after the other, what is said again left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from mesh_core.api.schema import Event
from whisper_tui.model.state import State
from whisper_tui.recording.delta import Deltas
from whisper_tui.recording.finite import has_infinity

GROUP_EVENTS = 4_096
"""Events from one snapshot to the next: as many as are folded again to reach any moment."""

PENDING_BYTES_MAX = 256 << 10
"""Entries that wait to become a piece; beyond it they do not wait."""

ENTRY_BYTES_MAX = 1 << 20
"""An entry that is larger is not kept."""

PIECE_BYTES_MAX = PENDING_BYTES_MAX + ENTRY_BYTES_MAX + 16
"""Entries of one piece, with what says how many they are."""

GROUP_BYTES = 4 << 20
"""Entries after a snapshot; the one that goes beyond it is the last before the next snapshot."""

GROUP_BYTES_MAX = GROUP_BYTES + 2 * PIECE_BYTES_MAX

_FIELDS = tuple(field for field in State.__struct_fields__ if field != "now_ms")


class Entry(NamedTuple):
    """An event that changed something, and the latest time that the state had heard of before it."""

    event: Event
    now_ms: float


class BadEntries(ValueError):
    """Bytes that a `Packer` did not make, or not in this order."""


class _Row(Struct, array_like=True, frozen=True):
    """An entry as it is kept: with its data, or with what it is about and how that has changed."""

    at_ms: float
    seq: int
    node: str
    kind: str
    now_ms: float
    data: dict[str, Any] | str
    delta: list[Any] | None = None


def says_something(before: State, after: State) -> bool:
    """Whether an event did more than tell the time."""
    return any(getattr(before, field) is not getattr(after, field) for field in _FIELDS)


class Packer:
    """Encodes entries that are read in the same order, from the first."""

    def __init__(self) -> None:
        self._deltas = Deltas()
        self._encoder = msgspec.msgpack.Encoder()

    def pack(self, event: Event, now_ms: float) -> bytes:
        """One more entry."""
        head = (event.at_ms, event.seq, event.node, event.kind, now_ms)
        short = self._deltas.shorten(event.node, event.kind, event.data)
        return self._encoder.encode((*head, event.data) if short is None else (*head, *short))


def join(packed: Sequence[bytes]) -> bytes:
    """Entries as one piece."""
    return msgspec.msgpack.encode([msgspec.Raw(entry) for entry in packed])


class Unpacker:
    """Reads pieces of what a `Packer` packed, from the first on."""

    def __init__(self) -> None:
        self._deltas = Deltas()
        self._decoder = msgspec.msgpack.Decoder(Annotated[list[_Row], Meta(max_length=GROUP_EVENTS)])

    def unpack(self, piece: bytes, count: int) -> Iterator[Entry]:
        """The `count` entries of one piece. BadEntries when it is none, or has others."""
        try:
            rows = self._decoder.decode(piece)
            if len(rows) != count:
                raise BadEntries(f"it says that it holds {count} events and holds {len(rows)}")
            if has_infinity(piece, rows):
                raise BadEntries("a number in it is infinite or none")
            for row in rows:
                yield Entry(Event(row.seq, row.at_ms, row.node, row.kind, self._data(row)), row.now_ms)
        except BadEntries:
            raise
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadEntries(str(error)) from error

    def _data(self, row: _Row) -> dict[str, Any]:
        if isinstance(row.data, str):
            return self._deltas.restore(row.node, row.kind, row.data, row.delta or ())
        self._deltas.note(row.node, row.kind, row.data)
        return row.data
