"""The workloads of this node: it starts and stops them, and learns how long they take."""

from __future__ import annotations

from mesh_core.context import Context
from mesh_core.effects import Execute, JobId, StopExecution
from mesh_core.wire.messages import Work

_MEMORY = 4
"""The newest execution counts for one part in so many of `expected_ms`."""


class Runs:
    """What runs here now, by (job, epoch). `expected_ms` is what an execution takes, 0 before the first has ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._started_at: dict[tuple[JobId, int], float] = {}
        self.expected_ms = 0

    def start(self, now: float, job: JobId, epoch: int, work: Work) -> None:
        """Run a workload."""
        self._started_at[job, epoch] = now
        self._context.outbox.emit(Execute(job, epoch, work))
        self._context.outbox.notify("execution_started", job=job, epoch=epoch)

    def stop(self, job: JobId, epoch: int, reason: str) -> None:
        """End a workload before its time; nothing happens when it does not run."""
        if self._started_at.pop((job, epoch), None) is not None:
            self._context.outbox.emit(StopExecution(job, epoch))
            self._context.outbox.notify("execution_stopped", job=job, epoch=epoch, reason=reason)

    def ended(self, now: float, job: JobId, epoch: int, *, succeeded: bool) -> None:
        """A workload has ended by itself; what failed says nothing about how long work takes."""
        started_at = self._started_at.pop((job, epoch), None)
        if started_at is None or not succeeded:
            return
        took_ms = int((now - started_at) * 1000)
        if self.expected_ms:
            self.expected_ms = ((_MEMORY - 1) * self.expected_ms + took_ms) // _MEMORY
        else:
            self.expected_ms = took_ms
