"""What a job tolerates: how much of its committee may be dead or may lie before it stalls or breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh_core.quorum.committee import quorum, total_weight
from mesh_core.wire.statements import Job, PeerId


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Data for the console and the `job` command.

    A member that is dead, cut off or says nothing counts as *silent*: beyond what is told here a job stalls, and goes on
    when somebody is back. Votes of weight `lying_weight` may be lies, told by providers that are not silent; beyond it
    two results could be settled. Whoever is in `trusted` weighs more than that, so that its lies could break the job.
    """

    providers: int
    silent_providers: int
    """How many providers, whichever, may be silent while the submitter answers."""

    silent_without_submitter: int | None
    """The same when the submitter is silent too; None when the job then stalls in any case."""

    lying_weight: int
    trusted: tuple[PeerId, ...]


def tolerance(job: Job, submitter: PeerId) -> Tolerance:
    """What the committee of a sound job tolerates."""
    spare = total_weight(job) - quorum(job)
    own = next(seat.weight for seat in job.committee if seat.peer == submitter)
    others = [seat.weight for seat in job.committee if seat.peer != submitter]
    return Tolerance(
        providers=len(others),
        silent_providers=_fit(others, spare),
        silent_without_submitter=_fit(others, spare - own) if own <= spare else None,
        lying_weight=job.fault_bound,
        trusted=tuple(seat.peer for seat in job.committee if seat.weight > job.fault_bound),
    )


def _fit(weights: Iterable[int], spare: int) -> int:
    """How many of `weights`, whichever they are, together fit into `spare`: the heaviest decide."""
    count = 0
    for weight in sorted(weights, reverse=True):
        spare -= weight
        if spare < 0:
            break
        count += 1
    return count
