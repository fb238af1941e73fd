"""The holder: a proposer of a job's single-decree Paxos instance (PROTOCOL §4).

A claim goes through phases: *claiming* promises, *sharing* (showing the lease for the payload's key), *executing*,
*proposing* a value until a quorum has voted for it. Whatever phase it is in, it ends when the job is decided or a
higher epoch turns up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import Execute, JobId, PeerId, PutVote, StopExecution
from mesh_core.identity.crypto import SecrecyError
from mesh_core.identity.statement import StatementError, check, peek, sign
from mesh_core.lease.ballot import Ballot, Witness, price_of
from mesh_core.lease.committee import members, quorum, weight_of
from mesh_core.ledger.blobs import INLINE_BYTES_MAX, Blobs
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.ledger.sync import Replication
from mesh_core.market.succession import Succession
from mesh_core.membership.membership import Membership
from mesh_core.secrecy.envelope import my_share
from mesh_core.secrecy.shares import ShareCollector
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

PHASES: tuple[tuple[str, str, str], ...] = (
    ("claiming", "a quorum of promises", "adopting, proposing or sharing"),
    ("sharing", "the payload's key", "executing"),
    ("executing", "a result", "proposing"),
    ("executing", "an error", "released"),
    ("adopting", "the adopted result's bytes", "proposing"),
    ("proposing", "a quorum of votes", "settled"),
    ("any", "a higher epoch, or a better claim to this one", "lost"),
)
"""(phase, what comes, next phase)."""

_SHARE_PATIENCE_S = 0.05
"""How long the submitter alone is asked for the key before everybody is."""

_STEPS_BACK_WHEN_FULL = 1.5
"""How many places a candidate gives way for each claim beyond its slots: behind the next, before the one after."""

_SHOW_DELAY_S = 0.1
"""When witnesses other than the submitter see the lease: well before an unseen certificate lapses."""


@dataclass(slots=True)
class Claim:
    """This node's hold on one job at one epoch."""

    job: LedgerJob
    epoch: int
    started_at: float
    phase: str = "claiming"
    promises: dict[PeerId, bytes] = field(default_factory=dict)
    lease: Entry | None = None
    shown: bool = False
    shares: ShareCollector | None = None
    proposal: bytes | None = None
    value: st.Value | None = None
    adopted: bool = False
    votes: dict[PeerId, bytes] = field(default_factory=dict)

    def opened_promises(self) -> list[st.Promise]:
        """The promises gathered, decoded."""
        return [peek(signed, st.Promise) for signed in self.promises.values()]


@dataclass(slots=True)
class _Outlook:
    """What this node knows of others' claims on a job it does not hold: enough to choose an epoch and a moment."""

    epoch: int = 0
    losses: int = 0
    gave_way: bool = False


