"""The submitter's side: admission of jobs at their committees and the auction over them.

Storing a job and asking for bids is one message. A job is *accepted* once a quorum of its committee has it on disk; the
auction closes as soon as every live provider has answered, at the latest when its window ends.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from mesh_core.blobs.blobs import INLINE_BYTES_MAX, Blobs
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, JobOptions, PeerId
from mesh_core.identity.statement import StatementError, check
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.sync import Replication
from mesh_core.market.bid import Scored, rank, score
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members, quorum, quorum_of, weight_of
from mesh_core.secrecy.envelope import Envelope, seal_work
from mesh_core.standing.admission import Admission
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st


@dataclass(slots=True)
class Auction:
    """One job of this node on its way to a lease. Times are monotonic seconds."""

    job: LedgerJob
    secret: bytes
    opened_at: float
    preferred: PeerId = b""
    stored: set[PeerId] = field(default_factory=set)
    refusals: dict[PeerId, str] = field(default_factory=dict)
    refused_at: dict[PeerId, float] = field(default_factory=dict)
    bids: dict[PeerId, tuple[Scored, bytes]] = field(default_factory=dict)
    accepted: bool = False
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a job is to be: its name, its work and the options of its submitter."""

    label: str
    query: bytes
    index: int
    work: ms.Work
    options: JobOptions


