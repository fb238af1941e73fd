"""Which jobs this node takes part in."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.ledger.blobs import Blobs
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.market.balance import Credit


@dataclass(eq=False)
class Admission:
    """Judges submitters by what the ledger says of them."""

    _ledger: Ledger
    _blobs: Blobs
    _credit: Credit

    def problem(self, job: LedgerJob) -> str:
        """Why this node takes no part in the job; empty when it does."""
        if self._ledger.equivocators.get(job.submitter):
            return "its submitter has signed contradicting statements"
        if job.final or job.job.payload_hash in self._blobs:
            # A job that was taken in stays in: its payload is kept only once it could be paid.
            return ""
        return "" if self._credit.covers(job) else "its submitter's credit does not cover it"

    def is_witnessed(self, job: LedgerJob) -> bool:
        """Whether this node promises and votes for the job as its protocol asks, without counting.

        A submitter with a limit may ask for too much, and must be able to end it.
        """
        return (
            self._credit.is_granted(job.submitter)
            or job.job.payload_hash in self._blobs
            or not self.problem(job)
        )
