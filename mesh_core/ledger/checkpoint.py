"""Checkpoints: how old records are dropped, and how a node that was away for longer than they are kept catches up.

An *elector* finds for itself what the records below a cut come to, and says so in `checkpoint` records; rounds of two
votes (`rounds.py`) decide on one cut for each height, and on who elects the next. Every replica that finds the same itself
then drops what the cut covers. A node that lacks covered records, and hears that its peers have dropped them, takes the
snapshot on the word of the electors it knows, or of those who took over from them.

A node that can compare believes nobody: it acts on its own result, and no elector signs what it has not found itself.
"""

from __future__ import annotations

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
from mesh_core.ledger.electors import (
    Certificate,
    acceptable,
    certified,
    eligible,
    rotated,
    successors,
)
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.marks import Marks
from mesh_core.ledger.needs import ReadCut, TakeSnapshot
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.record import Entry, read_record
from mesh_core.ledger.rounds import Rounds
from mesh_core.ledger.snapshot import (
    Cut,
    Snapshot,
    SnapshotError,
    encoded,
    folded,
    read_cut,
    read_snapshot,
    submitters,
    taken,
)
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Truncated

_META = "ledger:base"
_META_CUTS = "ledger:cuts"
_LOOK = ("checkpoint", "look")

_RETRY_S = 1.0
"""When records below a cut that others have signed are missing here, it is looked at again after this long."""

_QUORUM_RETRY_S = 2.0
"""While too few electors are there nobody votes; after this long they are counted again."""

_TURN_S = 1.0
"""In the first rounds each live elector waits this much longer than the one before it, so that one of them proposes; in
later ones as many times longer as the round is, for electors may have come to it at different times."""

_ROUND_S = 4.0
_ROUND_DOUBLINGS = 10
"""A round without a decision makes way for the next after so long, twice as long after every second one."""

_CUTS_KEPT = 4
"""The names of so many cuts are kept, for those who have not come so far."""

_FOUND_KEPT = 2
"""So many results of this node's own are remembered: two proposals may be looked at in turn."""

_STALLED_S = 5.0
"""A snapshot of which nothing has come for so long makes way for an older one that somebody offers."""

LOST = st.Value("failed", b"", 0, "decided while this node was away, too long ago to tell how", b"", 0)
"""What a job is taken to have come to when the mesh has forgotten it."""

DROPPED = st.Value(
    "failed", b"", 0, "dropped by a checkpoint: the electors do not trust its submitter", b"", 0
)
"""What an open job ends as when its submitter is nobody whose books are kept."""


class _Stored(Struct, array_like=True, frozen=True):
    """What the store keeps of the newest checkpoint beside its snapshot: the blob's name, the signed records, rescues,
    the names of the newest cuts, and the checkpoints that changed the electors."""

    snapshot: bytes
    certificate: Certificate
    rescued: tuple[tuple[PeerId, int], ...]
    cuts: tuple[bytes, ...]
    handovers: tuple[Certificate, ...]


_stored: msgspec.msgpack.Decoder[_Stored] = msgspec.msgpack.Decoder(_Stored)
_names: msgspec.msgpack.Decoder[tuple[bytes, ...]] = msgspec.msgpack.Decoder(tuple[bytes, ...])


def snapshot_named(meta: Mapping[str, bytes]) -> bytes | None:
    """Which blob holds the snapshot that a store's records go on from; None when they are all there are."""
    return _stored.decode(meta[_META]).snapshot if _META in meta else None


