"""A submitter's wish to end a job: signed, persisted, repeated until the job is decided.

The holder normally proposes the cancellation. When there is none, or it does not, the submitter claims the job itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.lease.candidate import Candidate
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.quorum.committee import members
from mesh_core.wire import statements as st
from mesh_core.wire.messages import CancelRequest
from mesh_core.wire.reason import short


@dataclass(eq=False)
class Cancellations:
    """The cancel requests of this node that are under way."""

    _context: Context
    _ledger: Ledger
    _candidate: Candidate

    def cancel(self, now: float, job: LedgerJob, reason: str) -> None:
        """Ask the committee to end a job of this node."""
        if self._context.pen.said(job.id, 0, st.Cancel) is None:
            self._context.pen.vote(
                st.Cancel(self._context.config.network, self._context.me, job.id, short(reason))
            )
        self._repeat(now, job)

    def resume(self, now: float) -> None:
        """After a start: repeat what is still open."""
        for job in self._ledger.open_jobs.values():
            self._repeat(now, job)

    def on_settled(self, job: LedgerJob) -> None:
        """The job is decided, one way or the other."""
        self._context.timers.clear(("cancel", job.id))

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """The wish was not fulfilled in time: repeat it and claim the job."""
        job_id = key[1]
        assert isinstance(job_id, bytes)
        job = self._ledger.open_jobs.get(job_id)
        if job is not None:
            self._repeat(now, job)
            self._candidate.claim(now, job)

    def _repeat(self, now: float, job: LedgerJob) -> None:
        wish = self._context.pen.said(job.id, 0, st.Cancel)
        if wish is None:
            return
        for peer in members(job.job):
            self._context.send(peer, CancelRequest(wish))
        self._context.timers.set(("cancel", job.id), now + self._context.timing.cancel_patience_s)
