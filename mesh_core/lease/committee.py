"""Committees and quorums (PROTOCOL §4).

`q = ⌊(W + f)/2⌋ + 1` for total weight W and tolerated lying weight f: any two quorums share more than f weight
(Malkhi & Reiter 1998, masking-free case for f = 0: simple majorities, Lamport 1998).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mesh_core.wire.statements import Job, JobId, PeerId


def total_weight(job: Job) -> int:
    """W: the sum of the weights of all seats."""
    return sum(seat.weight for seat in job.committee)


def quorum(job: Job) -> int:
    """q: the weight that two quorums cannot both reach without sharing more than f."""
    return (total_weight(job) + job.fault_bound) // 2 + 1


def weight_of(job: Job, peers: Iterable[PeerId]) -> int:
    """Total weight of those of `peers` that have a seat; each counts once."""
    present = set(peers)
    return sum(seat.weight for seat in job.committee if seat.peer in present)


def members(job: Job) -> tuple[PeerId, ...]:
    """The committee in seat order."""
    return tuple(seat.peer for seat in job.committee)


def rendezvous_order(job: JobId, peers: Iterable[PeerId]) -> list[PeerId]:
    """`peers` by highest random weight over the job id (Thaler & Ravishankar 1998)."""
    return sorted(peers, key=lambda peer: hashlib.blake2b(job + peer, digest_size=8).digest(), reverse=True)


def choose_providers(query: bytes, candidates: Iterable[PeerId], count: int) -> list[PeerId]:
    """Up to `count` providers for the committees of a query: all of them in a small mesh."""
    return sorted(rendezvous_order(query, candidates)[:count])