def height_in(meta: Mapping[str, bytes]) -> int:
    """The checkpoint that a store's records go on from, 0 when they are all there are."""
    return _height_of(_stored.decode(meta[_META]).certificate) if _META in meta else 0


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot this node has computed, its bytes, and all submitters that it could tell of."""

    snapshot: Snapshot
    data: bytes
    submitters: frozenset[PeerId]


@dataclass(slots=True)
class _Wanted:
    """The one snapshot that is being fetched, how much of it had come when that was looked at last, and since when it
    was no more."""

    need: TakeSnapshot
    since: float
    received: int = 0


@dataclass(eq=False)
class Checkpoints:
    """This node's part in checkpoints. `_keeps` tells results it still needs; `_retire` is told that the mesh knows more
    of this key than its disk does; `_prove` takes two votes of one elector for one slot."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _blobs: Blobs
    _live: Callable[[], list[PeerId]]
    _keeps: Callable[[bytes], bool]
    _retire: Callable[[str], None]
    _prove: Prove
    height: int = 0
    _certificate: Certificate = ()
    _handovers: tuple[Certificate, ...] = ()
    _snapshot: bytes = b""
    _cuts: tuple[bytes, ...] = ()
    _covered: int = 0
    _results: frozenset[bytes] = frozenset()
    _fetched: dict[bytes, None] = field(default_factory=dict)
    _verdicts: dict[st.Finding, bool] = field(default_factory=dict)
    _found: dict[bytes, Found] = field(default_factory=dict)
    _round: int = 0
    _since: float | None = None
    _alarmed: bool = False
    _offered: dict[PeerId, float] = field(default_factory=dict)
    _wanted: _Wanted | None = None

    def __post_init__(self) -> None:
        config = self._context.config
        self._marks = Marks(
            self._ledger, config.retained_records, lambda peer: config.credit.get(peer, 0) > 0
        )
        self._begin(0, tuple(sorted(set(config.electors[: limit("committee_max")]))))

    def _begin(self, height: int, electors: tuple[PeerId, ...]) -> None:
        """A height is decided: these electors decide the next."""
        self.height = height
        self._rounds = Rounds(height + 1, electors, self._context.me)
        self._round, self._since, self._alarmed = 0, None, False
        self._verdicts.clear()
        self._found.clear()
        self._give_up_wanted()

    @property
    def electors(self) -> tuple[PeerId, ...]:
        """Who elects the next checkpoint."""
        return self._rounds.electors

    @property
    def base(self) -> bytes:
        """The name of the snapshot that this replica goes on from, empty when it holds all records."""
        return self._snapshot

    def needs(self, blob: bytes) -> bool:
        """Whether a blob is what this node goes on from, or a cut that is talked about, or the result of a job that is
        covered and that its submitter may be waiting for."""
        return blob == self._snapshot or blob in self._cuts or blob in self._fetched or blob in self._results

    # ---------------------------------------------------------------------------------- start and resume

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Begin with the newest snapshot, before any record is folded."""
        self._fetched = dict.fromkeys(_names.decode(meta[_META_CUTS]) if _META_CUTS in meta else ())
        if _META not in meta:
            return
        stored = _stored.decode(meta[_META])
        data = self._blobs.get(stored.snapshot)
        if data is None:
            raise SnapshotError("the snapshot of the ledger is missing from the store")
        snapshot = read_snapshot(data)
        self._snapshot, self._certificate = stored.snapshot, stored.certificate
        self._cuts, self._handovers, self._covered = stored.cuts, stored.handovers, snapshot.cut.records
        self._results = snapshot.results()
        self._blobs.pin((self._snapshot, *self._cuts))
        body: st.Checkpoint = read_record(stored.certificate[0]).body
        self._begin(body.height, body.finding.electors)
        snapshot.begin(self._ledger)
        for peer, times in stored.rescued:
            if peer in self._ledger.accounts:
                self._ledger.accounts[peer].rescued = times

    def resume(self, now: float) -> None:
        """This node may sign: mark where it is, and look at what others have said meanwhile."""
        self._marks.resume()
        self._context.timers.set(_LOOK, now)

    # --------------------------------------------------------------------------------------- what happens

    def on_record(self, entry: Entry) -> None:
        """A record has come: one of this kind is a vote, and all others together are what is to be dropped."""
        if isinstance(entry.body, st.Checkpoint):
            # It does not count as one of many: else checkpoints alone would cause the next.
            self._hear(entry, entry.body)
            return
        self._marks.count()
        if self._context.ready and self._marks.is_full():
            self._marks.mark()
            if self._is_due() and _LOOK not in self._context.timers:
                self._context.timers.set(_LOOK, self._context.now)

    def _is_due(self) -> bool:
        return self._context.me in self.electors and self._marks.is_due(self._covered)

    def _hear(self, entry: Entry, body: st.Checkpoint) -> None:
        other = self._rounds.hear(entry.author, body, entry.signed)
        if other is not None:
            self._prove("checkpoint", other, entry.signed)
        if body.height == self._rounds.height and entry.author in self.electors:
            self._context.timers.set(_LOOK, self._context.now)

    def offer(self, now: float, peer: PeerId) -> None:
        """A peer lacks records that are dropped here; told at most once per `_RETRY_S`."""
        if self._certificate and now - self._offered.get(peer, float("-inf")) >= _RETRY_S:
            self._offered = {other: at for other, at in self._offered.items() if now - at < _RETRY_S}
            self._offered[peer] = now
            self._context.send(peer, Truncated(self._certificate, self._handovers))

    def on_truncated(self, now: float, sender: PeerId, message: Truncated) -> None:
        """A peer has dropped what this node lacks: get the snapshot, if the electors say so."""
        if 0 < _height_of(message.checkpoints) <= self.height:
            return
        need = self._followed(message)
        if need is None:
            self._context.dropped["bad_checkpoint"] += 1
            return
        if need.body.height == self._rounds.height:
            # Its votes may be covered elsewhere by now: whoever has all the records needs nothing else.
            for signed in need.checkpoints:
                entry = read_record(signed)
                self._hear(entry, entry.body)
        if need.body.finding not in self._verdicts and self._is_best(now, need):
            self._blobs.want(now, need.job, [sender], need)

    def _is_best(self, now: float, need: TakeSnapshot) -> bool:
        """Whether this snapshot is the one to fetch: the newest of those that can be had. Only one is fetched at a time:
        peers drop theirs as soon as they have a newer one."""
        wanted = self._wanted
        if wanted is not None and wanted.need != need:
            received = self._blobs.received(wanted.need.job)
            if received > wanted.received:
                wanted.received, wanted.since = received, now
            if need.body.height < wanted.need.body.height and now < wanted.since + _STALLED_S:
                return False
            self._give_up_wanted()
        if self._wanted is None:
            self._wanted = _Wanted(need, now)
        return True

    def _give_up_wanted(self) -> None:
        if self._wanted is not None:
            self._blobs.settled(self._wanted.need.job)
            self._wanted = None

    def _followed(self, message: Truncated) -> TakeSnapshot | None:
        """What is said by those electors that this node knows, or by who took over from them; None when it is not."""
        crypto, network = self._context.crypto, self._context.config.network
        height, electors = self.height, self.electors
        body: st.Checkpoint | None = None
        handovers: list[Certificate] = []
        newest: Certificate = ()
        for certificate in (*message.handovers[: limit("handovers_max")], message.checkpoints):
            if _height_of(certificate) <= height:
                continue  # known here, or the newest is itself the last that changed the electors
            body = certified(crypto, network, electors, certificate)
            if body is None:
                return None
            if body.finding.electors != electors:
                handovers.append(certificate)
            newest, height, electors = certificate, body.height, body.finding.electors
        return TakeSnapshot(body, newest, tuple(handovers)) if body is not None else None

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Look at what electors say, and at whether it is this one's turn."""
        decided = self._rounds.decided()
        if decided is not None:
            self._act_on(now, *decided)
        elif self._context.ready and self._context.me in self.electors:
            self._take_part(now)

    # --------------------------------------------------------------------------------------------- voting

    def _take_part(self, now: float) -> None:
        """Vote, if it is time to."""
        rounds, present = self._rounds, {self._context.me, *self._live()}
        if not rounds.stirring and not self._is_due():
            self._since = None
            return
        if len(present.intersection(self.electors)) < rounds.quorum:
            self._since = None
            self._look_at(now + _QUORUM_RETRY_S)
            return
        round_, until = self._current_round(now)
        last = rounds.last_backed(round_ + 1)
        if last is not None and rounds.may_lock(last.round):
            if self._agrees(now, last.finding):
                self._vote(now, last.round, last.finding, locked=True)
        elif rounds.may_back(round_):
            finding = self._choice(now, round_, present)
            if finding is not None:
                self._vote(now, round_, finding, locked=False)
        self._look_at(until)

    def _look_at(self, when: float) -> None:
        due = self._context.timers.deadline(_LOOK)
        if due is None or when < due:
            self._context.timers.set(_LOOK, when)

    def _current_round(self, now: float) -> tuple[int, float]:
        """The round this elector is in, and when it ends."""
        reached = max(self._rounds.reached(), self._rounds.backed_in)
        if self._since is None or reached > self._round:
            self._round, self._since = max(self._round, reached), now
        elif now >= self._since + _round_s(self._round):
            self._round, self._since = self._round + 1, now
        return self._round, self._since + _round_s(self._round)

    def _choice(self, now: float, round_: int, present: set[PeerId]) -> st.Finding | None:
        """What to back: what this elector is bound to, else what one says whose turn has come, or itself."""
        bound = self._rounds.bound(round_)
        if bound is not None:
            return bound if self._agrees(now, bound) else None
        assert self._since is not None
        order = rotated(self.electors, self._rounds.height + round_)
        live = [peer for peer in order if peer in present and peer not in self._ledger.equivocators]
        for rank, peer in enumerate(live):
            turn = self._since + rank * _TURN_S * _longer(round_)
            if now < turn:
                self._look_at(turn)
                return None
            if peer == self._context.me:
                proposal = self._proposal(round_)
                if proposal is not None:
                    return proposal
            for finding in list(self._rounds.proposals(peer, round_)):
                if self._agrees(now, finding) and self._is_welcome(now, finding, present):
                    return finding
        return None

    def _proposal(self, round_: int) -> st.Finding | None:
        """What this elector has found at the newest cut that leaves enough records, None when there is no such cut.

        Strangers may have given others different records, and there may be no room for all of them anywhere: every
        second round does without theirs.
        """
        bases = self._marks.cut(self._covered, strangers=round_ % 2 == 0)
        if bases is None:
            return None
        base = self._read()
        scratch = folded(self._ledger, base, bases)
        if scratch is None:
            return None
        known = frozenset(submitters(scratch, base))
        cut = Cut.of(bases, (peer for peer in known if self._is_trusted(peer, base)))
        found = self._remember(scratch, base, cut, known)
        if len(cut.trusted) > limit("trusted_max") or len(found.data) > limit("blob_bytes_max"):
            return None
        self._put_cut(encoded(cut))
        present = {self._context.me, *self._live()}
        named = successors(self.electors, present, self._ledger.equivocators.keys(), eligible(found.snapshot))
        return _finding(found, named)

    def _is_trusted(self, peer: PeerId, base: Snapshot | None) -> bool:
        """Whether a submitter's books are to be kept: it is trusted with money here, or they have been kept before."""
        granted = self._context.config.credit.get(peer, 0) > 0
        return granted or (base is not None and peer in base.cut.trusted)

    def _is_welcome(self, now: float, finding: st.Finding, present: set[PeerId]) -> bool:
        """Whether this elector backs what another proposes and is true: it makes enough room and not too much, trusts whom
        this one trusts, and names electors this one agrees to."""
        cut = self._cut_of(now, finding)
        found = self.compute(cut) if cut is not None else None
        if cut is None or found is None:
            return False
        base, me = self._read(), self._context.me
        held = sum(chain.head_seq for chain in self._ledger.chains.authors.values())
        trusted = set(cut.trusted)
        return (
            cut.records >= self._covered + self._marks.step
            and held - cut.records >= self._context.config.retained_records // 2
            and len(found.data) <= limit("blob_bytes_max")
            and trusted <= found.submitters
            and all(self._is_trusted(one, base) == (one in trusted) for one in found.submitters - {me})
            and acceptable(
                finding.electors,
                self.electors,
                present,
                self._ledger.equivocators.keys(),
                eligible(found.snapshot),
            )
        )

    def _vote(self, now: float, round_: int, finding: st.Finding, *, locked: bool) -> None:
        body = st.Checkpoint(self._rounds.height, round_, locked, finding)
        self._replication.append(now, "checkpoint", body)

    # --------------------------------------------------------------------------------------------- judging

    def _agrees(self, now: float, finding: st.Finding) -> bool | None:
        """Whether this node's own records come to the same; None when that has to wait, for the cut or for records that
        are on their way."""
        if finding not in self._verdicts:
            cut = self._cut_of(now, finding)
            if cut is None:
                return self._verdicts.get(finding)
            own = self.compute(cut)
            if own is None:
                self._look_at(now + _RETRY_S)
                return None
            self._verdicts[finding] = _finding(own, finding.electors) == finding
        return self._verdicts[finding]

    def _cut_of(self, now: float, finding: st.Finding) -> Cut | None:
        """The cut that a finding is about; None when it has to be fetched, or is none."""
        data = self._blobs.get(finding.cut)
        if data is None:
            self._keep_name(finding.cut)
            self._blobs.want(now, finding.cut, self._rounds.voters(finding), ReadCut(finding.cut))
            return None
        try:
            return read_cut(data)
        except SnapshotError:
            self._verdicts[finding] = False
            return None

    def compute(self, cut: Cut) -> Found | None:
        """This node's own snapshot at a cut; None when records are missing."""
        found = self._found.get(digest(encoded(cut)))
        if found is None:
            base = self._read()
            scratch = folded(self._ledger, base, cut.bases)
            if scratch is None:
                return None
            found = self._remember(scratch, base, cut, frozenset(submitters(scratch, base)))
        return found

    def _remember(self, scratch: Ledger, base: Snapshot | None, cut: Cut, known: frozenset[PeerId]) -> Found:
        snapshot = taken(scratch, base, cut)
        found = Found(snapshot, encoded(snapshot), known)
        while len(self._found) >= _FOUND_KEPT:
            del self._found[next(iter(self._found))]
        self._found[digest(encoded(cut))] = found
        return found

    def _read(self) -> Snapshot | None:
        """The newest snapshot: read when needed and not kept in memory."""
        data = self._blobs.get(self._snapshot) if self._snapshot else None
        return read_snapshot(data) if data is not None else None

    # ----------------------------------------------------------------------------------- cuts of others

    def _put_cut(self, data: bytes) -> None:
        if digest(data) not in self._blobs:
            self._keep_name(digest(data))
            self._blobs.put(data)

    def _keep_name(self, cut: bytes) -> None:
        """Remember that this blob, which was not here before, is one because somebody calls it a cut."""
        if cut not in self._fetched:
            self._fetched[cut] = None
            self._store_names()

    def _store_names(self) -> None:
        self._context.outbox.write(PutMeta(_META_CUTS, msgspec.msgpack.encode(tuple(self._fetched))))

    def _drop_cuts(self) -> None:
        """Let go of cuts that came to nothing: of blobs that came here as cuts and are cuts. What an elector only calls
        one may be anything, such as a payload that somebody waits for."""
        for name in [name for name in self._fetched if name not in self._cuts]:
            self._blobs.settled(name)
            data = self._blobs.get(name)
            if data is not None and _is_cut(data):
                self._blobs.drop(name)
        self._fetched = {name: None for name in self._fetched if name in self._cuts}
        self._store_names()

    def on_cut(self, now: float) -> None:
        """The cut that an elector speaks of is here."""
        self._look_at(now)

    # -------------------------------------------------------------------------------------------- adopting

    def _act_on(self, now: float, finding: st.Finding, certificate: Certificate) -> None:
        """A quorum has decided: go by it if this node finds the same."""
        agrees = self._agrees(now, finding)
        if agrees:
            cut = self._cut_of(now, finding)
            found = self.compute(cut) if cut is not None else None
            if found is not None:
                body = st.Checkpoint(self._rounds.height, 0, True, finding)
                changes = (certificate,) if finding.electors != self.electors else ()
                self._adopt(now, found, TakeSnapshot(body, certificate, changes))
        elif agrees is False and not self._alarmed:
            self._alarmed = True
            self._context.outbox.notify(
                "alarm", text="most electors sign a checkpoint that this node's own records contradict"
            )

    def on_snapshot(self, now: float, need: TakeSnapshot) -> None:
        """A snapshot that electors vouch for is here: take it, unless this node can compare by itself."""
        if self._wanted is not None and self._wanted.need == need:
            self._wanted = None
        data = self._blobs.get(need.job)
        if data is not None and not self._takes(now, need, data) and not self._is_used(need.job):
            self._blobs.drop(need.job)

    def _is_used(self, blob: bytes) -> bool:
        """Whether what somebody calls a snapshot is something that this node needs."""
        return self.needs(blob) or self._keeps(blob) or blob in self._ledger.blobs()

    def _takes(self, now: float, need: TakeSnapshot, data: bytes) -> bool:
        body, finding = need.body, need.body.finding
        if body.height <= self.height:
            return False
        try:
            snapshot = read_snapshot(data)
        except SnapshotError:
            self._context.dropped["bad_snapshot"] += 1
            return False
        bases = snapshot.cut.bases
        behind = [
            author
            for author, held in self._ledger.chains.authors.items()
            if held.base.seq and held.base.seq > bases.get(author, Base()).seq
        ]
        named = (digest(encoded(snapshot.cut)), snapshot.state_root, snapshot.network)
        if behind or named != (finding.cut, finding.state_root, self._context.config.network):
            self._context.dropped["bad_snapshot"] += 1
            return False
        if body.height == self._rounds.height and self.compute(snapshot.cut) is not None:
            self._put_cut(encoded(snapshot.cut))
            self._look_at(now)
            return False
        own = self._ledger.chains.authors.get(self._context.me)
        mine = bases.get(self._context.me, Base())
        if mine.seq > (own.highest_seq() if own is not None else 0):
            self._retire(f"the mesh holds record {mine.seq} of this key, the store does not")
        found = Found(snapshot, data, frozenset())
        self._adopt(now, found, need)
        return True

    def _adopt(self, now: float, found: Found, need: TakeSnapshot) -> None:
        """Let the snapshot take the place of everything below its cut, in memory and, in one batch, on disk."""
        ledger, snapshot = self._ledger, found.snapshot
        cut = snapshot.cut.bases
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
        self._handovers = (*self._handovers, *need.handovers)[-limit("handovers_max") :]
        self._store(found, need.checkpoints, moved)
        self._clear(snapshot, gone)
        self._begin(need.body.height, need.body.finding.electors)
        self._drop_cuts()
        self._marks.keep_beyond(self._covered)
        self._tell(gone, snapshot)
        for certified_body in orphaned if self._context.ready else ():
            # It was on a side of a fork that has lost: without a record it would count here and nowhere else.
            self._replication.append(now, "settle", certified_body)
        self._hear_again(now)

    def _hear_again(self, now: float) -> None:
        """Votes on the next height may have come before this one was decided here."""
        for elector in self.electors:
            held = self._ledger.chains.authors.get(elector)
            for entry in list(held.entries()) if held is not None else ():
                if isinstance(entry.body, st.Checkpoint):
                    self._hear(entry, entry.body)
        self._look_at(now)

    def _tell(self, gone: Iterable[LedgerJob], snapshot: Snapshot) -> None:
        """Jobs that were open here are decided, or dropped with their submitter."""
        decided: dict[PeerId, dict[bytes, st.Value | None]] = {}
        for job in gone:
            if job.final:
                continue
            if job.submitter not in decided:
                theirs = snapshot.decided_of(job.submitter)
                decided[job.submitter] = {one.job: one.value for one in theirs}
            otherwise = LOST if job.submitter in snapshot.cut.trusted else DROPPED
            job.verdict = decided[job.submitter].get(job.id) or otherwise
            self._ledger.hooks.on_settled(job)

    def _store(self, found: Found, certificate: Certificate, moved: Mapping[PeerId, Base]) -> None:
        old = [self._snapshot] if self._snapshot else []
        self._snapshot = self._blobs.put(found.data)
        cut = encoded(found.snapshot.cut)
        self._put_cut(cut)
        cuts = [*self._cuts, digest(cut)]
        self._cuts = tuple(cuts[-_CUTS_KEPT:])
        self._certificate, self._covered = certificate, found.snapshot.cut.records
        self._blobs.pin((self._snapshot, *self._cuts))
        for name in old:
            self._blobs.drop(name)
        rescued = tuple(
            (peer, account.rescued) for peer, account in self._ledger.accounts.items() if account.rescued
        )
        stored = _Stored(self._snapshot, certificate, rescued, self._cuts, self._handovers)
        self._context.outbox.write(
            PutMeta(_META, msgspec.msgpack.encode(stored)),
            *(DropStatements(author, base.seq) for author, base in moved.items()),
        )

    def _clear(self, snapshot: Snapshot, gone: Iterable[LedgerJob]) -> None:
        """Drop votes and payloads of jobs that are gone, and results that no submitter can be waiting for."""
        before, self._results = self._results, snapshot.results()
        needed = self._ledger.blobs() | self._results
        dropped = set(before)
        for job in gone:
            dropped.add(job.job.payload_hash)
            if job.value is not None:
                dropped.add(job.value.result_hash)
            if self._context.me in members(job.job):
                self._context.outbox.write(DropVotes(job.id))
        for name in sorted(dropped - needed):
            if name in self._blobs and not self._keeps(name):
                self._blobs.drop(name)


def _finding(found: Found, electors: tuple[PeerId, ...]) -> st.Finding:
    snapshot = found.snapshot
    return st.Finding(digest(encoded(snapshot.cut)), digest(found.data), snapshot.state_root, electors)


def _height_of(certificate: Certificate) -> int:
    """What height a certificate says it is of, 0 when it says nothing; nothing is checked."""
    try:
        body = read_record(certificate[0]).body if certificate else None
    except StatementError:
        return 0
    return body.height if isinstance(body, st.Checkpoint) else 0


def _is_cut(data: bytes) -> bool:
    try:
        read_cut(data)
    except SnapshotError:
        return False
    return True


def _round_s(round_: int) -> float:
    return _ROUND_S * _longer(round_)


def _longer(round_: int) -> float:
    return float(2 ** min(round_ // 2, _ROUND_DOUBLINGS))


def _covers(cut: Mapping[PeerId, Base], entry: Entry) -> bool:
    return entry.author in cut and entry.seq <= cut[entry.author].seq
