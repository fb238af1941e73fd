"""Settlements that would not reach everybody, because their record stands in a chain that nobody copies any more.

Replicas neither name nor fetch what an author has written beyond a fork once that is too much (`chain.py`). A holder that
lies may have recorded a settlement there, and some have it, others not. So whoever holds it records it again: first who
has asked for the job, then the others of its committee, one after the other until it is done, since nobody knows who
knows. Certificates count whoever carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
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
        """Record again what is this node's turn: each of a committee waits for one look more than the one before."""
        found = {job.id: job for job in self._found()}
        self._looks = {name: self._looks.get(name, -1) + 1 for name in found}
        present = {self._context.me, *self._live()}
        for name, job in found.items():
            order = [peer for peer in (job.submitter, *members(job.job)) if peer in present]
            settle = job.settle
            if settle is not None and self._context.me in order[: self._looks[name] + 1]:
                self._replication.append(now, "settle", settle.body)

    def _found(self) -> list[LedgerJob]:
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
            job
            for job in self._ledger.jobs.values()
            if job.settle is not None
            and job.settle.author in full
            and job.id not in recorded
            and job.settle.hash in held[job.settle.author].extras
        ]
