"""Committees and quorums.

`q = ⌊(W + f)/2⌋ + 1` for total weight W and tolerated lying weight f. Two quorums share at least 2q − W > f weight, so
that an honest member is in both of them, whoever lies; and with W ≥ 3f + 1 the honest weight alone, W − f, is a quorum,
so that liars who say nothing cannot stop a job (Malkhi & Reiter 1998; simple majorities for f = 0, Lamport 1998).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh_core.config import limit
from mesh_core.wire.statements import Job, PeerId


def total_weight(job: Job) -> int:
    """W: the sum of the weights of all seats."""
    return sum(seat.weight for seat in job.committee)


def quorum(job: Job) -> int:
    """q: the weight that two quorums cannot both reach without sharing more than f."""
    return quorum_of(total_weight(job), job.fault_bound)


def quorum_of(total: int, fault_bound: int) -> int:
    """q for total weight W and fault bound f."""
    return (total + fault_bound) // 2 + 1


def bearable(members: int) -> int:
    """The most of so many that may lie in any protocol (n ≥ 3f + 1)."""
    return max(0, members - 1) // 3


def weight_of(job: Job, peers: Iterable[PeerId]) -> int:
    """Total weight of those of `peers` that have a seat; each counts once."""
    present = set(peers)
    return sum(seat.weight for seat in job.committee if seat.peer in present)


def members(job: Job) -> tuple[PeerId, ...]:
    """The committee in seat order."""
    return tuple(seat.peer for seat in job.committee)


def vouched(job: Job, said: Mapping[PeerId, int]) -> int:
    """The highest number that members of more than f weight say or surpass, 0 when there is none.

    What f weight says may be a lie; of more than that, some member is honest.
    """
    weight = 0
    for peer, number in sorted(said.items(), key=lambda item: item[1], reverse=True):
        weight += weight_of(job, (peer,))
        if weight > job.fault_bound:
            return number
    return 0


def weights_problem(providers: int, submitter: int, fault_bound: int) -> str:
    """Why a committee of `providers` votes of weight one and a submitter's of weight `submitter` cannot tolerate
    lies of weight `fault_bound`, and what would help; empty when it can."""
    bound_max, weight_max = limit("fault_bound_max"), limit("seat_weight_max")
    if not 0 <= fault_bound <= bound_max:
        return f"a fault bound of {fault_bound} is out of range: votes of weight 0 to {bound_max} may lie"
    if not 1 <= submitter <= weight_max:
        return f"a submitter weight of {submitter} is out of range: 1 to {weight_max}"
    total, needed = providers + submitter, 3 * fault_bound + 1
    if total < needed:
        return (
            f"lies of weight {fault_bound} need votes of weight {needed} in all, {providers} providers and a "
            f"submitter weight of {submitter} make {total}: start {needed - total} more, or ask for less"
        )
    if submitter >= quorum_of(total, fault_bound):
        return (
            f"a submitter weight of {submitter} would be a quorum by itself: "
            f"with {providers} providers it may be {heaviest_submitter(providers, fault_bound)}"
        )
    return ""


def heaviest_submitter(providers: int, fault_bound: int) -> int:
    """The greatest weight below a quorum: w < ⌊(n + w + f)/2⌋ + 1 exactly when w ≤ n + f."""
    return min(limit("seat_weight_max"), providers + fault_bound)


def fitting_submitter(providers: int, wanted: int, fault_bound: int) -> int:
    """The weight nearest to `wanted` with which so many providers can make a committee; for fewer providers than
    f + 1 there is none, and what is returned has a problem."""
    return min(max(wanted, 3 * fault_bound + 1 - providers), heaviest_submitter(providers, fault_bound))
