"""Turns: who may be promised a job's next epoch, and when.

Membership and clocks speak here. They may differ between nodes, and be wrong: that costs time, never safety.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.lease.ballot import Ballot
from mesh_core.ledger.job import LedgerJob
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members, quorum, weight_of
from mesh_core.standing.succession import Succession, rendezvous_order

_OTHERS_WAITED_FOR = 3
"""However many others have had fewer turns, nobody waits longer than for so many."""


@dataclass(eq=False)
class Turns:
    """Whose turn it is, as one witness sees it."""

    _context: Context
    _membership: Membership
    _succession: Succession

    def open_to(self, now: float, ballot: Ballot, asker: PeerId) -> bool:
        """Whether `asker` may be promised a higher epoch now."""
        timing = self._context.timing
        submitter = ballot.job.submitter
        if asker == submitter:
            return bool(ballot.cancel) or ballot.expired(now)
        if asker not in members(ballot.job.job) or not self._succession.capable(asker, ballot.job):
            return False
        if ballot.epoch == 0 or ballot.holder is None:
            return self._first_turn(now, ballot, asker)
        if ballot.job.tolerates_lies and now <= self.yields_until(ballot, asker):
            return False
        return (
            ballot.holder == asker
            or ballot.released
            or self._membership.is_dead(ballot.holder)
            or now > ballot.free_at(timing)
        )

    def yields_until(self, ballot: Ballot, asker: PeerId) -> float:
        """Until when one that has had more turns at a job than other live candidates lets those ask first.

        Else a provider that cannot run the job, and is quick, would take it again and again until it counts as failed;
        and where providers may lie, one of them could hold a job for ever. Honest ones wait by themselves. Each of the
        others is worth one wait: two that wait for each other are still before one that has had more turns than both.
        """
        own = ballot.turns.get(asker, 0)
        if own == 0:
            return -math.inf
        behind = sum(
            ballot.turns.get(peer, 0) < own and not self._membership.is_dead(peer)
            for peer in self._succession.order(ballot.job)
        )
        if not behind:
            return -math.inf
        timing = self._context.timing
        return ballot.free_at(timing) + timing.turn_s * min(behind, _OTHERS_WAITED_FOR)

    def _first_turn(self, now: float, ballot: Ballot, asker: PeerId) -> bool:
        """Nobody was promised yet: the winner at once, the others by rank or after their better ones died."""
        timing = self._context.timing
        rank = self._succession.rank(ballot.job, asker, ballot.failed)
        if rank is None:
            return False
        if ballot.award_at is not None:
            return rank == 0 or now - ballot.award_at > rank * timing.rank_step_s + timing.rank_grace_s
        waited = now - ballot.known_since - ballot.job.job.auction_ms / 1000
        orphaned = self._membership.is_dead(ballot.job.submitter)
        if orphaned and rank == 0:
            return True
        return waited > rank * timing.rank_step_s + timing.rank_grace_s

    def is_first(self, job: LedgerJob, winner: PeerId) -> bool:
        """Whether this witness is one of those that promise the winner of an auction its lease unasked."""
        dead = self._membership.is_dead
        return not dead(winner) and self._context.me in first_witnesses(job, winner, dead)


def first_witnesses(job: LedgerJob, winner: PeerId, is_dead: Callable[[PeerId], bool]) -> frozenset[PeerId]:
    """Who promises the winner of an auction its lease unasked: a quorum and one seat to spare, not held for dead.

    A lease needs no more promises than a quorum's, and each costs a signature, an fsync and a frame. The submitter's
    travels with its award and the winner's not at all; the others are spread over the jobs. Witnesses may see
    different deaths: then promises are missing or too many, and the winner asks for what is missing.
    """
    others = [peer for peer in members(job.job) if peer not in (job.submitter, winner)]
    candidates = [job.submitter, winner, *rendezvous_order(job.id, others)]
    chosen: list[PeerId] = []
    for peer in candidates:
        if not is_dead(peer):
            chosen.append(peer)
            if weight_of(job.job, chosen[:-1]) >= quorum(job.job):
                break
    return frozenset(chosen)
