"""Who may execute a job, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members
from mesh_core.wire.statements import Announcement, JobId


@dataclass(eq=False)
class Succession:
    """Orders of candidates, as this node sees the mesh. Views may differ between nodes: that costs time only."""

    _context: Context
    _ledger: Ledger
    _membership: Membership

    def announcement(self, peer: PeerId) -> Announcement | None:
        """What `peer` says of itself, or None when this node has not heard of it."""
        if peer == self._context.me:
            return self._membership.announcement
        member = self._membership.members.get(peer)
        return member.announcement if member else None

    def capable(self, peer: PeerId, job: LedgerJob) -> bool:
        """Whether `peer` announces the capability the job needs, and has not been proven to sign what contradicts it: such
        a key is retired where it is honest, and where it is not, it could have promises without end and finish nothing."""
        if peer in self._ledger.equivocators:
            return False
        announcement = self.announcement(peer)
        return announcement is not None and job.job.capability in announcement.capabilities

    def order(self, job: LedgerJob, failed: Container[PeerId] = ()) -> list[PeerId]:
        """The succession list, then the other capable committee members by highest random weight; whoever has `failed`
        the job goes behind all who have not."""
        award = job.award
        liars = self._ledger.equivocators
        ranked = [peer for peer in award.ranking if peer not in liars] if award else []
        seats = [peer for peer in members(job.job) if peer != job.submitter and peer not in ranked]
        others = rendezvous_order(job.id, [peer for peer in seats if self.capable(peer, job)])
        return sorted(ranked + others, key=lambda peer: peer in failed)

    def rank(self, job: LedgerJob, peer: PeerId, failed: Container[PeerId] = ()) -> int | None:
        """The place of `peer` among the candidates that this node does not hold for dead; None when it has none."""
        place = 0
        for candidate in self.order(job, failed):
            if candidate == peer:
                return place
            if not self._membership.is_dead(candidate):
                place += 1
        return None


def rendezvous_order(job: JobId, peers: Iterable[PeerId]) -> list[PeerId]:
    """`peers` by highest random weight over the job id (Thaler & Ravishankar 1998)."""
    return sorted(peers, key=lambda peer: hashlib.blake2b(job + peer, digest_size=8).digest(), reverse=True)


def choose_providers(query: bytes, candidates: Iterable[PeerId], count: int) -> list[PeerId]:
    """Up to `count` providers for the committees of a query: all of them in a small mesh."""
    return sorted(rendezvous_order(query, candidates)[:count])
