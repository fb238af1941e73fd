"""The cuts that electors speak of: fetched, kept while they are talked about, and dropped when they came to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import Cut, SnapshotError, read_cut
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutMeta
from mesh_core.identity.statement import digest

_META = "ledger:cuts"

_names: msgspec.msgpack.Decoder[tuple[bytes, ...]] = msgspec.msgpack.Decoder(tuple[bytes, ...])


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
    """Remembers, also over a restart, which blobs are here because somebody calls them cuts."""

    _context: Context
    _blobs: Blobs
    _newest: Newest
    _fetched: dict[bytes, None] = field(default_factory=dict)

    def __contains__(self, blob: bytes) -> bool:
        return blob in self._fetched

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Take back the names."""
        self._fetched = dict.fromkeys(_names.decode(meta[_META]) if _META in meta else ())

    def get(self, now: float, name: bytes, sources: Iterable[PeerId]) -> Cut | None:
        """The cut of that name; None while it is fetched from `sources`. Raises SnapshotError when the blob is no cut."""
        data = self._blobs.get(name)
        if data is None:
            self._keep_name(name)
            self._blobs.want(now, name, sources, ReadCut(name))
            return None
        return read_cut(data)

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
        """Let go of cuts that came to nothing: of blobs that came here as cuts and are cuts. What an elector only calls
        one may be anything, such as a payload that somebody waits for."""
        for name in [name for name in self._fetched if name not in self._newest.cuts]:
            self._blobs.settled(name)
            data = self._blobs.get(name)
            if data is not None and _is_cut(data):
                self._blobs.drop(name)
        self._fetched = {name: None for name in self._fetched if name in self._newest.cuts}
        self._store_names()


def _is_cut(data: bytes) -> bool:
    try:
        read_cut(data)
    except SnapshotError:
        return False
    return True
