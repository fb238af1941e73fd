"""What a node knows of others' claims on a job it does not hold: enough to choose an epoch and a moment."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId

_JITTER_S = 0.3
"""After a lost claim the next attempt waits up to so long, and up to twice as long after each further loss, so that
contenders do not meet for ever: where disks are slow, a claim takes seconds, and one may need every vote."""

_DOUBLINGS_MAX = 4
"""Losses beyond this many add nothing."""


def patience(vain: int) -> int:
    """How many times as long as at first to wait for something that came to nothing so often in a row: what takes longer
    where disks are slow must be able to happen."""
    return 1 << min(vain, limit("patience_doublings_max"))


@dataclass(slots=True)
class Outlook:
    """One job: the highest epoch heard of, how many claims were lost in a row, whether this node gave way once."""

    epoch: int = 0
    losses: int = 0
    gave_way: bool = False

    def heard(self, epoch: int) -> None:
        """Somebody is at `epoch`."""
        self.epoch = max(self.epoch, epoch)

    @property
    def patience(self) -> int:
        """How many times as long to wait as with a claim that is the first."""
        return patience(self.losses)

    @property
    def jitter_s(self) -> float:
        """Upper bound of the random wait before the next attempt."""
        return _JITTER_S * 2 ** min(self.losses - 1, _DOUBLINGS_MAX) if self.losses else 0.0


class Outlooks:
    """The outlooks of one node."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._of: dict[JobId, Outlook] = {}

    def of(self, job: JobId) -> Outlook:
        """The outlook on a job, a blank one for a job not looked at before."""
        return self._of.setdefault(job, Outlook())

    def lost(self, now: float, job: JobId) -> None:
        """A claim of this node has ended without a decision: look at the job again a little later."""
        outlook = self.of(job)
        outlook.losses += 1
        self._look_again(now, job, outlook.jitter_s)

    def left_behind(self, now: float, job: JobId) -> None:
        """A claim of this node was for an epoch that is past. That is no contest: the next one begins where others are, and
        soon, or somebody who races ahead by himself would keep the rest waiting longer and longer."""
        self._look_again(now, job, _JITTER_S)

    def _look_again(self, now: float, job: JobId, within_s: float) -> None:
        again = now + self._context.doors.rng.uniform(0.0, within_s)
        self._context.timers.set(("candidate", "again", job), again)

    def forget(self, job: JobId) -> None:
        """The job is decided."""
        self._of.pop(job, None)
        self._context.timers.clear(("candidate", "again", job))
