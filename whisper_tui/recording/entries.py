"""Events as they are kept: one after the other, what is said again left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from mesh_core.api.schema import Event
from whisper_tui.model.state import State
from whisper_tui.recording.delta import Deltas

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
        self._decoder = msgspec.msgpack.Decoder(list[_Row])

    def unpack(self, piece: bytes) -> Iterator[Entry]:
        """The entries of one piece. BadEntries when it is none."""
        try:
            for row in self._decoder.decode(piece):
                yield Entry(Event(row.seq, row.at_ms, row.node, row.kind, self._data(row)), row.now_ms)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadEntries(str(error)) from error

    def _data(self, row: _Row) -> dict[str, Any]:
        if isinstance(row.data, str):
            return self._deltas.restore(row.node, row.kind, row.data, row.delta or ())
        self._deltas.note(row.node, row.kind, row.data)
        return row.data
