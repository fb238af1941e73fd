"""Which jobs this node takes part in."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.effects import JobId, PutMeta
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.market.balance import Credit

_META = "taken:"


@dataclass(eq=False)
class Admission:
    """Judges submitters by what the ledger says of them, once for each job: one that was taken in stays in.

    That is remembered by the job's id, on disk before anything is answered. Nothing else would do: a payload's hash is
    public, and whoever copies it would be in.
    """

    _context: Context
    _ledger: Ledger
    _credit: Credit

    def __post_init__(self) -> None:
        self._taken: set[JobId] = set()

    def __len__(self) -> int:
        """Undecided jobs that were taken in."""
        return len(self._taken)

    def problem(self, job: LedgerJob) -> str:
        """Why this node takes no part in the job; empty when it does."""
        if self._ledger.equivocators.get(job.submitter):
            return "its submitter has signed contradicting statements"
        if job.final or job.id in self._taken:
            return ""
        return "" if self._credit.covers(job) else "its submitter's credit does not cover it"

    def take(self, job: JobId) -> None:
        """Take a job in, whatever becomes of its submitter's credit."""
        if job not in self._taken:
            self._taken.add(job)
            self._context.outbox.write(PutMeta(_META + job.hex(), b""))

    def on_settled(self, job: JobId) -> None:
        """The job is decided: there is room for another."""
        if job in self._taken:
            self._taken.remove(job)
            self._context.outbox.write(PutMeta(_META + job.hex(), None))

    def restore(self, meta: dict[str, bytes]) -> None:
        """Jobs that former lives took in, and that are still undecided, stay in."""
        for key in [key for key in meta if key.startswith(_META)]:
            job = bytes.fromhex(key.removeprefix(_META))
            if job in self._ledger.open_jobs:
                self._taken.add(job)
            else:
                self._context.outbox.write(PutMeta(key, None))

    def is_witnessed(self, job: LedgerJob) -> bool:
        """Whether this node promises and votes for the job as its protocol asks, without counting.

        A submitter with a limit may ask for too much, and must be able to end it.
        """
        return self._credit.is_granted(job.submitter) or job.id in self._taken or not self.problem(job)
