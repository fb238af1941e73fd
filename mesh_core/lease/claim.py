"""A claim: one node's hold on one job at one epoch, and the table of the phases it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mesh_core.config import limit
from mesh_core.effects import PeerId
from mesh_core.identity.statement import peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.quorum.committee import weight_of
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Refused


class Phase(Enum):
    """Where a claim stands. It is under way until it ends as settled, released or lost."""

    CLAIMING = "claiming"
    SHARING = "sharing"
    EXECUTING = "executing"
    ADOPTING = "adopting"
    PROPOSING = "proposing"
    LOCKING = "locking"
    SETTLED = "settled"
    RELEASED = "released"
    LOST = "lost"


UNDER_WAY = (
    Phase.CLAIMING,
    Phase.SHARING,
    Phase.EXECUTING,
    Phase.ADOPTING,
    Phase.PROPOSING,
    Phase.LOCKING,
)
"""The phases in which a claim is not over."""


@dataclass(frozen=True, slots=True)
class Transition:
    """In any phase of `of`, what `when` says takes a claim to `to`."""

    of: tuple[Phase, ...]
    when: str
    to: Phase


TRANSITIONS = (
    Transition((Phase.CLAIMING,), "a quorum of promises that show no accepted value", Phase.SHARING),
    Transition((Phase.CLAIMING,), "a quorum of promises that show one", Phase.ADOPTING),
    Transition(
        (Phase.CLAIMING,),
        "a quorum of promises for a job that only has to end, or whose proposal is on this disk already",
        Phase.PROPOSING,
    ),
    Transition((Phase.SHARING,), "the payload's key", Phase.EXECUTING),
    Transition((Phase.EXECUTING,), "a result", Phase.PROPOSING),
    Transition((Phase.SHARING, Phase.EXECUTING), "a cancel request", Phase.PROPOSING),
    Transition((Phase.ADOPTING,), "the adopted result's bytes", Phase.PROPOSING),
    Transition((Phase.PROPOSING,), "a quorum of accept votes, where votes may lie", Phase.LOCKING),
    Transition(
        UNDER_WAY,
        "a settle certificate, whoever made it: a quorum of accept votes or, where they may lie, of settle votes",
        Phase.SETTLED,
    ),
    Transition(
        UNDER_WAY, "an error, a time-out, a better claim heard of, or the node leaves", Phase.RELEASED
    ),
    Transition(UNDER_WAY, "somebody else's lease certificate at this epoch or a higher one", Phase.LOST),
)
"""How a claim moves. `Claim.enter` allows nothing else; the table in docs/protocol.md is printed from here."""

_ALLOWED = frozenset((phase, transition.to) for transition in TRANSITIONS for phase in transition.of)


class IllegalTransitionError(AssertionError):
    """This program is wrong: a claim was to enter a phase that does not follow on the one it is in."""


@dataclass(slots=True)
class Claim:
    """This node's hold on one job at one epoch; `started_at` and `proposed_at` are monotonic seconds.

    What witnesses have answered is kept by witness: signed `promises`, accept `votes` and `settle_votes`, and refusals;
    `worthless` are those whose promise did not count.
    `received` counts the bytes of a result to adopt when they were last looked at.
    """

    job: LedgerJob
    epoch: int
    started_at: float
    promises: dict[PeerId, bytes] = field(default_factory=dict)
    refusals: dict[PeerId, Refused] = field(default_factory=dict)
    worthless: set[PeerId] = field(default_factory=set)
    requests: int = 0
    lease: Entry | None = None
    shown: bool = False
    proposal: bytes | None = None
    proposed_at: float = 0.0
    value: st.Value | None = None
    adopted: bool = False
    received: int = 0
    votes: dict[PeerId, bytes] = field(default_factory=dict)
    settle_votes: dict[PeerId, bytes] = field(default_factory=dict)
    _phase: Phase = field(default=Phase.CLAIMING, init=False)

    @property
    def phase(self) -> Phase:
        """Where the claim stands."""
        return self._phase

    @property
    def answers(self) -> Mapping[PeerId, bytes]:
        """What witnesses have given to the claim that a quorum of them is needed for in its phase."""
        match self._phase:
            case Phase.CLAIMING:
                return self.promises
            case Phase.PROPOSING:
                return self.votes
            case Phase.LOCKING:
                return self.settle_votes
        return {}

    @property
    def furthest(self) -> int:
        """The epoch that the next claim has to be beyond, as far as witnesses told.

        One member's word counts: it may be needed, and somebody may have led it far ahead. But not beyond what honest
        witnesses follow, and not at all once this claim was too far ahead for some of them already: a liar would drive
        the claims of each honest node away from the others'.
        """
        job, jump = self.job.job, limit("epoch_jump_max")
        cannot_follow = [peer for peer, one in self.refusals.items() if one.promised + jump < self.epoch]
        if weight_of(job, cannot_follow) > job.fault_bound:
            return self.epoch
        promised = max((one.promised for one in self.refusals.values()), default=0)
        return min(promised, self.epoch + jump - 1)

    def enter(self, phase: Phase) -> None:
        """Go on to `phase`. Raises IllegalTransitionError when no transition leads there from here."""
        if (self._phase, phase) not in _ALLOWED:
            raise IllegalTransitionError(
                f"a claim on {self.job.job.label} at epoch {self.epoch} cannot go from {self._phase.value} to {phase.value}"
            )
        self._phase = phase

    def opened_promises(self) -> list[st.Promise]:
        """The promises gathered, decoded."""
        return [peek(signed, st.Promise) for signed in self.promises.values()]
