"""How a snapshot takes the place of the records below its cut, in memory and, in one batch, on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.decision import Decision
from mesh_core.checkpoint.elector import Elector
from mesh_core.checkpoint.findings import Findings, Found
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import encoded
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import DropStatements, DropVotes, PeerId
from mesh_core.identity.statement import digest
from mesh_core.ledger.chain import Base, covers
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import read_record
from mesh_core.ledger.sync import Replication
from mesh_core.quorum.committee import members
from mesh_core.wire import statements as st

_CUTS_KEPT = 4
"""The names of so many cuts are kept, for those who have not come so far."""

LOST = st.Value("failed", b"", 0, "decided while this node was away, too long ago to tell how", b"", 0)
"""What a job is taken to have come to when the mesh has forgotten it."""

DROPPED = st.Value(
    "failed", b"", 0, "dropped by a checkpoint: its submitter has no credit, or too many open jobs", b"", 0
)
"""What an open job ends as that no snapshot keeps: nobody who goes by the rules has taken it in, or not for long."""


@dataclass(eq=False)
class Adoption:
    """Changes the newest checkpoint."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _blobs: Blobs
    _newest: Newest
    _marks: Marks
    _cuts: Cuts
    _findings: Findings
    _elector: Elector

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Begin with the newest snapshot of a store, before any record is folded."""
        self._cuts.restore(meta)
        restored = self._newest.restore(meta)
        if restored is None:
            return
        snapshot, rescued = restored
        self._elector.begin()
        snapshot.begin(self._ledger)
        for peer, times in rescued:
            if peer in self._ledger.accounts:
                self._ledger.accounts[peer].rescued = times

    def adopt(self, now: float, found: Found, decision: Decision) -> None:
        """Let the snapshot take the place of everything below its cut."""
        ledger, snapshot = self._ledger, found.snapshot
        cut = snapshot.cut.bases
        moved = {
            author: base
            for author, base in cut.items()
            if author not in ledger.chains.authors or ledger.chains.authors[author].base.seq < base.seq
        }
        records = [read_record(signed) for signed in snapshot.records]
        kept = {entry.hash for entry in records}
        apart = snapshot.jobs_apart
        gone = [
            job
            for job in ledger.jobs.values()
            if job.id in apart or (covers(cut, job.entry) and job.id not in kept)
        ]
        ledger.forget(gone, cut)
        orphaned = ledger.unrecorded()
        backed = [job for job in orphaned if ledger.budget.is_backed(job.submitter)]
        strange = [job for job in orphaned if not ledger.budget.is_backed(job.submitter)]
        ledger.forget(strange, {})
        ledger.collapse(snapshot.settled, snapshot.opened_accounts(), snapshot.jobs)
        ledger.set_apart(apart)
        for entry in records:
            ledger.fold(entry)
        if strange:
            ledger.fold_again({job.id for job in strange})
        before = self._newest.blobs()
        self._move(found, decision, moved)
        self._clear(before, gone)
        self._elector.begin()
        self._findings.begin()
        self._cuts.drop_unused()
        self._marks.keep_beyond(self._newest.covered)
        self._tell(gone, found)
        for job in backed if self._context.ready else ():
            # It was on a side of a fork that has lost: without a record it would count here and nowhere else. A stranger's
            # job is open again instead: what strangers decide among themselves is not for others to record.
            if self._context.me in members(job.job):
                job.settle = self._replication.append(now, "settle", job.certificate)
        self._elector.hear_again(now)

    def _move(self, found: Found, decision: Decision, moved: Mapping[PeerId, Base]) -> None:
        """Go on from the snapshot, and write down that this is so."""
        newest = self._newest
        newest.height, newest.electors = decision.height, decision.finding.electors
        newest.certificate = decision.checkpoints
        newest.handovers = (*newest.handovers, *decision.handovers)[-limit("handovers_max") :]
        newest.snapshot = self._blobs.put(found.data)
        cut = encoded(found.snapshot.cut)
        self._cuts.put(cut)
        newest.cuts = (*newest.cuts, digest(cut))[-_CUTS_KEPT:]
        newest.covered, newest.results = found.snapshot.cut.records, found.snapshot.results()
        newest.trusted = frozenset(found.snapshot.cut.trusted)
        accounts = self._ledger.accounts.items()
        self._context.outbox.write(
            newest.stored(tuple((peer, account.rescued) for peer, account in accounts if account.rescued)),
            *(DropStatements(author, base.seq) for author, base in moved.items()),
        )

    def _clear(self, before: set[bytes], gone: Iterable[LedgerJob]) -> None:
        """Drop votes and payloads of jobs that are gone, and what was kept for the checkpoint `before`: its snapshot, and
        results that no submitter can be waiting for any more."""
        dropped = set(before)
        for job in gone:
            dropped.add(job.job.payload_hash)
            if job.value is not None:
                dropped.add(job.value.result_hash)
            if self._context.me in members(job.job):
                self._context.outbox.write(DropVotes(job.id))
        self._blobs.drop(sorted(dropped))

    def _tell(self, gone: Iterable[LedgerJob], found: Found) -> None:
        """Jobs that were open here are decided, or dropped; where they have been decided elsewhere, nobody knows which."""
        snapshot = found.snapshot
        payers = frozenset() if found.own else snapshot.payers
        decided: dict[PeerId, dict[bytes, st.Value | None]] = {}
        for job in gone:
            if job.final:
                continue
            if job.submitter not in decided:
                theirs = snapshot.decided_of(job.submitter)
                decided[job.submitter] = {one.job: one.value for one in theirs}
            otherwise = LOST if job.submitter in payers else DROPPED
            job.verdict = decided[job.submitter].get(job.id) or otherwise
            self._ledger.hooks.on_settled(job)
