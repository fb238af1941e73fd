"""The newest checkpoint of a replica: what it goes on from, in memory and in its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.electors import Certificate
from mesh_core.checkpoint.snapshot import Snapshot, SnapshotError, read_snapshot
from mesh_core.effects import PeerId, PutMeta
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.record import read_record
from mesh_core.wire import statements as st

_META = "ledger:base"

Rescued = tuple[tuple[PeerId, int], ...]
"""How many jobs each provider has rescued: a snapshot does not tell, for it depends on which certificates are held."""


class _Stored(Struct, array_like=True, frozen=True):
    """What the store keeps beside the snapshot: the blob's name, the signed records, rescues, the names of the newest
    cuts, and the checkpoints that changed the electors."""

    snapshot: bytes
    certificate: Certificate
    rescued: Rescued
    cuts: tuple[bytes, ...]
    handovers: tuple[Certificate, ...]


_stored: msgspec.msgpack.Decoder[_Stored] = msgspec.msgpack.Decoder(_Stored)


def snapshot_named(meta: Mapping[str, bytes]) -> bytes | None:
    """Which blob holds the snapshot that a store's records go on from; None when they are all there are."""
    return _stored.decode(meta[_META]).snapshot if _META in meta else None


def height_in(meta: Mapping[str, bytes]) -> int:
    """The checkpoint that a store's records go on from, 0 when they are all there are."""
    return height_of(_stored.decode(meta[_META]).certificate) if _META in meta else 0


def height_of(certificate: Certificate) -> int:
    """What height a certificate says it is of, 0 when it says nothing; nothing is checked."""
    try:
        body = read_record(certificate[0]).body if certificate else None
    except StatementError:
        return 0
    return body.height if isinstance(body, st.Checkpoint) else 0


@dataclass(eq=False)
class Newest:
    """The newest checkpoint, changed by adoption only; height 0 before the first.

    `electors` elect the next. `snapshot` and `cuts`, newest last, are names of blobs; `covered` is how many
    records lie below the cut; `results` those of covered jobs that their submitters may be waiting for. `certificate` is
    what decided it, `handovers` are those, oldest first, that changed the electors. `trusted` are the submitters that it
    trusts.
    """

    _blobs: Blobs
    electors: tuple[PeerId, ...]
    height: int = 0
    snapshot: bytes = b""
    cuts: tuple[bytes, ...] = ()
    covered: int = 0
    results: frozenset[bytes] = frozenset()
    certificate: Certificate = ()
    handovers: tuple[Certificate, ...] = ()
    trusted: frozenset[PeerId] = frozenset()

    @property
    def round(self) -> int:
        """The round in which it was decided, 0 before the first."""
        body = read_record(self.certificate[0]).body if self.certificate else None
        return body.round if isinstance(body, st.Checkpoint) else 0

    def read(self) -> Snapshot | None:
        """The snapshot: read when needed and not kept in memory."""
        data = self._blobs.get(self.snapshot) if self.snapshot else None
        return read_snapshot(data) if data is not None else None

    def needs(self, blob: bytes) -> bool:
        """Whether a blob belongs to it."""
        return blob == self.snapshot or blob in self.cuts or blob in self.results

    def blobs(self) -> set[bytes]:
        """The blobs that belong to it."""
        return {*self.results, *self.cuts, self.snapshot} - {b""}

    def restore(self, meta: Mapping[str, bytes]) -> tuple[Snapshot, Rescued] | None:
        """Take it back from a store, with its snapshot; None when there is none. Raises SnapshotError."""
        if _META not in meta:
            return None
        stored = _stored.decode(meta[_META])
        data = self._blobs.get(stored.snapshot)
        if data is None:
            raise SnapshotError("the snapshot of the ledger is missing from the store")
        snapshot = read_snapshot(data)
        body: st.Checkpoint = read_record(stored.certificate[0]).body
        self.height, self.electors = body.height, body.finding.electors
        self.snapshot, self.cuts, self.covered = stored.snapshot, stored.cuts, snapshot.cut.records
        self.results, self.trusted = snapshot.results(), frozenset(snapshot.cut.trusted)
        self.certificate, self.handovers = stored.certificate, stored.handovers
        return snapshot, stored.rescued

    def stored(self, rescued: Rescued) -> PutMeta:
        """What `restore` takes it back from."""
        stored = _Stored(self.snapshot, self.certificate, rescued, self.cuts, self.handovers)
        return PutMeta(_META, msgspec.msgpack.encode(stored))
