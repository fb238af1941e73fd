"""Checkpoints: how old records are dropped, and how a node that was away for longer than they are kept catches up.

An *elector* — a key that this node's own configuration names — says in a `checkpoint` record what the records
below a cut come to. Others with the same records compute it for themselves. Who finds the same signs the same, if it is
an elector; once most electors have, everybody who finds the same drops what the cut covers. A node that lacks covered
records, and finds that its peers have dropped them, takes the snapshot on the word of those electors.

Electors do not agree on anything: each states what it has found, and a node that can compare believes none of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import DropStatements, DropVotes, PeerId, PutMeta
from mesh_core.identity.statement import StatementError, digest
from mesh_core.lease.committee import members
from mesh_core.ledger.blobs import Blobs
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.needs import ReadCut, TakeSnapshot
from mesh_core.ledger.record import Entry, check_record, read_record
from mesh_core.ledger.snapshot import (
    Cut,
    Snapshot,
    SnapshotError,
    encoded,
    read_cut,
    read_snapshot,
    snapshot_at,
)
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Truncated

_META = "ledger:base"
_LOOK = ("checkpoint", "look")
_PROPOSE = ("checkpoint", "propose")

_RETRY_S = 1.0
"""When records below a cut that others have signed are missing here, it is looked at again after this long."""

_RANK_STEP_S = 2.0
"""Each live elector waits this much longer than the one before, so that one of them proposes."""

_PATIENCE_MARKS = 2
"""A record that has waited for its job through so many marks waits for one that is dropped, or never was."""

_STATEMENTS_KEPT = 4
"""Of each elector so many of its newest statements are considered."""

LOST = st.Value("failed", b"", 0, "decided while this node was away, too long ago to tell how", b"", 0)
"""What a job is taken to have come to when the mesh has forgotten it."""


class _Stored(Struct, array_like=True, frozen=True):
    """What the store keeps of the newest checkpoint beside its snapshot: the blob's name, the signed records, rescues, and
    the names of the newest cuts, for those who have not come so far."""

    snapshot: bytes
    checkpoints: tuple[st.Signed, ...]
    rescued: tuple[tuple[PeerId, int], ...]
    cuts: tuple[bytes, ...]


_stored: msgspec.msgpack.Decoder[_Stored] = msgspec.msgpack.Decoder(_Stored)


def snapshot_named(meta: Mapping[str, bytes]) -> bytes | None:
    """Which blob holds the snapshot that a store's records go on from; None when they are all there are."""
    return _stored.decode(meta[_META]).snapshot if _META in meta else None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where all chains were when `added` records had come."""

    added: int
    bases: Mapping[PeerId, Base]


@dataclass(frozen=True, slots=True)
class _Found:
    """A snapshot this node has computed, and its bytes."""

    snapshot: Snapshot
    data: bytes


@dataclass(eq=False)
class Checkpoints:
    """This node's part in checkpoints. `_keeps` tells results it still needs; `_retire` is told that the mesh knows more
    of this key than its disk does."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _blobs: Blobs
    _live: Callable[[], list[PeerId]]
    _keeps: Callable[[bytes], bool]
    _retire: Callable[[str], None]
    _certificate: tuple[st.Signed, ...] = ()
    _snapshot: bytes = b""
    _cuts: tuple[bytes, ...] = ()
    _records: int = 0
    _added: int = 0
    _attested: int = 0
    _marks: deque[_Mark] = field(default_factory=deque)
    _said: dict[st.Checkpoint, dict[PeerId, st.Signed]] = field(default_factory=dict)
    _contradicted: dict[st.Checkpoint, None] = field(default_factory=dict)
    _waits: dict[bytes, int] = field(default_factory=dict)
    _found: tuple[bytes, _Found | None] = (b"", None)
    _offered: dict[PeerId, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self._context.config
        self._sworn = sorted(set(config.electors[: limit("committee_max")]))

    # ---------------------------------------------------------------------------------- start and resume

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Begin with the newest snapshot, before any record is folded."""
        if _META not in meta:
            return
        stored = _stored.decode(meta[_META])
        data = self._blobs.get(stored.snapshot)
        if data is None:
            raise SnapshotError("the snapshot of the ledger is missing from the store")
        snapshot = read_snapshot(data)
        self._snapshot, self._certificate = stored.snapshot, stored.checkpoints
        self._cuts, self._records = stored.cuts, snapshot.cut.records
        snapshot.begin(self._ledger)
        for peer, times in stored.rescued:
            if peer in self._ledger.accounts:
                self._ledger.accounts[peer].rescued = times

    def resume(self, now: float) -> None:
        """This node may sign: mark where it is, and look at what others have said meanwhile."""
        self._marks.clear()
        self._mark()
        self._context.timers.set(_LOOK, now)

    # --------------------------------------------------------------------------------------- what happens

    def on_record(self, entry: Entry) -> None:
        """A record has come: one of this kind is a statement, and all of them together are what is to be dropped."""
        if isinstance(entry.body, st.Checkpoint):
            # It does not count as one of many: else checkpoints alone would cause the next.
            self._hear(entry, entry.body)
            return
        self._added += 1
        if self._context.ready and (not self._marks or self._added - self._marks[-1].added >= self._step):
            self._mark()
            self._consider_proposing()

    def offer(self, now: float, peer: PeerId) -> None:
        """A peer lacks records that are dropped here; told at most once per `_RETRY_S`."""
        if self._certificate and now - self._offered.get(peer, float("-inf")) >= _RETRY_S:
            self._offered = {other: at for other, at in self._offered.items() if now - at < _RETRY_S}
            self._offered[peer] = now
            self._context.send(peer, Truncated(self._certificate))

    def on_truncated(self, now: float, sender: PeerId, message: Truncated) -> None:
        """A peer has dropped what this node lacks: get the snapshot, if the electors say so."""
        body = self._certified(message.checkpoints)
        if body is None:
            self._context.dropped["bad_checkpoint"] += 1
        elif body.records > self._records:
            self._blobs.want(now, body.snapshot, [sender], TakeSnapshot(body, message.checkpoints))

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """`look` at what electors say; `propose` when it is this elector's turn."""
        if key == _LOOK:
            self._look(now)
        elif self._context.ready:
            self._propose(now)

    # -------------------------------------------------------------------------------------------- electors

    @property
    def _electors(self) -> list[PeerId]:
        """Those whom this node's configuration names, else grants the most credit, in order of their keys."""
        return self._sworn

    def _most_agree(self, peers: Iterable[PeerId]) -> bool:
        electors = self._electors
        return 2 * len(set(electors).intersection(peers)) > len(electors)

    def _certified(self, checkpoints: tuple[st.Signed, ...]) -> st.Checkpoint | None:
        """What most electors say in these records, None when they do not."""
        if not 0 < len(checkpoints) <= len(self._electors):
            return None
        network = self._context.config.network
        try:
            entries = [check_record(self._context.crypto, signed, network) for signed in checkpoints]
        except StatementError:
            return None
        body = entries[0].body
        agree = {entry.author for entry in entries if entry.body == body}
        return body if isinstance(body, st.Checkpoint) and self._most_agree(agree) else None

    def _hear(self, entry: Entry, body: st.Checkpoint) -> None:
        if entry.author not in self._electors or body.records <= self._records:
            return
        self._said.setdefault(body, {})[entry.author] = entry.signed
        theirs = sorted((one for one, by in self._said.items() if entry.author in by), key=_order)
        for old in theirs[:-_STATEMENTS_KEPT]:
            del self._said[old][entry.author]
            if not self._said[old]:
                self._forget(old)
        self._context.timers.set(_LOOK, self._context.now)

    # ------------------------------------------------------------------------------------------- proposing

    @property
    def _step(self) -> int:
        return max(1, self._context.config.retained_records // 2)

    def _mark(self) -> None:
        """Remember where the chains are."""
        places: dict[PeerId, int] = {}
        for author, held in self._ledger.chains.authors.items():
            # The last record stays: it tells a node that restarts from an old backup of its past.
            stays = not held.chain or not self._is_decided(held.chain[-1])
            places[author] = max(held.base.seq, held.head_seq - stays)
        self._leave_waiting(places)
        while self._leave_uncovered(places):
            pass
        bases: dict[PeerId, Base] = {}
        for author, seq in places.items():
            name = self._ledger.chains.authors[author].hash_at(seq)
            assert name is not None
            bases[author] = Base(seq, name)
        self._marks.append(_Mark(self._added, bases))

    def _is_decided(self, entry: Entry) -> bool:
        """Whether a record is that of a decided job: others that concern it must not be covered without it."""
        job = self._ledger.jobs.get(entry.hash)
        return job is not None and job.final

    def _leave_waiting(self, places: dict[PeerId, int]) -> None:
        """Leave out records whose job has not come; who waits for long waits for nothing."""
        waits = {entry.hash: self._waits.get(entry.hash, 0) + 1 for entry in self._ledger.waiting()}
        self._waits = waits
        for entry in self._ledger.waiting():
            if waits[entry.hash] <= _PATIENCE_MARKS:
                places[entry.author] = min(places[entry.author], entry.seq - 1)

    def _leave_uncovered(self, places: dict[PeerId, int]) -> bool:
        """Leave out records of jobs whose own record is left out; whether there were any."""
        changed = False
        for job in self._ledger.jobs.values():
            if job.entry.seq <= places[job.submitter]:
                continue
            settled = [job.settle] if job.settle is not None else []
            for entry in (*job.awards.values(), *(lease for _, lease in job.leases.values()), *settled):
                if entry.seq <= places[entry.author]:
                    base = self._ledger.chains.authors[entry.author].base.seq
                    changed |= places[entry.author] != max(base, entry.seq - 1)
                    places[entry.author] = max(base, entry.seq - 1)
        return changed

    def _due(self) -> Cut | None:
        """The newest cut that leaves as many records above it as are to be retained, if it covers enough."""
        retained = self._context.config.retained_records
        while len(self._marks) > 1 and self._added - self._marks[1].added >= retained:
            self._marks.popleft()
        if not self._marks or self._added - self._marks[0].added < retained:
            return None
        cut = Cut.of(self._marks[0].bases)
        newest = max((body.records for body in self._said), default=self._records)
        return cut if cut.records >= max(newest, self._records) + self._step else None

    def _consider_proposing(self) -> None:
        electors = [peer for peer in self._electors if peer == self._context.me or peer in self._live()]
        if self._context.me in electors and _PROPOSE not in self._context.timers and self._due() is not None:
            rank = electors.index(self._context.me)
            self._context.timers.set(_PROPOSE, self._context.now + rank * _RANK_STEP_S)

    def _propose(self, now: float) -> None:
        cut = self._due()
        snapshot = self._computed(cut) if cut is not None else None
        if cut is not None and snapshot is not None:
            name = self._blobs.put(encoded(cut))
            self._attest(
                now,
                st.Checkpoint(name, digest(snapshot.data), snapshot.snapshot.state_root, cut.records),
            )

    def _attest(self, now: float, body: st.Checkpoint) -> None:
        self._attested = max(self._attested, body.records)
        self._replication.append(now, "checkpoint", body)

    # --------------------------------------------------------------------------------------------- judging

    def _look(self, now: float) -> None:
        """Judge what electors say, the furthest first, until one is signed or acted on: the others are behind it."""
        for body in sorted(self._said, key=_order, reverse=True):
            said = self._said[body]
            agreed = self._most_agree(said)
            joining = (
                self._context.ready
                and self._context.me in self._electors
                and self._context.me not in said
                and body.records > self._attested
            )
            if (agreed or joining) and body not in self._contradicted and self._judge(now, body, agreed):
                return

    def _judge(self, now: float, body: st.Checkpoint, agreed: bool) -> bool:
        """Compare a statement with this node's own records: sign it, act on it, or contradict it. False when that has to
        wait, for the cut or for records that are on their way, or when it is contradicted."""
        data = self._blobs.get(body.cut)
        if data is None:
            self._blobs.want(now, body.cut, list(self._said[body]), ReadCut(body.cut))
            return False
        try:
            cut = read_cut(data)
        except SnapshotError:
            self._contradicted[body] = None
            return False
        own = self._computed(cut)
        if own is None:
            self._context.timers.set(_LOOK, now + _RETRY_S)
            return False
        found = st.Checkpoint(body.cut, digest(own.data), own.snapshot.state_root, cut.records)
        if found != body:
            self._contradicted[body] = None
            if agreed:
                self._context.outbox.notify(
                    "alarm", text="most electors sign a checkpoint that this node's own records contradict"
                )
            return False
        if agreed:
            self._adopt(now, body, own, tuple(self._said[body].values()))
        else:
            self._attest(now, body)
        return True

    def _computed(self, cut: Cut) -> _Found | None:
        """This node's own snapshot at a cut; None when records are missing. The last one is remembered."""
        name = digest(encoded(cut))
        if self._found[0] != name or self._found[1] is None:
            snapshot = snapshot_at(self._ledger, self._read(), cut)
            self._found = (name, _Found(snapshot, encoded(snapshot)) if snapshot is not None else None)
        return self._found[1]

    def _read(self) -> Snapshot | None:
        """The newest snapshot: read when needed and not kept in memory."""
        data = self._blobs.get(self._snapshot) if self._snapshot else None
        return read_snapshot(data) if data is not None else None

    # -------------------------------------------------------------------------------------------- adopting

    def on_cut(self, now: float) -> None:
        """The cut that an elector speaks of is here."""
        self._look(now)

    def on_snapshot(self, now: float, need: TakeSnapshot) -> None:
        """A snapshot that most electors vouch for is here: take it, unless this node can compute its own by now."""
        body, certificate = need.body, need.checkpoints
        data = self._blobs.get(body.snapshot)
        if data is None or body.records <= self._records:
            return
        try:
            snapshot = read_snapshot(data)
        except SnapshotError:
            self._context.dropped["bad_snapshot"] += 1
            return
        bases = snapshot.cut.bases
        behind = [
            author
            for author, held in self._ledger.chains.authors.items()
            if held.base.seq and held.base.seq > bases.get(author, Base()).seq
        ]
        named = (digest(encoded(snapshot.cut)), snapshot.state_root, snapshot.network)
        if behind or named != (body.cut, body.state_root, self._context.config.network):
            self._context.dropped["bad_snapshot"] += 1
            return
        if self._computed(snapshot.cut) is not None:
            return  # then it is judged like any other, by comparing
        own = self._ledger.chains.authors.get(self._context.me)
        mine = bases.get(self._context.me, Base())
        if mine.seq > (own.highest_seq() if own is not None else 0):
            self._retire(f"the mesh holds record {mine.seq} of this key, the store does not")
        self._adopt(now, body, _Found(snapshot, data), certificate)

    def _adopt(
        self, now: float, body: st.Checkpoint, found: _Found, certificate: tuple[st.Signed, ...]
    ) -> None:
        """Let the snapshot take the place of everything below its cut, in memory and, in one batch, on disk."""
        ledger, snapshot = self._ledger, found.snapshot
        before, cut = self._read(), snapshot.cut.bases
        moved = {
            author: base
            for author, base in cut.items()
            if author not in ledger.chains.authors or ledger.chains.authors[author].base.seq < base.seq
        }
        records = [read_record(signed) for signed in snapshot.records]
        kept = {entry.hash for entry in records}
        gone = [job for job in ledger.jobs.values() if _covers(cut, job.entry) and job.id not in kept]
        orphaned = [
            job.settle.body
            for job in ledger.jobs.values()
            if job.settle is not None
            and _covers(cut, job.settle)
            and job.settle.hash not in kept
            and (job.id in kept or not _covers(cut, job.entry))
        ]
        ledger.forget(gone, cut)
        ledger.collapse(snapshot.settled, snapshot.opened_accounts(), snapshot.jobs)
        for entry in records:
            ledger.fold(entry)
        self._store(body, found, certificate, moved)
        self._clear(before, snapshot, gone)
        for old in [one for one in self._said if one.records <= snapshot.cut.records]:
            self._forget(old)
        self._marks = deque(mark for mark in self._marks if Cut.of(mark.bases).records > snapshot.cut.records)
        self._found = (b"", None)
        self._contradicted.clear()  # from another base it may look otherwise
        for job in gone:
            if not job.final:
                decided = {one.job: one.value for one in snapshot.decided_of(job.submitter)}
                job.verdict = decided.get(job.id) or LOST
                ledger.hooks.on_settled(job)
        for certified in orphaned if self._context.ready else ():
            # It was on a side of a fork that has lost: without a record it would count here and nowhere else.
            self._replication.append(now, "settle", certified)

    def _store(
        self,
        body: st.Checkpoint,
        found: _Found,
        certificate: tuple[st.Signed, ...],
        moved: Mapping[PeerId, Base],
    ) -> None:
        old = [self._snapshot] if self._snapshot else []
        self._snapshot = self._blobs.put(found.data)
        cuts = [*self._cuts, self._blobs.put(encoded(found.snapshot.cut))]
        self._cuts = tuple(cuts[-_STATEMENTS_KEPT:])
        self._certificate, self._records = certificate, found.snapshot.cut.records
        for name in (*old, *cuts[:-_STATEMENTS_KEPT]):
            self._blobs.drop(name)
        rescued = tuple(
            (peer, account.rescued) for peer, account in self._ledger.accounts.items() if account.rescued
        )
        stored = _Stored(self._snapshot, certificate, rescued, self._cuts)
        self._context.outbox.write(
            PutMeta(_META, msgspec.msgpack.encode(stored)),
            *(DropStatements(author, base.seq) for author, base in moved.items()),
        )
        assert body.snapshot == self._snapshot

    def _clear(self, before: Snapshot | None, snapshot: Snapshot, gone: Iterable[LedgerJob]) -> None:
        """Drop votes and payloads of jobs that are gone, and results that no submitter can be waiting for."""
        live = [*self._ledger.jobs.values()]
        needed = {job.job.payload_hash for job in live}
        needed |= {job.value.result_hash for job in live if job.value is not None} | snapshot.results()
        dropped = before.results() if before is not None else set()
        for job in gone:
            dropped.add(job.job.payload_hash)
            if job.value is not None:
                dropped.add(job.value.result_hash)
            if self._context.me in members(job.job):
                self._context.outbox.write(DropVotes(job.id))
        for name in sorted(dropped - needed):
            if name in self._blobs and not self._keeps(name):
                self._blobs.drop(name)

    def _forget(self, body: st.Checkpoint) -> None:
        """A statement is of no use any more."""
        self._said.pop(body, None)
        self._contradicted.pop(body, None)
        for name in (body.cut, body.snapshot):
            self._blobs.settled(name)
        if body.cut not in self._cuts and body.cut in self._blobs:
            self._blobs.drop(body.cut)


def _order(body: st.Checkpoint) -> tuple[int, bytes, bytes]:
    return body.records, body.cut, body.snapshot


def _covers(cut: Mapping[PeerId, Base], entry: Entry) -> bool:
    return entry.author in cut and entry.seq <= cut[entry.author].seq
