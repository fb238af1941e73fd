"""Settlements that would not reach everybody, because their record stands in a chain that nobody copies any more.

Replicas neither name nor fetch what an author has written beyond a fork once that is too much (`chain.py`). A holder that
lies may have recorded a settlement there, and some have it, others not. So whoever holds it records it again: first who
has asked for the job, then the others of its committee, one after the other until it is done, since nobody knows who
knows. Certificates count whoever carries them.

That is for jobs that could be paid. Who has no credit may give anybody a seat, settle what it likes among keys of its own,
and would fill the chains of the honest with it until others have no room for them: such a settlement is passed on as it
is, ever more seldom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.ledger.sync import Replication
from mesh_core.quorum.committee import members
from mesh_core.wire import statements as st


@dataclass(eq=False)
class Orphans:
    """Finds such settlements, and records them again. `_looks` counts how often each has been found."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _live: Callable[[], list[PeerId]]
    _looks: dict[JobId, int] = field(default_factory=dict)

    def look(self, now: float) -> None:
        """Record again what is this node's turn, and pass on what is nobody's."""
        found = self._found()
        self._looks = {job.id: self._looks.get(job.id, 0) + 1 for job, _ in found}
        strange: list[Entry] = []
        for job, settle in found:
            if not self._ledger.budget.is_backed(job.submitter):
                strange.append(settle)
            elif self._is_due(job):
                self._replication.append(now, "settle", settle.body)
        self._pass_on([settle for settle in strange if self._looks[settle.body.job].bit_count() == 1])

    def _is_due(self, job: LedgerJob) -> bool:
        """Whether it is this node's turn: each of a committee waits for one look more than the one before."""
        present = {self._context.me, *self._live()}
        order = [peer for peer in (job.submitter, *members(job.job)) if peer in present]
        return self._context.me in order[: self._looks[job.id]]

    def _pass_on(self, settled: list[Entry]) -> None:
        """Send them to somebody, as many as fit: after 1, 2, 4 … looks everybody may have them."""
        live, rng = self._live(), self._context.doors.rng
        if settled and live:
            self._replication.pass_on(rng.choice(live), rng.sample(settled, len(settled)))

    def _found(self) -> list[tuple[LedgerJob, Entry]]:
        full = self._ledger.chains.full()
        if not full:
            return []
        held = self._ledger.chains.authors
        recorded = {
            entry.body.job
            for author, chain in held.items()
            if author not in full
            for entry in chain.chain
            if isinstance(entry.body, st.SettleCertificate)
        }
        return [
            (job, job.settle)
            for job in self._ledger.jobs.values()
            if job.settle is not None
            and job.settle.author in full
            and job.id not in recorded
            and job.settle.hash in held[job.settle.author].extras
        ]