class Holder:
    """All claims of this node."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        membership: Membership,
        succession: Succession,
        witness: Witness,
        replication: Replication,
        blobs: Blobs,
        admissible: Callable[[LedgerJob], str],
        prove: Callable[[str, bytes, bytes], None],
    ) -> None:
        """`admissible` says why a job is not taken; `prove` is handed what looks like an equivocation."""
        self._prove = prove
        self._context = context
        self._ledger = ledger
        self._membership = membership
        self._succession = succession
        self._witness = witness
        self._replication = replication
        self._blobs = blobs
        self._admissible = admissible
        self.claims: dict[JobId, Claim] = {}
        self._outlooks: dict[JobId, _Outlook] = {}
        self._proposals: dict[JobId, dict[int, bytes]] = {}
        self._releases: dict[JobId, dict[int, bytes]] = {}

    # ------------------------------------------------------------------------------- start and resume

    def restore(self, votes: list[PutVote]) -> None:
        """Take back what former lives said: at these epochs nothing else may ever be proposed or released."""
        for vote in votes:
            if vote.phase == "propose":
                self._proposals.setdefault(vote.job, {})[vote.epoch] = vote.signed
            elif vote.phase == "release":
                self._releases.setdefault(vote.job, {})[vote.epoch] = vote.signed

    def resume(self, now: float) -> None:
        """After a start: go on with the leases that this node still holds as far as it can see."""
        for job in list(self._ledger.open_jobs.values()):
            if job.holder != self._context.me or job.id in self.claims:
                continue
            if job.epoch in self._releases.get(job.id, {}):
                continue
            ballot = self._witness.ballots.get(job.id)
            if ballot is not None and ballot.epoch > job.epoch:
                continue
            entry = job.leases[job.epoch][1]
            certificate: st.LeaseCertificate = entry.body
            claim = Claim(job, job.epoch, now, lease=entry)
            claim.promises = {peek(signed, st.Promise).author: signed for signed in certificate.promises}
            self.claims[job.id] = claim
            self._act_on_lease(now, claim)

    # -------------------------------------------------------------------------------------- claiming

    def consider(self, now: float, job: LedgerJob) -> None:
        """Look at a job: claim it when it is this node's turn, or wait as long as its rank asks."""
        if job.final or job.id in self.claims or ("claim", "go", job.id) in self._context.timers:
            return
        if not self._context.ready or not self._may_execute(job) or not self._free(now, job):
            return
        rank = self._turn(job)
        if rank is None:
            return
        ballot = self._witness.ballots[job.id]
        untouched = ballot.epoch == 0 and self._outlook(job.id).epoch == 0
        if untouched and ballot.award_at is None:
            opens = ballot.known_since + job.job.auction_ms / 1000 + self._context.timing.rank_grace_s
            orphaned = self._membership.is_dead(job.submitter)
            wait = 0.0 if orphaned else max(0.0, opens - now)
        else:
            wait = 0.0
        if rank == 0 and wait == 0.0 and self._outlook(job.id).losses == 0:
            self.claim(now, job)
            return
        losses = min(self._outlook(job.id).losses, 4)
        wait += rank * self._context.timing.rank_step_s + self._context.doors.rng.uniform(0.0, 0.3 * losses)
        self._context.timers.set(("claim", "go", job.id), now + wait)

    def _turn(self, job: LedgerJob) -> float | None:
        """This node's place among the candidates; one whose slots are taken steps back, so that rescues spread."""
        rank = self._succession.rank(job, self._context.me)
        if rank is None:
            return None
        full = max(0, len(self.claims) + 1 - self._context.config.slots)
        return rank + _STEPS_BACK_WHEN_FULL * full

    def claim(self, now: float, job: LedgerJob, epoch: int | None = None) -> Claim:
        """Ask the committee for the next epoch (or take `epoch`, which witnesses promised unasked)."""
        ballot = self._witness.ballots[job.id]
        unasked = epoch is not None
        if epoch is None:
            released = max(self._releases.get(job.id, {}), default=0)
            epoch = max(ballot.epoch, self._outlook(job.id).epoch, job.epoch, released) + 1
        claim = Claim(job, epoch, now)
        self.claims[job.id] = claim
        self._context.timers.clear(("claim", "go", job.id))
        self._context.timers.set(("claim", "resend", job.id), now + self._context.timing.claim_resend_s)
        if not unasked:
            self._request_promises(claim)
        return claim

    def on_award(self, now: float, job: LedgerJob) -> None:
        """The winner waits for the promises that witnesses send it unasked; the others look at their rank."""
        award = job.award
        if award is None or job.final or job.id in self.claims or not self._context.ready:
            return
        if award.ranking and award.ranking[0] == self._context.me:
            self._claim_unasked(now, job)

    def _claim_unasked(self, now: float, job: LedgerJob) -> Claim | None:
        """Take epoch 1, which witnesses promise to the winner by themselves, unless it is past already."""
        ballot = self._witness.ballots.get(job.id)
        past = job.id in self._releases or self._outlook(job.id).epoch > 0
        if past or ballot is None or ballot.epoch > 1 or not self._may_execute(job):
            return None
        return self.claim(now, job, epoch=1)

    def on_promised(self, now: float, message: ms.Promised) -> None:
        """A witness's promise; with a quorum of them this node holds the lease."""
        try:
            promise = check(self._context.crypto, message.promise, st.Promise, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return
        job = self._ledger.jobs.get(promise.job)
        if job is None or job.final or promise.holder != self._context.me:
            return
        claim = self.claims.get(job.id)
        if claim is None and promise.epoch == 1:
            claim = self._claim_unasked(now, job)
        if claim is None or claim.epoch != promise.epoch or claim.phase != "claiming":
            return
        if promise.author not in members(job.job):
            return
        known = claim.promises.setdefault(promise.author, message.promise)
        if known != message.promise:
            self._prove("promise", known, message.promise)
        if weight_of(job.job, claim.promises) >= quorum(job.job):
            self._lease(now, claim)

    def on_refused(self, now: float, sender: PeerId, message: ms.Refused) -> None:
        """A witness says no: remember how far it is, and step back from a claim that cannot win."""
        claim = self.claims.get(message.job)
        if claim is None or message.epoch != claim.epoch or sender not in members(claim.job.job):
            return
        # One witness's word moves the next claim by no more than an honest one could have to be caught up with.
        outlook = self._outlook(message.job)
        outlook.epoch = max(outlook.epoch, min(message.promised, claim.epoch + limit("epoch_jump_max")))
        if message.promised > claim.epoch:
            self._drop(now, claim, f"epoch {message.promised} has been promised", release=True)
        elif (
            message.promised == claim.epoch
            and message.holder != self._context.me
            and claim.phase == "claiming"
            and self._better(claim.job, message.holder)
        ):
            self._drop(now, claim, "a better-ranked claim meets it", release=True)

    def on_lease(self, now: float, job: LedgerJob, epoch: int) -> None:
        """A lease certificate has come: somebody else's ends a claim of this node."""
        outlook = self._outlook(job.id)
        outlook.epoch = max(outlook.epoch, epoch)
        claim = self.claims.get(job.id)
        if claim is not None and job.leases[epoch][0] != self._context.me and epoch >= claim.epoch:
            self._drop(now, claim, f"epoch {epoch} is leased", release=False)

    def _request_promises(self, claim: Claim) -> None:
        job = claim.job
        records = (job.entry.signed, *(entry.signed for entry in job.awards.values()))
        shown = next(iter(claim.promises.values()), b"")
        for peer in members(job.job):
            if peer not in claim.promises:
                self._context.send(peer, ms.PromiseRequest(job.id, claim.epoch, records, shown))

    def _may_execute(self, job: LedgerJob) -> bool:
        return (
            self._context.config.executes
            and job.id in self._witness.ballots
            and self._succession.capable(self._context.me, job)
            and self._membership.announcement.price_micro <= job.job.max_price_micro
            and not self._admissible(job)
        )

    def _free(self, now: float, job: LedgerJob) -> bool:
        """Whether nobody seems to be at work on the job, in this node's own view."""
        ballot = self._witness.ballots[job.id]
        if ballot.epoch < self._outlook(job.id).epoch:
            # Others are further than this witness; whoever it is gets a lease's time from when it was heard of.
            return now - ballot.renewed_at > self._context.timing.lease_s
        holder = ballot.holder
        return (
            holder is None
            or holder == self._context.me
            or self._membership.is_dead(holder)
            or ballot.released
            or now - ballot.renewed_at > self._context.timing.lease_s
            or ballot.overdue(now)
        )

    def _better(self, job: LedgerJob, other: PeerId) -> bool:
        if other == job.submitter:
            return True
        order = self._succession.order(job)
        if other not in order:
            return False
        return self._context.me == job.submitter or order.index(other) < order.index(self._context.me)

    # ----------------------------------------------------------------------------------- with a lease

    def _lease(self, now: float, claim: Claim) -> None:
        job = claim.job
        certificate = st.LeaseCertificate(
            job.id, claim.epoch, self._context.me, tuple(claim.promises.values())
        )
        claim.lease = self._replication.make("lease", certificate)
        self._outlook(job.id).losses = 0
        self._act_on_lease(now, claim)

    def _act_on_lease(self, now: float, claim: Claim) -> None:
        """What Paxos lets this holder do: repeat its own proposal, adopt the highest accepted value, or begin."""
        job = claim.job
        assert claim.lease is not None
        stored = self._proposals.get(job.id, {}).get(claim.epoch)
        adopted = self.adopted_value(claim)
        ending = self._ending(now, claim)
        self._context.timers.clear(("claim", "resend", job.id))
        self._keep_renewing(now)
        if stored is None and adopted is None and ending is None:
            self._ask_for_key(now, claim)
            return
        self._show_lease(now, claim)
        if stored is not None:
            self._propose_stored(now, claim, stored)
        elif adopted is not None:
            self._adopt(now, claim, adopted)
        elif ending is not None:
            self.propose(now, claim, ending)

    def adopted_value(self, claim: Claim) -> st.Value | None:
        """The accepted value of the highest epoch that any promise shows (Lamport 1998, §2.3 condition B3)."""
        accepted = [promise.accepted for promise in claim.opened_promises() if promise.accepted is not None]
        return max(accepted, key=lambda one: one.epoch).value if accepted else None

    def _ending(self, now: float, claim: Claim) -> st.Value | None:
        """A value that ends the job without running it: cancelled on request or by time, failed too often."""
        job = claim.job
        ballot = self._witness.ballots.get(job.id)
        if ballot is not None and ballot.cancel is not None:
            return st.Value("cancelled", b"", 0, ballot.cancel.reason, self._context.me, 0)
        failures = self._failures(claim, ballot)
        if len(failures) >= job.job.retries:
            reason = next(iter(failures.values())).error
            return st.Value("failed", b"", 0, reason[: limit("text_chars_max")], self._context.me, 0)
        if ballot is not None and ballot.expired(now):
            return st.Value("cancelled", b"", 0, "timed out", self._context.me, 0)
        return None

    def _failures(self, claim: Claim, ballot: Ballot | None) -> dict[tuple[PeerId, int], st.Release]:
        """Signed error releases of this job, by (holder, epoch), checked."""
        signed = dict.fromkeys(ballot.failures.values() if ballot else ())
        for promise in claim.opened_promises():
            signed |= dict.fromkeys(promise.failures[: claim.job.job.retries])
        failures: dict[tuple[PeerId, int], st.Release] = {}
        for release_bytes in signed:
            try:
                release = check(self._context.crypto, release_bytes, st.Release, self._context.config.network)
            except StatementError:
                continue
            if release.job == claim.job.id and release.error:
                failures[release.author, release.epoch] = release
        return failures

    # --------------------------------------------------------------------------------------- the key

    def _ask_for_key(self, now: float, claim: Claim) -> None:
        """The submitter alone is asked while it lives, since it can give the secret itself.

        The other witnesses need the lease before they would let their promise lapse, not before work begins: it is
        shown to them a little later, which keeps a quarter of all frames off the way to the first token.
        """
        job = claim.job
        assert claim.lease is not None
        claim.phase = "sharing"
        claim.shares = ShareCollector(self._context.crypto, job.job)
        share = my_share(self._context.crypto, job.job, self._context.me)
        if share is not None:
            claim.shares.add_share(self._context.me, share)
        self._context.timers.set(("claim", "share", job.id), now + _SHARE_PATIENCE_S)
        self._context.timers.set(("claim", "execution", job.id), now + job.job.execution_ms / 1000)
        if self._membership.is_dead(job.submitter):
            self._request_shares(claim)
        else:
            self._context.send(job.submitter, ms.ShareRequest(job.id, claim.epoch, claim.lease.signed))
        self._context.timers.set(("claim", "show", job.id), now + _SHOW_DELAY_S)
        self._try_open(now, claim)

    def _show_lease(self, now: float, claim: Claim) -> None:
        """Let every member of the committee see the lease certificate."""
        assert claim.lease is not None
        self._context.timers.clear(("claim", "show", claim.job.id))
        if not claim.shown:
            claim.shown = True
            self._replication.publish(now, claim.lease, members(claim.job.job))

    def _request_shares(self, claim: Claim) -> None:
        assert claim.lease is not None and claim.shares is not None
        for peer in members(claim.job.job):
            if peer != self._context.me and peer not in claim.shares.answered:
                self._context.send(peer, ms.ShareRequest(claim.job.id, claim.epoch, claim.lease.signed))

    def on_share(self, now: float, sender: PeerId, message: ms.ShareRelease) -> None:
        """A share, or from the submitter the secret."""
        claim = self.claims.get(message.job)
        if claim is None or claim.shares is None or claim.phase != "sharing" or message.epoch != claim.epoch:
            return
        try:
            opened = self._context.crypto.open(message.sealed)
        except SecrecyError:
            self._context.dropped["bad_share"] += 1
            return
        if message.whole and sender == claim.job.submitter:
            claim.shares.add_secret(sender, opened)
        elif not message.whole:
            claim.shares.add_share(sender, opened)
        self._try_open(now, claim)

    def _try_open(self, now: float, claim: Claim) -> None:
        job = claim.job
        if self.claims.get(job.id) is not claim or claim.phase != "sharing" or claim.shares is None:
            return
        payload = self._blobs.get(job.job.payload_hash)
        if payload is None:
            sources = members(job.job)
            self._blobs.fetch(
                now,
                job.job.payload_hash,
                sources,
                ("open", job.id),
                lambda later: self._try_open(later, claim),
            )
            return
        try:
            work = claim.shares.open(payload)
        except SecrecyError as error:
            self.fail(now, job.id, claim.epoch, f"the payload does not open: {error}")
            return
        if work is None:
            return
        claim.phase = "executing"
        claim.shares = None
        self._context.timers.clear(("claim", "share", job.id))
        self._context.timers.set(("claim", "execution", job.id), now + job.job.execution_ms / 1000)
        self._context.outbox.emit(Execute(job.id, claim.epoch, work))
        self._context.outbox.notify("execution_started", job=job.id, epoch=claim.epoch)

    # --------------------------------------------------------------------------------------- results

    def on_executed(self, now: float, job_id: JobId, epoch: int, result: bytes) -> None:
        """The workload is done: seal the result to the submitter, write the proposal, ask for votes."""
        claim = self.claims.get(job_id)
        if claim is None or claim.epoch != epoch or claim.phase != "executing":
            return
        try:
            sealed = self._context.crypto.seal(claim.job.submitter, result)
        except SecrecyError as error:
            self.fail(now, job_id, epoch, f"the result cannot be sealed to the submitter: {error}")
            return
        if len(sealed) > limit("blob_bytes_max"):
            self.fail(now, job_id, epoch, "the result is too large")
            return
        self._context.outbox.notify("execution_finished", job=job_id, epoch=epoch, bytes=len(result))
        network, announcement = self._context.config.network, self._membership.announcement
        price = price_of(self._context.crypto, network, claim.job, self._context.me, announcement)
        self.propose(
            now, claim, st.Value("result", self._blobs.put(sealed), len(sealed), "", self._context.me, price)
        )

    def fail(self, now: float, job_id: JobId, epoch: int, error: str) -> None:
        """An execution raised: a signed release with the error, so that somebody else may try."""
        claim = self.claims.get(job_id)
        if claim is None or claim.epoch != epoch or claim.phase not in ("executing", "sharing"):
            return
        self._context.outbox.notify("execution_failed", job=job_id, epoch=epoch, error=error)
        claim.phase = "released"
        self._drop(now, claim, error, release=True, error=error[: limit("text_chars_max")] or "failed")

    def _adopt(self, now: float, claim: Claim, value: st.Value) -> None:
        """Finish what a former holder began; its result must be here before others are asked to keep it."""
        claim.phase = "adopting"
        claim.adopted = True
        if value.outcome != "result" or value.result_hash in self._blobs:
            self.propose(now, claim, value)
            return

        def arrived(later: float) -> None:
            if self.claims.get(claim.job.id) is claim and claim.phase == "adopting":
                self.propose(later, claim, value)

        self._blobs.fetch(now, value.result_hash, members(claim.job.job), ("adopt", claim.job.id), arrived)

    def propose(self, now: float, claim: Claim, value: st.Value) -> None:
        """The one proposal of this node at this epoch: on disk before the first request leaves."""
        proposal = sign(
            self._context.crypto,
            st.Proposal(self._context.config.network, self._context.me, claim.job.id, claim.epoch, value),
        )
        self._proposals.setdefault(claim.job.id, {})[claim.epoch] = proposal
        self._context.outbox.write(PutVote(claim.job.id, claim.epoch, "propose", proposal))
        self._propose_stored(now, claim, proposal)

    def _propose_stored(self, now: float, claim: Claim, proposal: bytes) -> None:
        self._show_lease(now, claim)
        claim.phase = "proposing"
        claim.proposal = proposal
        claim.value = peek(proposal, st.Proposal).value
        self._context.timers.clear(("claim", "execution", claim.job.id))
        self._context.timers.set(("claim", "resend", claim.job.id), now + self._context.timing.claim_resend_s)
        self._context.outbox.notify("proposed", job=claim.job.id, epoch=claim.epoch, adopted=claim.adopted)
        self._request_votes(claim, with_lease=False)

    def _request_votes(self, claim: Claim, *, with_lease: bool) -> None:
        assert claim.proposal is not None and claim.value is not None
        result = self._blobs.get(claim.value.result_hash) if claim.value.outcome == "result" else None
        inline = result if result is not None and len(result) <= INLINE_BYTES_MAX else b""
        promises = tuple(claim.promises.values()) if with_lease else ()
        for peer in members(claim.job.job):
            if peer not in claim.votes:
                self._context.send(
                    peer, ms.AcceptRequest(claim.job.id, claim.epoch, claim.proposal, promises, inline)
                )

    def on_voted(self, now: float, message: ms.Voted) -> None:
        """A witness's vote; with a quorum of them the job is decided."""
        try:
            vote = check(self._context.crypto, message.vote, st.AcceptVote, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return
        claim = self.claims.get(vote.job)
        if claim is None or claim.phase != "proposing" or vote.epoch != claim.epoch:
            return
        if vote.author not in members(claim.job.job):
            return
        known = claim.votes.get(vote.author, message.vote)
        if known != message.vote:
            self._prove("accept", known, message.vote)
        if vote.value != claim.value:
            return
        claim.votes[vote.author] = message.vote
        if weight_of(claim.job.job, claim.votes) >= quorum(claim.job.job):
            assert claim.value is not None
            certificate = st.SettleCertificate(
                claim.job.id, claim.epoch, claim.value, tuple(claim.votes.values())
            )
            self._replication.append(now, "settle", certificate, members(claim.job.job))

    # ---------------------------------------------------------------------------------------- ending

    def on_settled(self, now: float, job: LedgerJob) -> None:
        """The job is decided, by whomever."""
        claim = self.claims.get(job.id)
        if claim is not None:
            self._drop(now, claim, "decided", release=False)
        self._outlooks.pop(job.id, None)
        self._proposals.pop(job.id, None)
        self._releases.pop(job.id, None)
        self._context.timers.clear(("claim", "go", job.id))

    def on_cancel(self, now: float, cancel: st.Cancel) -> None:
        """The submitter wants its job to end: the holder proposes that, unless it has proposed a result already."""
        claim = self.claims.get(cancel.job)
        if claim is not None and claim.phase in ("sharing", "executing"):
            self._stop_running(claim, "cancelled by its submitter")
            self.propose(now, claim, st.Value("cancelled", b"", 0, cancel.reason, self._context.me, 0))

    def release_all(self, now: float) -> None:
        """This node leaves: give back what it has not proposed yet."""
        for claim in list(self.claims.values()):
            if claim.phase != "proposing":
                self._drop(now, claim, "leaving", release=True)

    def _drop(self, now: float, claim: Claim, reason: str, *, release: bool, error: str = "") -> None:
        job = claim.job
        self._stop_running(claim, reason)
        for name in ("resend", "share", "show", "execution"):
            self._context.timers.clear(("claim", name, job.id))
        del self.claims[job.id]
        if job.final:
            return
        outlook = self._outlook(job.id)
        outlook.losses += 1
        if claim.lease is not None:
            self._context.outbox.notify(
                "lease_ended", job=job.id, epoch=claim.epoch, holder=self._context.me, reason=reason
            )
        if release:
            self._release(claim, error)
        retry = now + self._context.doors.rng.uniform(0.0, 0.3 * min(outlook.losses, 4))
        self._context.timers.set(("claim", "again", job.id), retry)

    def _release(self, claim: Claim, error: str) -> None:
        job = claim.job
        signed = sign(
            self._context.crypto,
            st.Release(self._context.config.network, self._context.me, job.id, claim.epoch, error),
        )
        self._releases.setdefault(job.id, {})[claim.epoch] = signed
        self._context.outbox.write(PutVote(job.id, claim.epoch, "release", signed))
        for peer in members(job.job):
            self._context.send(peer, ms.Released(signed))

    def _stop_running(self, claim: Claim, reason: str) -> None:
        if claim.phase == "executing":
            self._context.outbox.emit(StopExecution(claim.job.id, claim.epoch))
            self._context.outbox.notify(
                "execution_stopped", job=claim.job.id, epoch=claim.epoch, reason=reason
            )

    # ---------------------------------------------------------------------------------------- timers

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """A claim timer: `go`, `again`, `resend`, `share`, `show`, `execution` of one job, or `renew` of all."""
        name = key[1]
        if name == "renew":
            self._renew(now)
            return
        job_id = key[2]
        assert isinstance(job_id, bytes)
        job = self._ledger.open_jobs.get(job_id)
        claim = self.claims.get(job_id)
        if job is None:
            return
        if name == "go":
            if claim is None and self._context.ready and self._may_execute(job) and self._free(now, job):
                self._claim_unless_full(now, job, key)
        elif name == "again":
            self.consider(now, job)
        elif claim is not None and name == "resend":
            self._resend(now, claim)
        elif claim is not None and name == "show":
            self._show_lease(now, claim)
        elif claim is not None and name == "share" and claim.phase == "sharing":
            self._request_shares(claim)
            self._context.timers.set(key, now + self._context.timing.claim_resend_s)
        elif claim is not None and name == "execution":
            self._stop_running(claim, "execution time-out")
            self.fail(now, job_id, claim.epoch, "execution time-out")

    def _claim_unless_full(self, now: float, job: LedgerJob, key: tuple[Hashable, ...]) -> None:
        """It was this node's turn when it looked; if it has filled up since, the next one may be quicker."""
        outlook = self._outlook(job.id)
        if len(self.claims) >= self._context.config.slots and not outlook.gave_way:
            outlook.gave_way = True
            self._context.timers.set(key, now + self._context.timing.rank_step_s)
            return
        self.claim(now, job)

    def _resend(self, now: float, claim: Claim) -> None:
        timing = self._context.timing
        if claim.phase == "claiming":
            # Twice as patient after every loss: a witness whose disk is slow must be able to answer in the end.
            patience_s = timing.claim_giveup_s * 2 ** min(self._outlook(claim.job.id).losses, 3)
            if now - claim.started_at > patience_s:
                self._drop(now, claim, "no quorum of promises in time", release=True)
                return
            self._request_promises(claim)
        elif claim.phase == "proposing":
            self._request_votes(claim, with_lease=True)
        else:
            return
        self._context.timers.set(("claim", "resend", claim.job.id), now + timing.claim_resend_s)

    def _keep_renewing(self, now: float) -> None:
        if ("claim", "renew") not in self._context.timers:
            self._context.timers.set(("claim", "renew"), now + self._context.timing.renewal_s)

    def _renew(self, now: float) -> None:
        by_witness: dict[PeerId, list[tuple[JobId, int]]] = {}
        for claim in self.claims.values():
            if claim.lease is not None:
                for peer in members(claim.job.job):
                    by_witness.setdefault(peer, []).append((claim.job.id, claim.epoch))
        for peer, leases in by_witness.items():
            self._context.send(peer, ms.Renew(tuple(leases)))
        if by_witness:
            self._context.timers.set(("claim", "renew"), now + self._context.timing.renewal_s)

    def _outlook(self, job: JobId) -> _Outlook:
        return self._outlooks.setdefault(job, _Outlook())
