"""The candidate: whether and when this node claims a job, and the claim up to its lease.

Nothing here is about safety: views of ranks, deaths and time may differ between nodes, and two that claim the same job
cost each other a second at most. What keeps one holder per epoch are the witnesses' promises.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import StatementError, check
from mesh_core.lease.ballot import Ballot
from mesh_core.lease.claim import Claim, Phase
from mesh_core.lease.holder import Holder
from mesh_core.lease.instance import Instance, Instances
from mesh_core.lease.turns import Turns
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.proofs import Prove
from mesh_core.membership.membership import Membership
from mesh_core.quorum.certificate import CertificateError, check_shown
from mesh_core.quorum.committee import members, quorum, vouched, weight_of
from mesh_core.standing.admission import Admission
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

_STEPS_BACK_WHEN_FULL = 1.5
"""How many places a candidate gives way for each claim beyond its slots: behind the next, before the one after."""


@dataclass(eq=False)
class Candidate:
    """This node as one that may run jobs."""

    _context: Context
    _ledger: Ledger
    _instances: Instances
    _membership: Membership
    _succession: Succession
    _admission: Admission
    _turns: Turns
    _holder: Holder
    _prove: Prove

    # --------------------------------------------------------------------------------- whether and when

    def examine(self, now: float) -> None:
        """Look again at every open job of this node's committees: one that nobody holds is picked up; one of this node's
        own that is past its time is claimed to end it."""
        for ballot in [instance.ballot for instance in self._instances.values()]:
            self.consider(now, ballot.job)
            if ballot.job.submitter == self._context.me and ballot.expired(now):
                self.claim(now, ballot.job)

    def consider_all(self, now: float) -> None:
        """Something has changed for many jobs at once, such as a member that died: a place that is waited for already may be
        nearer now. Where several die together, the first one found dead must not keep this node behind the others."""
        for instance in list(self._instances.values()):
            self._consider(now, instance)

    def consider(self, now: float, job: LedgerJob) -> None:
        """Look at a job: claim it when it is this node's turn, or wait as long as its rank asks."""
        instance = self._instances.get(job.id)
        if instance is not None and ("candidate", "go", job.id) not in self._context.timers:
            self._consider(now, instance)

    def _consider(self, now: float, instance: Instance) -> None:
        job = instance.ballot.job
        if job.final or job.id in self._instances.claims:
            return
        if not self._may_execute(job) or not self._free(now, instance):
            return
        rank = self._turn(instance.ballot)
        if rank is None:
            return
        ballot, outlook = instance.ballot, instance.outlook
        wait = max(
            self._until_open(now, instance, rank), self._turns.yields_until(ballot, self._context.me) - now
        )
        if rank == 0 and wait == 0.0 and outlook.losses == 0:
            self.claim(now, job)
            return
        apart = rank * self._context.timing.rank_step_s * outlook.distance
        apart += self._context.doors.rng.uniform(0.0, outlook.jitter_s)
        turn_s = self._context.timing.turn_s
        if job.tolerates_lies and apart > turn_s:
            # Witnesses keep a job for those who have had fewer turns, but no longer than so: who stood further back would
            # leave it, time after time, to a liar that asks without end.
            apart = self._context.doors.rng.uniform(0.0, turn_s)
        self._go_by(now + wait + apart, job)

    def _go_by(self, when: float, job: LedgerJob) -> None:
        """Claim a job then, unless that is due earlier already."""
        go = ("candidate", "go", job.id)
        due = self._context.timers.deadline(go)
        if due is None or when < due:
            self._context.timers.set(go, when)

    def _until_open(self, now: float, instance: Instance, rank: float) -> float:
        """Seconds until witnesses may promise a job that nobody was promised, as far as this node has heard."""
        ballot, outlook = instance.ballot, instance.outlook
        if ballot.epoch > 0 or outlook.epoch > 0 or self._membership.is_dead(ballot.job.submitter):
            return 0.0
        if ballot.award_at is None:
            since = ballot.known_since + ballot.job.job.auction_ms / 1000
        elif rank == 0:
            return 0.0
        else:
            since = ballot.award_at  # others may have promised the winner, whose lease is not yet to be seen
        return max(0.0, since + self._context.timing.rank_grace_s - now)

    def _turn(self, ballot: Ballot) -> float | None:
        """This node's place among the candidates; one whose slots are taken steps back, so that rescues spread."""
        rank = self._succession.rank(ballot.job, self._context.me, ballot.failed)
        if rank is None:
            return None
        full = max(0, len(self._instances.claims) + 1 - self._context.config.slots)
        return rank + _STEPS_BACK_WHEN_FULL * full

    def _may_execute(self, job: LedgerJob) -> bool:
        return (
            self._context.config.executes
            and self._succession.capable(self._context.me, job)
            and self._membership.announcement.price_micro <= job.job.max_price_micro
            and not self._admission.problem(job)
        )

    def _free(self, now: float, instance: Instance) -> bool:
        """Whether nobody seems to be at work on the job, in this node's own view."""
        ballot = instance.ballot
        if ballot.epoch < instance.outlook.epoch:
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
            or (ballot.job.tolerates_lies and now > ballot.free_at(self._context.timing))
        )

    # ------------------------------------------------------------------------------------------- claiming

    def claim(self, now: float, job: LedgerJob) -> None:
        """Ask the committee for the epoch after all that this node has heard of or held, unless a claim is under way."""
        if job.id in self._instances.claims:
            return
        instance = self._instances[job.id]
        epochs = (
            instance.ballot.epoch,
            instance.ballot.proven if job.tolerates_lies else 0,
            instance.outlook.epoch,
            job.epoch,
            self._context.pen.highest(job.id, st.Release),
        )
        self._request_promises(self._begin(now, job, max(epochs) + 1))

    def on_award(self, now: float, job: LedgerJob) -> None:
        """The winner waits for the promises that witnesses send it unasked; the others look at their rank."""
        award = job.award
        if award is None or job.final or job.id in self._instances.claims:
            return
        if award.ranking and award.ranking[0] == self._context.me:
            self._claim_unasked(now, job)

    def _claim_unasked(self, now: float, job: LedgerJob) -> Claim | None:
        """Take epoch 1, which witnesses promise to the winner by themselves, unless it is past already."""
        instance = self._instances.get(job.id)
        if instance is None or instance.ballot.epoch > 1 or not self._may_execute(job):
            return None
        if self._context.pen.highest(job.id, st.Release) > 0 or instance.outlook.epoch > 0:
            return None
        claim = self._begin(now, job, 1)
        # They come from a quorum and one to spare: one that is slow or gone must not cost a whole repetition.
        self._context.timers.set(
            ("candidate", "resend", job.id), now + self._context.timing.unasked_promises_s
        )
        return claim

    def _begin(self, now: float, job: LedgerJob, epoch: int) -> Claim:
        self._admission.take(job)
        claim = self._instances.begin(Claim(job, epoch, now))
        self._context.timers.clear(("candidate", "go", job.id))
        self._context.timers.set(("candidate", "resend", job.id), now + self._context.timing.claim_resend_s)
        return claim

    def _request_promises(self, claim: Claim) -> None:
        job = claim.job
        records = (job.entry.signed, *(entry.signed for entry in job.awards.values()))
        shown = list(claim.promises.values())[claim.requests % len(claim.promises)] if claim.promises else b""
        claim.requests += 1
        for peer in members(job.job):
            if peer not in claim.promises:
                self._context.send(peer, ms.PromiseRequest(job.id, claim.epoch, records, shown))

    def on_promised(self, now: float, message: ms.Promised) -> None:
        """A witness's promise; with a quorum of them this node holds the lease."""
        try:
            promise = check(self._context.crypto, message.promise, st.Promise, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return
        job = self._ledger.jobs.get(promise.job)
        if job is None or job.final or promise.author not in members(job.job):
            return
        if promise.holder != self._context.me:
            self._on_skip(promise)
            return
        claim = self._instances.claims.get(job.id)
        if claim is None and promise.epoch == 1:
            claim = self._claim_unasked(now, job)
        if claim is None or claim.epoch > promise.epoch:
            self._holder.repeat_release(promise.author, job.id, promise.epoch)
            return
        if claim.epoch != promise.epoch or claim.phase is not Phase.CLAIMING:
            return
        known = claim.promises.get(promise.author, message.promise)
        if known != message.promise:
            self._prove("promise", known, message.promise)
            return
        if not self._counts(job, promise, message.promise):
            self._context.dropped["bad_promise"] += 1
            claim.worthless.add(promise.author)
            self._step_back(now, claim)
            return
        claim.promises[promise.author] = message.promise
        if weight_of(job.job, claim.promises) >= quorum(job.job):
            self._context.timers.clear(("candidate", "resend", job.id))
            self._holder.take(now, claim)

    def _on_skip(self, promise: st.Promise) -> None:
        """A witness shows how far it has been led: the next claim is to begin there."""
        instance = self._instances.get(promise.job)
        if instance is not None:
            instance.ballot.take_shown(promise)

    def _counts(self, job: LedgerJob, promise: st.Promise, signed: bytes) -> bool:
        """Whether a promise may stand in a lease certificate: it fits in, and shows nothing that it does not prove."""
        if len(signed) > limit("promise_bytes_max"):
            return False
        try:
            check_shown(self._context.crypto, self._context.config.network, job.job, promise)
        except CertificateError:
            return False
        return True

    # ---------------------------------------------------------------------------------- others' claims

    def on_refused(self, now: float, sender: PeerId, message: ms.Refused) -> None:
        """A witness says no: remember how far it is, and step back from a claim that cannot win.

        To end a claim takes the word of more than f weight, or that it cannot win without those who refuse: else one liar
        could refuse every holder, and nothing would ever settle.
        """
        claim = self._instances.claims.get(message.job)
        if claim is None or message.epoch != claim.epoch or sender not in members(claim.job.job):
            return
        claim.refusals[sender] = message
        self._step_back(now, claim)

    def _step_back(self, now: float, claim: Claim) -> None:
        """Give a claim back that others have left behind, or that nobody is left to bring to a quorum."""
        job = claim.job.job
        promised = vouched(job, {peer: refusal.promised for peer, refusal in claim.refusals.items()})
        if promised > claim.epoch:
            self._holder.fall_back(now, claim, promised)
        elif claim.phase is Phase.CLAIMING and self._meets_better(claim):
            self._holder.release(now, claim, "a better-ranked claim meets it")
        elif weight_of(job, self._hopes(claim)) < quorum(job):
            self._holder.release(now, claim, "no quorum is left for it")

    def _hopes(self, claim: Claim) -> list[PeerId]:
        """Members that have answered the claim, or may yet: not those that are dead, have promised otherwise, or answer
        with what does not count. If one of these lies about that, its answer would not help either."""
        gone = {
            peer
            for peer, refusal in claim.refusals.items()
            if refusal.promised > claim.epoch
            or (claim.phase is Phase.CLAIMING and refusal.promised == claim.epoch)
        }
        return [
            peer
            for peer in members(claim.job.job)
            if peer in claim.answers
            or not (peer in gone or peer in claim.worthless or self._membership.is_dead(peer))
        ]

    def _meets_better(self, claim: Claim) -> bool:
        """Whether witnesses have promised this very epoch to somebody with a better claim."""
        taken = [
            peer
            for peer, refusal in claim.refusals.items()
            if refusal.promised == claim.epoch
            and refusal.holder != self._context.me
            and self._better(claim.job, refusal.holder)
        ]
        return weight_of(claim.job.job, taken) > claim.job.job.fault_bound

    def on_lease(self, now: float, job: LedgerJob, epoch: int) -> None:
        """A lease certificate has come: somebody else's ends a claim of this node."""
        instance = self._instances.get(job.id)
        if instance is None or job.final:
            return
        instance.outlook.heard(epoch)
        claim = self._instances.claims.get(job.id)
        if claim is not None and job.leases[epoch][0] != self._context.me and epoch >= claim.epoch:
            self._holder.lose(now, claim, f"epoch {epoch} is leased")

    def on_settled(self, job: LedgerJob) -> None:
        """The job is decided: there is nothing to claim any more."""
        for name in ("go", "again", "resend"):
            self._context.timers.clear(("candidate", name, job.id))

    def _better(self, job: LedgerJob, other: PeerId) -> bool:
        if other == job.submitter:
            return True
        order = self._succession.order(job, self._instances[job.id].ballot.failed)
        if other not in order:
            return False
        return self._context.me == job.submitter or order.index(other) < order.index(self._context.me)

    # ---------------------------------------------------------------------------------------------- timers

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """`go`: this node's turn has come; `again`: look anew after a loss; `resend`: promises are missing."""
        _, name, job_id = key
        assert isinstance(job_id, bytes)
        instance, claim = self._instances.get(job_id), self._instances.claims.get(job_id)
        if instance is None:
            return
        job = instance.ballot.job
        if name == "again":
            self.consider(now, job)
        elif name == "go" and claim is None:
            if self._may_execute(job) and self._free(now, instance):
                self._claim_if_still_due(now, instance, key)
        elif name == "resend" and claim is not None and claim.phase is Phase.CLAIMING:
            self._go_on_asking(now, claim, key)

    def _claim_if_still_due(self, now: float, instance: Instance, key: tuple[Hashable, ...]) -> None:
        """It was this node's turn when it looked. Others may have come and gone since, which makes it yield to some
        again; and if it has filled up, the next one may be quicker."""
        due = self._turns.yields_until(instance.ballot, self._context.me)
        if due > now:
            self._context.timers.set(key, due)
            return
        if len(self._instances.claims) >= self._context.config.slots and not instance.outlook.gave_way:
            instance.outlook.gave_way = True
            self._context.timers.set(key, now + _STEPS_BACK_WHEN_FULL * self._context.timing.rank_step_s)
            return
        self.claim(now, instance.ballot.job)

    def _go_on_asking(self, now: float, claim: Claim, key: tuple[Hashable, ...]) -> None:
        giveup_s = self._context.timing.claim_giveup_s * self._instances[claim.job.id].outlook.patience
        if now - claim.started_at > giveup_s:
            self._holder.release(now, claim, "no quorum of promises in time")
            return
        self._request_promises(claim)
        self._context.timers.set(key, now + self._context.timing.claim_resend_s)
