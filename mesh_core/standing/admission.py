"""Which jobs this node takes part in."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutMeta
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.standing.balance import Credit

_META = "taken:"


@dataclass(slots=True)
class _Open:
    """What one submitter's undecided jobs take up."""

    jobs: int = 0
    payload_bytes: int = 0


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
        self._taken: dict[JobId, LedgerJob] = {}
        self._of: dict[PeerId, _Open] = {}

    def __len__(self) -> int:
        """Undecided jobs that were taken in."""
        return len(self._taken)

    def __contains__(self, job: JobId) -> bool:
        """Whether an undecided job was taken in."""
        return job in self._taken

    def room_problem(self, job: LedgerJob) -> str:
        """Why there is no room for one more job of this submitter now; empty when there is, or it was taken in already.

        Each has its share: one customer's cheap jobs must not keep the others' out, or fill the disk. Of who pays with its
        earnings no more are taken in than a checkpoint would keep.
        """
        if job.id in self._taken:
            return ""
        held = self._of.get(job.submitter, _Open())
        share = "own_jobs_max" if self._credit.is_granted(job.submitter) else "earner_jobs_max"
        crowded = len(self._taken) >= limit("open_jobs_max") or held.jobs >= limit(share)
        if crowded or held.payload_bytes + job.job.payload_bytes > limit("open_payload_bytes_max"):
            return "too many open jobs here, try again later"
        return ""

    def problem(self, job: LedgerJob) -> str:
        """Why this node takes no part in the job; empty when it does."""
        if job.final or job.id in self._taken:
            return ""
        if job.submitter in self._ledger.equivocators:
            return "its submitter has signed contradicting statements"
        return "" if self._credit.covers(job) else "its submitter's credit does not cover it"

    def take(self, job: LedgerJob) -> None:
        """Take a job in, whatever becomes of its submitter's credit."""
        if job.id not in self._taken:
            self._keep(job)
            self._context.outbox.write(PutMeta(_META + job.id.hex(), b""))

    def _keep(self, job: LedgerJob) -> None:
        self._taken[job.id] = job
        held = self._of.setdefault(job.submitter, _Open())
        held.jobs += 1
        held.payload_bytes += job.job.payload_bytes

    def on_settled(self, job: JobId) -> None:
        """The job is decided: there is room for another."""
        taken = self._taken.pop(job, None)
        if taken is None:
            return
        held = self._of[taken.submitter]
        held.jobs -= 1
        held.payload_bytes -= taken.job.payload_bytes
        if not held.jobs:
            del self._of[taken.submitter]
        self._context.outbox.write(PutMeta(_META + job.hex(), None))

    def restore(self, meta: dict[str, bytes]) -> None:
        """Jobs that former lives took in, and that are still undecided, stay in."""
        for key in [key for key in meta if key.startswith(_META)]:
            job = self._ledger.open_jobs.get(bytes.fromhex(key.removeprefix(_META)))
            if job is not None:
                self._keep(job)
            else:
                self._context.outbox.write(PutMeta(key, None))

    def is_witnessed(self, job: LedgerJob) -> bool:
        """Whether this node promises and votes for the job as its protocol asks, without counting.

        A submitter with a limit may ask for too much, and must be able to end it.
        """
        return self._credit.is_granted(job.submitter) or job.id in self._taken or not self.problem(job)
