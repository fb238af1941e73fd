"""The pen: the only way to sign what binds this node, and never twice in one slot.

Membership and frames are signed without it: they say that the node is there, whatever became of its past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from mesh_core.crypto import Crypto
from mesh_core.effects import DropPromises, JobId, PutVote, Write
from mesh_core.identity.statement import KINDS, VOTES, sign
from mesh_core.wire import statements as st

Vote: TypeAlias = st.Promise | st.Proposal | st.AcceptVote | st.SettleVote | st.Release | st.Cancel

PHASES: dict[type[Any], str] = {kind: KINDS[kind] for kind in (*VOTES, st.Release, st.Cancel)}
PHASES[st.Proposal] = "propose"
"""Under which phase of `PutVote` each vote is written down; stores have called a proposal otherwise ever since."""


class NotEntitledError(Exception):
    """This node may not sign: its past is not known yet, or its key is retired."""


class SlotTakenError(AssertionError):
    """This program is wrong: a slot (job, epoch, phase) was to be signed for a second time."""


class Pen:
    """What this node has said about open jobs, in this life and in former ones, and its signature under more.

    `write` persists a vote; whoever signs one sends it only after that is durable. Of a job's promises the highest is
    kept: what it outdoes can neither be asked for again nor be signed anew.
    """

    def __init__(self, crypto: Crypto, write: Callable[[Write], None]) -> None:
        self._crypto = crypto
        self._write = write
        self._votes: dict[JobId, dict[tuple[int, str], bytes]] = {}
        self.is_open = False

    def restore(self, votes: Iterable[PutVote]) -> None:
        """Take back what former lives have said."""
        for vote in votes:
            self._votes.setdefault(vote.job, {})[vote.epoch, vote.phase] = vote.signed

    def open(self) -> None:
        """This node's past is known: it may sign."""
        self.is_open = True

    def close(self) -> None:
        """It may not sign any more."""
        self.is_open = False

    def sign(self, statement: st.Record | st.Bid) -> bytes:
        """A signed statement. Raises NotEntitledError."""
        if not self.is_open:
            raise NotEntitledError
        return sign(self._crypto, statement)

    def vote(self, vote: Vote) -> bytes:
        """A signed vote, written down. Raises NotEntitledError, and SlotTakenError for a second one in its slot."""
        if not self.is_open:
            raise NotEntitledError
        epoch = 0 if isinstance(vote, st.Cancel) else vote.epoch
        phase = PHASES[type(vote)]
        slots = self._votes.setdefault(vote.job, {})
        outdone = [slot for slot in slots if slot[1] == phase == "promise"]
        if (epoch, phase) in slots or any(slot[0] > epoch for slot in outdone):
            raise SlotTakenError(f"{phase} at epoch {epoch} of job {vote.job.hex()} is signed already")
        signed = slots[epoch, phase] = sign(self._crypto, vote)
        self._write(PutVote(vote.job, epoch, phase, signed))
        if outdone:
            self._write(DropPromises(vote.job, epoch))
        for slot in outdone:
            del slots[slot]
        return signed

    def said(self, job: JobId, epoch: int, kind: type[Vote]) -> bytes | None:
        """What this node has signed in a slot of an open job."""
        return self._votes.get(job, {}).get((epoch, PHASES[kind]))

    def highest(self, job: JobId, kind: type[Vote]) -> int:
        """The highest epoch of an open job at which this node has signed a vote of a kind, 0 when at none."""
        phase = PHASES[kind]
        return max((slot[0] for slot in self._votes.get(job, {}) if slot[1] == phase), default=0)

    def last(self, job: JobId, kind: type[Vote]) -> bytes | None:
        """What this node has signed at that epoch."""
        return self.said(job, self.highest(job, kind), kind)

    def on(self, job: JobId) -> Iterator[PutVote]:
        """All that this node has said about an open job, as it was written down."""
        for (epoch, phase), signed in self._votes.get(job, {}).items():
            yield PutVote(job, epoch, phase, signed)

    def has_said(self, job: JobId, epoch: int, phase: str, signed: bytes) -> bool:
        """Whether this is what this node has signed in that slot of an open job, or a promise that a later one outdid."""
        slots = self._votes.get(job, {})
        outdone = phase == "promise" and any(slot[0] > epoch for slot in slots if slot[1] == phase)
        return outdone or slots.get((epoch, phase)) == signed

    def forget(self, job: JobId) -> None:
        """The job is decided: nothing more will be signed for it."""
        self._votes.pop(job, None)
