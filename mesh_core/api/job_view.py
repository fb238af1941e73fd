"""Views of jobs: what the ledger proves, with what this node saw beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

from mesh_core.api.memories import Memories, Memory
from mesh_core.api.schema import AttemptView, AuctionView, BidView, JobState, JobView, ToleranceView
from mesh_core.api.times import told_ms
from mesh_core.config import MICRO_PER_AXL
from mesh_core.identity.statement import peek
from mesh_core.lease.tolerance import tolerance
from mesh_core.ledger.job import LedgerJob, adopts
from mesh_core.ledger.record import Entry
from mesh_core.market.bid import Scored, score
from mesh_core.node import Node
from mesh_core.quorum.certificate import voters
from mesh_core.quorum.committee import members, quorum, total_weight, weight_of
from mesh_core.standing.price import price_of
from mesh_core.wire import statements as st


class JobViews:
    """Builds job views of one node. `wall_ms` is its wall clock."""

    def __init__(self, node: Node, memories: Memories, wall_ms: Callable[[], float]) -> None:
        self._node = node
        self._memories = memories
        self._wall_ms = wall_ms
        self.credited = node.config.trusting
        """Submitters whose contradictions would be the mesh's own."""

    def view(self, job: LedgerJob, now: float) -> JobView:
        """The job as it stands at `now` (monotonic seconds)."""
        body, value, memory = job.job, job.value, self._memories.of(job.id)
        holder, epoch = job.holder, job.epoch
        attempts = [self._attempt(job, one, memory) for one in sorted(job.leases)]
        certificate = job.certificate
        return JobView(
            job=job.id.hex(),
            label=body.label,
            query=body.query.hex(),
            index=body.index,
            kind=body.kind,
            shard=body.shard,
            submitter=job.submitter.hex(),
            state=self._state(job),
            holder=holder.hex() if holder else "",
            epoch=epoch,
            lease_left_ms=self._lease_left_ms(job, now),
            lease_ms=round(self._node.config.timing.lease_s * 1000),
            max_price_micro=body.max_price_micro,
            price_micro=self._price_micro(job),
            quorum=quorum(body),
            weight=total_weight(body),
            fault_bound=body.fault_bound,
            threshold=body.threshold,
            committee=[peer.hex() for peer in members(body)],
            live_weight=self._live_weight(job),
            executions=job.executions,
            rescued=job.rescued,
            submitted_ms=self._told_ms(job.entry),
            accepted_ms=memory.accepted_ms,
            first_started_ms=next((one.started_ms for one in attempts if one.started_ms), 0.0),
            settled_ms=self._told_ms(job.settle),
            votes=[voter.hex() for voter in voters(body, certificate)] if certificate else [],
            reason=value.reason if value else "",
            text=memory.text,
            tokens=memory.attempts[memory.text_epoch].tokens if memory.text_epoch in memory.attempts else 0,
            auction=self._auction(job, memory),
            attempts=attempts,
            contradiction=job.contradiction(self.credited),
            tolerance=_tolerance(job),
        )

    def _told_ms(self, entry: Entry | None) -> float:
        """When a record was written, 0 while there is none."""
        return told_ms(entry.head.written_ms, self._wall_ms()) if entry is not None else 0.0

    def _state(self, job: LedgerJob) -> JobState:
        auction = self._node.auctioneer.auctions.get(job.id)
        if auction is not None and not auction.accepted and job.state == "open":
            return "pending"
        return cast(JobState, job.state)

    def _live_weight(self, job: LedgerJob) -> int:
        """Weight of the seats that can still vote; a decided job needs nobody any more, so that all of it counts."""
        if job.final:
            return total_weight(job.job)
        return weight_of(job.job, [self._node.peer, *self._node.membership.live()])

    def _lease_left_ms(self, job: LedgerJob, now: float) -> int:
        ballot = self._node.instances.ballot(job.id)
        if job.final or ballot is None or ballot.epoch != job.epoch or ballot.holder != job.holder:
            return 0
        return max(0, round((ballot.renewed_at + self._node.config.timing.lease_s - now) * 1000))

    def _price_micro(self, job: LedgerJob) -> int:
        if job.value is not None:
            return job.value.price_micro
        if job.holder is None:
            return 0
        config, crypto = self._node.config, self._node.context.crypto
        return price_of(crypto, config.network, job, job.holder, self._announcement(job.holder))

    def _attempt(self, job: LedgerJob, epoch: int, memory: Memory) -> AttemptView:
        holder, entry = job.leases[epoch]
        seen = memory.attempts.get(epoch)
        started_ms = seen.started_ms if seen else 0.0
        if not started_ms and not adopts(entry.body):
            # Only the holder and the submitter see a workload begin; for others the lease is close enough.
            started_ms = self._told_ms(entry)
        outcome, note = self._outcome(job, epoch)
        return AttemptView(
            epoch=epoch,
            holder=holder.hex(),
            leased_ms=self._told_ms(entry),
            started_ms=started_ms,
            ended_ms=seen.ended_ms if seen else 0.0,
            tokens=seen.tokens if seen else 0,
            outcome=seen.outcome if seen and seen.outcome else outcome,
            note=note or (seen.note if seen else ""),
        )

    def _outcome(self, job: LedgerJob, epoch: int) -> tuple[str, str]:
        """What became of a lease epoch, and why, as far as the ledger and this witness know."""
        certificate = job.certificate
        if certificate is not None and certificate.epoch == epoch:
            adopted = certificate.value.holder != job.leases[epoch][0]
            return ("adopted" if adopted else "settled"), certificate.value.reason
        if job.final or epoch < job.epoch:
            return "lost", ""
        ballot = self._node.instances.ballot(job.id)
        if ballot is not None and ballot.epoch == epoch and ballot.released:
            failure = ballot.failures.get((job.leases[epoch][0], epoch))
            return ("failed", peek(failure, st.Release).error) if failure else ("released", "")
        return "running", ""

    # ---------------------------------------------------------------------------------------- auction

    def _auction(self, job: LedgerJob, memory: Memory) -> AuctionView:
        award_entry = next(iter(job.awards.values()), None)
        running = self._node.auctioneer.auctions.get(job.id)
        ranking = list(job.award.ranking) if job.award else []
        if running is not None:
            bids, refusals = [scored for scored, _ in running.bids.values()], running.refusals
            if not running.bids.keys() >= set(ranking):  # they came to an earlier start of this node
                bids += [one for one in self._awarded(job) if one.bid.author not in running.bids]
        else:
            bids, refusals = memory.bids or self._awarded(job), memory.refusals
        closed = award_entry is not None or (running is not None and running.closed_at is not None)
        undecided = not job.final and not job.leases
        return AuctionView(
            state="closed" if closed else "open" if undecided else "none",
            opened_ms=self._told_ms(job.entry),
            closed_ms=self._told_ms(award_entry),
            window_ms=job.job.auction_ms,
            bids=[_bid(scored, ranking) for scored in bids] + [_refusal(*one) for one in refusals.items()],
            ranking=[peer.hex() for peer in ranking],
        )

    def _awarded(self, job: LedgerJob) -> list[Scored]:
        """The bids that the submitter published."""
        if job.award is None:
            return []
        bids = [peek(signed, st.Bid) for signed in job.award.bids]
        return [score(bid, job.job, self._announcement(bid.author)) for bid in bids]

    def _announcement(self, peer: bytes) -> st.Announcement | None:
        if peer == self._node.peer:
            return self._node.membership.announcement
        member = self._node.membership.members.get(peer)
        return member.announcement if member else None


def _tolerance(job: LedgerJob) -> ToleranceView:
    found = tolerance(job.job, job.submitter)
    return ToleranceView(
        providers=found.providers,
        silent_providers=found.silent_providers,
        silent_without_submitter=found.silent_without_submitter,
        lying_weight=found.lying_weight,
        trusted=[peer.hex() for peer in found.trusted],
    )


def _bid(scored: Scored, ranking: list[bytes]) -> BidView:
    bid = scored.bid
    return BidView(
        peer=bid.author.hex(),
        price_micro=bid.price_micro,
        load=bid.load if math.isfinite(bid.load) else 0.0,
        expected_ms=bid.expected_ms,
        model=bid.model,
        score=scored.score / MICRO_PER_AXL,
        parts={name: part / MICRO_PER_AXL for name, part in scored.parts.items()},
        rank=ranking.index(bid.author) + 1 if bid.author in ranking else 0,
        refused=scored.refused,
    )


def _refusal(peer: bytes, reason: str) -> BidView:
    return BidView(peer.hex(), 0, 0.0, 0, "", 0.0, {}, 0, reason)
