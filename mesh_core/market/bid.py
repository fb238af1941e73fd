"""Bids and their score. Lower is better; every term is in micro-AXL, so that anyone can recheck."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mesh_core.effects import PeerId
from mesh_core.ledger.award import bid_problem
from mesh_core.wire.statements import Announcement, Bid, Job

LOCALITY_MICRO = 5_000
"""Penalty for a bidder whose home the job's shard is not: 0.005 AXL."""

LOAD_MICRO = 2_000
"""Per running execution and slot of the bidder."""

TIME_MICRO_PER_S = 100
"""Per second of expected execution time."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A bid with the parts of its score; `refused` is empty or the reason it does not count."""

    bid: Bid
    parts: dict[str, int]
    refused: str = ""

    @property
    def score(self) -> int:
        """Sum of the parts."""
        return sum(self.parts.values())


def score(bid: Bid, job: Job, announcement: Announcement | None) -> Scored:
    """Score a bid for a job; a bid that breaks a rule is refused with the reason."""
    home = job.shard is None or (announcement is not None and job.shard in announcement.shards)
    refused = bid_problem(bid, job)
    if refused:
        return Scored(bid, {}, refused)
    parts = {
        "price": bid.price_micro,
        "locality": 0 if home else LOCALITY_MICRO,
        "load": int(bid.load * LOAD_MICRO),
        "time": bid.expected_ms * TIME_MICRO_PER_S // 1000,
    }
    return Scored(bid, parts)


def rank(scored: Iterable[Scored], settled: Callable[[PeerId], int], preferred: PeerId = b"") -> list[Scored]:
    """Accepted bids, best first: `preferred`'s, then by score, then by jobs settled, then by key."""
    accepted = [one for one in scored if not one.refused]
    return sorted(
        accepted,
        key=lambda one: (
            one.bid.author != preferred,
            one.score,
            -settled(one.bid.author),
            one.bid.author,
        ),
    )
