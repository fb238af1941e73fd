"""The cuts that electors speak of: fetched, kept while they are talked about, and dropped when they came to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import Cut, SnapshotError, read_cut
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutMeta
from mesh_core.identity.statement import digest

V = TypeVar("V")

_META = "ledger:cuts"

_names: msgspec.msgpack.Decoder[tuple[bytes, ...]] = msgspec.msgpack.Decoder(tuple[bytes, ...])

_READ_KEPT = 8
"""So many cuts are kept as they were read, and so many times as many names of what has turned out to be none."""


@dataclass(frozen=True, slots=True)
class ReadCut:
    """A replica compares what an elector says of the records below a cut. It has the place of a job."""

    cut: bytes

    @property
    def job(self) -> JobId:
        """What is settled when it is not needed any more."""
        return self.cut


@dataclass(eq=False)
class Cuts:
    """Remembers, also over a restart, which blobs are here because somebody calls them cuts. What an elector only calls
    one may be anything, such as a payload that somebody waits for."""

    _context: Context
    _blobs: Blobs
    _newest: Newest
    _fetched: dict[bytes, None] = field(default_factory=dict)
    _read: dict[bytes, Cut] = field(default_factory=dict)
    _false: dict[bytes, None] = field(default_factory=dict)

    def __contains__(self, blob: bytes) -> bool:
        return blob in self._fetched

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Take back the names."""
        self._fetched = dict.fromkeys(_names.decode(meta[_META]) if _META in meta else ())

    def fetch(self, now: float, name: bytes, sources: Iterable[PeerId]) -> Cut | None:
        """The cut of that name; None while it is fetched from `sources`. Raises SnapshotError when the blob is no cut."""
        if name in self._false:
            raise SnapshotError("an elector calls something a cut that is none")
        if name in self._read:
            return self._read[name]
        data = self._blobs.get(name)
        if data is None:
            self._keep_name(name)
            self._blobs.want(now, name, sources, ReadCut(name), limit("cut_bytes_max"))
            return None
        try:
            cut = read_cut(data)
        except SnapshotError:
            self._is_none(name)
            raise
        _keep_newest(self._read, name, cut, _READ_KEPT)
        return cut

    def come(self, name: bytes) -> None:
        """A blob that was fetched as a cut is here: whatever is none does not stay."""
        with suppress(SnapshotError):
            self.fetch(self._context.now, name, ())

    def _is_none(self, name: bytes) -> None:
        """It is not read again, nor kept for it."""
        _keep_newest(self._false, name, None, _READ_KEPT * _READ_KEPT)
        if name in self._fetched:
            self._let_go([name])

    def _let_go(self, names: list[bytes]) -> None:
        """Nothing has come of these."""
        for name in names:
            del self._fetched[name]
            self._blobs.settled(name)
        self._store_names()
        self._blobs.drop(names)

    def put(self, data: bytes) -> None:
        """Keep a cut of this node's own making."""
        if digest(data) not in self._blobs:
            self._keep_name(digest(data))
            self._blobs.put(data)

    def _keep_name(self, cut: bytes) -> None:
        """Remember that this blob, which was not here before, is one because somebody calls it a cut."""
        if cut not in self._fetched:
            self._fetched[cut] = None
            self._store_names()

    def _store_names(self) -> None:
        self._context.outbox.write(PutMeta(_META, msgspec.msgpack.encode(tuple(self._fetched))))

    def drop_unused(self) -> None:
        """A height is decided: let go of what came here as cuts and has come to nothing."""
        self._let_go([name for name in self._fetched if name not in self._newest.cuts])
        self._read.clear()
        self._false.clear()


def _keep_newest(kept: dict[bytes, V], name: bytes, value: V, most: int) -> None:
    kept[name] = value
    if len(kept) > most:
        del kept[next(iter(kept))]
