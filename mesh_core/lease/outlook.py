"""What a node knows of others' claims on a job it does not hold: enough to choose an epoch and a moment."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit

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
    """One job: the highest epoch heard of, how many claims were lost in a row, whether the last one was for an epoch that was
    past already, whether this node gave way once."""

    epoch: int = 0
    losses: int = 0
    behind: bool = False
    gave_way: bool = False

    def heard(self, epoch: int) -> None:
        """Somebody is at `epoch`."""
        self.epoch = max(self.epoch, epoch)

    def lost(self) -> float:
        """A claim has ended without a decision; returns within how many seconds the job is to be looked at again."""
        self.losses += 1
        self.behind = False
        return self.jitter_s

    def left_behind(self) -> float:
        """A claim was for an epoch that is past. That is no contest: the next one begins where others are, and soon, or
        somebody who races ahead by himself would keep the rest waiting longer and longer."""
        self.behind = True
        return self.jitter_s

    @property
    def patience(self) -> int:
        """How many times as long to wait as with a claim that is the first."""
        return patience(self.losses)

    @property
    def distance(self) -> int:
        """How many times as far apart as at first contenders stand: where a claim takes long, each would else keep
        another from a quorum."""
        return 1 if self.behind else self.patience

    @property
    def jitter_s(self) -> float:
        """Upper bound of the random wait before the next attempt."""
        if self.behind:
            return _JITTER_S
        return _JITTER_S * 2 ** min(self.losses - 1, _DOUBLINGS_MAX) if self.losses else 0.0