@dataclass(eq=False)
class Auctioneer:
    """All jobs this node has submitted and that are not decided yet."""

    _context: Context
    _ledger: Ledger
    _membership: Membership
    _succession: Succession
    _replication: Replication
    _blobs: Blobs
    _admission: Admission

    def __post_init__(self) -> None:
        self.auctions: dict[JobId, Auction] = {}

    # ------------------------------------------------------------------------------------ submitting

    def create(self, now: float, plan: JobPlan, providers: list[PeerId]) -> Auction:
        """Seal, sign and persist a job of this node; `admit` sends it out."""
        weight = plan.options.submitter_weight
        needed = quorum_of(len(providers) + weight, plan.options.fault_bound)
        envelope = seal_work(self._context.crypto, plan.work, providers, needed)
        job = self._job(plan, providers, envelope)
        entry = self._replication.make("job", job)
        return self._open(now, self._ledger.jobs[entry.hash], envelope.secret, plan.options.preferred)

    def reopen(self, now: float, job: LedgerJob, secret: bytes) -> None:
        """After a restart: go on with a job that is not decided."""
        auction = self._open(now, job, secret)
        if job.award is not None:
            auction.closed_at = now
            self._context.timers.clear(("auction", "close", job.id))
        self.admit(now, [auction])

    def _open(self, now: float, job: LedgerJob, secret: bytes, preferred: PeerId = b"") -> Auction:
        auction = Auction(job, secret, now, preferred)
        auction.stored.add(self._context.me)
        self.auctions[job.id] = auction
        self._admission.take(job)
        self._context.timers.set(("auction", "close", job.id), now + job.job.auction_ms / 1000)
        self._context.timers.set(("auction", "admit", job.id), now + self._context.timing.admission_resend_s)
        return auction

    def _job(self, plan: JobPlan, providers: list[PeerId], envelope: Envelope) -> st.Job:
        options = plan.options
        seats = [st.Seat(peer, 1) for peer in providers]
        seats.append(st.Seat(self._context.me, options.submitter_weight))
        return st.Job(
            plan.label,
            plan.query,
            plan.index,
            plan.work.kind,
            plan.work.kind,
            plan.work.shard,
            self._blobs.put(envelope.payload),
            len(envelope.payload),
            envelope.threshold,
            envelope.shares,
            options.max_price_micro,
            options.auction_ms,
            options.execution_ms,
            options.total_ms,
            options.retries,
            options.fault_bound,
            tuple(seats),
        )

    def admit(self, now: float, auctions: list[Auction]) -> None:
        """Send jobs to the members of their committees that have not stored them yet."""
        for auction in auctions:
            job = auction.job
            payload = self._blobs.get(job.job.payload_hash) or b""
            inline = payload if len(payload) <= INLINE_BYTES_MAX else b""
            for peer in members(job.job):
                if peer not in auction.stored and self._may_take_it(now, auction, peer):
                    self._context.send(peer, ms.StoreJob(job.entry.signed, inline))
            self._check_accepted(auction)

    def _may_take_it(self, now: float, auction: Auction, peer: PeerId) -> bool:
        """Whoever has refused a job is asked again after a while: what stood against it may be over by then."""
        refused_at = auction.refused_at.get(peer)
        return refused_at is None or now - refused_at > self._context.timing.refused_again_s

    # ---------------------------------------------------------------------------------------- answers

    def on_stored(self, now: float, sender: PeerId, message: ms.JobStored) -> None:
        """A committee member has the job on disk, with or without a bid, or will not take it."""
        auction = self.auctions.get(message.job)
        if auction is None or sender not in members(auction.job.job):
            return
        if message.refused:
            auction.refusals[sender] = message.refused[: limit("text_chars_max")]
            auction.refused_at[sender] = now
        else:
            auction.stored.add(sender)
            auction.refusals.pop(sender, None)
            self._check_accepted(auction)
        if message.bid:
            self._take_bid(auction, sender, message.bid)
        if auction.closed_at is None and self._all_answered(auction):
            self._close(now, auction)

    def _take_bid(self, auction: Auction, sender: PeerId, signed: bytes) -> None:
        if sender in auction.bids or len(auction.bids) >= limit("bids_max"):
            return
        award = auction.job.award
        if award is not None and sender in award.ranking:
            return  # its bid is public: after a restart of this node it comes once more
        try:
            if len(signed) > limit("bid_bytes_max"):
                raise StatementError("a bid is too large")
            bid = check(self._context.crypto, signed, st.Bid, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return
        if bid.author != sender or bid.job != auction.job.id:
            return
        scored = score(bid, auction.job.job, self._succession.announcement(sender))
        if auction.closed_at is not None:
            scored = Scored(bid, scored.parts, "after the close")
        elif not scored.refused and self._membership.is_dead(sender):
            scored = Scored(bid, scored.parts, "not from a live member")
        auction.bids[sender] = (scored, signed)

    def _check_accepted(self, auction: Auction) -> None:
        job = auction.job.job
        if not auction.accepted and weight_of(job, auction.stored) >= quorum(job):
            auction.accepted = True
            self._context.outbox.notify("job_accepted", job=auction.job.id, stored=len(auction.stored))

    def _all_answered(self, auction: Auction) -> bool:
        return all(
            peer in auction.stored or peer in auction.refusals or self._membership.is_dead(peer)
            for peer in members(auction.job.job)
        )

    def _close(self, now: float, auction: Auction) -> None:
        auction.closed_at = now
        job = auction.job
        self._context.timers.clear(("auction", "close", job.id))
        ranked = rank(
            (scored for scored, _ in auction.bids.values()),
            lambda peer: self._ledger.account(peer).settled,
            auction.preferred,
        )
        took_ms = round((now - auction.opened_at) * 1000, 1)
        winner = ranked[0].bid.author if ranked else b""
        self._context.outbox.notify(
            "auction_closed", job=job.id, winner=winner, bids=len(auction.bids), took_ms=took_ms
        )
        if not ranked or job.awards:
            return
        ranking = tuple(one.bid.author for one in ranked)
        award = st.Award(job.id, tuple(auction.bids[peer][1] for peer in ranking), ranking)
        self._replication.append(now, "award", award, members(job.job))

    # ------------------------------------------------------------------------------------------ keys

    def on_share_request(self, sender: PeerId, message: ms.ShareRequest) -> bool:
        """Give the secret itself to the certified holder; False when this node did not submit the job."""
        auction = self.auctions.get(message.job)
        if auction is None:
            return False
        lease = auction.job.leases.get(message.epoch)
        if lease is not None and lease[0] == sender and message.epoch == auction.job.epoch:
            sealed = self._context.crypto.seal(sender, auction.secret)
            self._context.send_at_once(sender, ms.ShareRelease(message.job, message.epoch, sealed, True))
        return True

    # ---------------------------------------------------------------------------------------- ending

    def on_settled(self, job: LedgerJob) -> None:
        """The job is decided: nothing is left to sell."""
        self.auctions.pop(job.id, None)
        for name in ("close", "admit"):
            self._context.timers.clear(("auction", name, job.id))

    def on_member_gone(self, now: float) -> None:
        """Somebody need not be waited for any more."""
        for auction in list(self.auctions.values()):
            if auction.closed_at is None and self._all_answered(auction):
                self._close(now, auction)

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """An auction's window ends, or members have not answered."""
        job_id = key[2]
        assert isinstance(job_id, bytes)
        auction = self.auctions.get(job_id)
        if auction is None:
            return
        if key[1] == "close" and auction.closed_at is None:
            self._close(now, auction)
        elif key[1] == "admit":
            waiting = [
                peer
                for peer in members(auction.job.job)
                if peer not in auction.stored and not self._membership.is_dead(peer)
            ]
            if not auction.accepted or waiting:
                self.admit(now, [auction])
                self._context.timers.set(key, now + self._context.timing.admission_resend_s)
