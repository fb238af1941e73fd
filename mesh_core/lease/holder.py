"""The holder: what becomes of a lease, from its certificate to the end of the claim.

With a lease a node repeats its own proposal, finishes what a former holder began, ends the job, or runs it; what it
proposes then is up to the proposer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from mesh_core.blobs.blobs import Blobs
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.crypto import SecrecyError
from mesh_core.effects import JobId, PeerId
from mesh_core.identity.statement import peek
from mesh_core.lease.adopt import adopted, failures, has_failed
from mesh_core.lease.claim import Claim, Phase
from mesh_core.lease.instance import Instances
from mesh_core.lease.keys import Keys
from mesh_core.lease.proposer import Proposer
from mesh_core.lease.results import Results
from mesh_core.lease.runs import Runs
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.record import Entry
from mesh_core.ledger.sync import Replication
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members
from mesh_core.standing.price import price_of
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.reason import short


@dataclass(frozen=True, slots=True)
class AdoptResult:
    """A lease holder proposes a former holder's result once it can show it."""

    job: JobId


@dataclass(eq=False)
class Holder:
    """This node as one that has leases. A claim ends in one of five ways:

    | by | phase | a signed release | looks again |
    | --- | --- | --- | --- |
    | `on_settled`: the job is decided | settled | no | no |
    | `release`: it gives the claim back, perhaps with an error | released | yes | later after each loss |
    | `fall_back`: a later epoch has been promised where it is needed | released | yes | soon |
    | `lose`: somebody else has a certificate | lost | no | later after each loss |
    | `lay_down`: its key is retired | lost | no | in vain: nothing is signed any more |
    """

    _context: Context
    _ledger: Ledger
    _instances: Instances
    _membership: Membership
    _replication: Replication
    _blobs: Blobs
    _results: Results
    _prove: Prove

    def __post_init__(self) -> None:
        self.runs = Runs(self._context)
        self.keys = Keys(self._context, self._membership, self._blobs, self._execute, self._give_up)
        self.proposer = Proposer(
            self._context, self._instances, self._replication, self._blobs, self._prove, self.release
        )

    # ------------------------------------------------------------------------------- start and resume

    def repeat_release(self, witness: PeerId, job: JobId, epoch: int) -> None:
        """A promise has come for an epoch that this node has given back: the release was lost or overtaken, and the
        witness would wait for nothing."""
        pen = self._context.pen
        released = pen.last(job, st.Release)
        if released is not None and epoch <= pen.highest(job, st.Release):
            self._context.send(witness, ms.Released(released))

    def resume(self, now: float) -> None:
        """After a start: go on with the leases that this node still holds as far as it can see."""
        for job in list(self._ledger.open_jobs.values()):
            ballot = self._instances.ballot(job.id)
            if ballot is None or job.holder != self._context.me or job.id in self._instances.claims:
                continue
            if job.submitter != self._context.me and not self._ledger.budget.is_backed(job.submitter):
                continue  # a committee of invented keys may lease its job to anybody
            if job.epoch < ballot.epoch or job.epoch <= self._context.pen.highest(job.id, st.Release):
                continue
            lease = self._own_lease(job)
            certificate: st.LeaseCertificate = lease.body
            claim = self._instances.begin(Claim(job, job.epoch, now))
            claim.promises = {peek(signed, st.Promise).author: signed for signed in certificate.promises}
            self._act(now, claim, lease)

    def _own_lease(self, job: LedgerJob) -> Entry:
        """The lease of this node as it made it itself. The ledger may hold another record of the same lease, with the
        promises of a witness that has promised twice: what was proposed under these would be refused under those."""
        own = self._ledger.chains.authors.get(self._context.me, AuthorChain())
        for entry in reversed(own.chain):
            body = entry.body
            if isinstance(body, st.LeaseCertificate) and (body.job, body.epoch) == (job.id, job.epoch):
                return entry
        return job.leases[job.epoch][1]

    # ----------------------------------------------------------------------------------- with a lease

    def take(self, now: float, claim: Claim) -> None:
        """A quorum has promised: that is the lease, and a record of this node's chain."""
        job = claim.job
        certificate = st.LeaseCertificate(
            job.id, claim.epoch, self._context.me, tuple(claim.promises.values())
        )
        lease = self._replication.make("lease", certificate)
        self._instances[job.id].outlook.losses = 0
        self._act(now, claim, lease)

    def _act(self, now: float, claim: Claim, lease: Entry) -> None:
        """What Paxos lets this holder do: repeat its own proposal, adopt the highest accepted value, or begin."""
        claim.lease = lease
        self._keep_renewing(now)
        said = self._context.pen.said(claim.job.id, claim.epoch, st.Proposal)
        adopted = self.adopted_value(claim)
        ending = self._ending(now, claim)
        if said is None and adopted is None and ending is None:
            self._ask_for_key(now, claim)
            return
        self._show_lease(now, claim)
        if said is not None:
            self._prepare_to_propose(now, claim)
            self.proposer.repeat(now, claim, said)
        elif adopted is not None:
            self._adopt(now, claim, adopted)
        elif ending is not None:
            self._propose(now, claim, ending)

    def adopted_value(self, claim: Claim) -> st.Value | None:
        """The value that the promises of the lease bind this holder to."""
        return adopted(claim.opened_promises())

    def _ending(self, now: float, claim: Claim) -> st.Value | None:
        """A value that ends the job without running it: cancelled on request or by time, failed too often."""
        job = claim.job
        ballot = self._instances[job.id].ballot
        if ballot.cancel:
            return self._unpaid("cancelled", peek(ballot.cancel, st.Cancel).reason)
        crypto, network = self._context.crypto, self._context.config.network
        seen = failures(crypto, network, job.job, job.id, claim.opened_promises())
        if has_failed(job.job, seen):
            return self._unpaid("failed", seen[0].error)
        if ballot.expired(now):
            return self._unpaid("cancelled", "timed out")
        return None

    def _unpaid(self, outcome: str, reason: str) -> st.Value:
        return st.Value(outcome, b"", 0, short(reason), self._context.me, 0)

    def _show_lease(self, now: float, claim: Claim) -> None:
        """Let every member of the committee see the lease certificate."""
        assert claim.lease is not None
        self._context.timers.clear(("claim", "show", claim.job.id))
        if not claim.shown:
            claim.shown = True
            self._replication.publish(now, claim.lease, members(claim.job.job))

    # -------------------------------------------------------------------------------------- executing

    def _ask_for_key(self, now: float, claim: Claim) -> None:
        """The witnesses other than the submitter need the lease before they would let their promise lapse, not before
        work begins: it is shown to them a little later, which keeps a quarter of all frames off the way to the first
        token."""
        job = claim.job
        claim.enter(Phase.SHARING)
        self._context.timers.set(("claim", "execution", job.id), now + job.job.execution_ms / 1000)
        self._context.timers.set(("claim", "show", job.id), now + self._context.timing.lease_shown_s)
        self.keys.collect(now, claim)
        self.keys.open(now, job.id)

    def _execute(self, now: float, claim: Claim, work: ms.Work) -> None:
        claim.enter(Phase.EXECUTING)
        job = claim.job
        self._context.timers.set(("claim", "execution", job.id), now + job.job.execution_ms / 1000)
        self.runs.start(now, job.id, claim.epoch, work)

    def on_executed(
        self, now: float, job_id: JobId, epoch: int, result: bytes | None, error: str | None
    ) -> None:
        """A workload has ended: with a result, which is sealed to the submitter and proposed, or with an error."""
        self.runs.ended(now, job_id, epoch, succeeded=result is not None)
        claim = self._instances.claims.get(job_id)
        if claim is None or claim.epoch != epoch or claim.phase is not Phase.EXECUTING:
            return
        if result is None:
            self._give_up(now, claim, error or "failed")
            return
        try:
            sealed = self._context.crypto.seal(claim.job.submitter, result)
        except SecrecyError as problem:
            self._give_up(now, claim, f"the result cannot be sealed to the submitter: {problem}")
            return
        if len(sealed) > limit("blob_bytes_max"):
            self._give_up(now, claim, "the result is too large")
            return
        self._context.outbox.notify("execution_finished", job=job_id, epoch=epoch, bytes=len(result))
        network, announcement = self._context.config.network, self._membership.announcement
        price = price_of(self._context.crypto, network, claim.job, self._context.me, announcement)
        blob = self._blobs.put(sealed)
        self._propose(now, claim, st.Value("result", blob, len(sealed), "", self._context.me, price))

    def on_progress(self, job_id: JobId, epoch: int, tokens: int, text: str) -> None:
        """A running workload has produced more: tell this node's users and stream it to the submitter."""
        claim = self._instances.claims.get(job_id)
        if claim is None or claim.epoch != epoch or claim.phase is not Phase.EXECUTING:
            return
        self._context.outbox.notify(
            "execution_progress", after_disk=False, job=job_id, epoch=epoch, tokens=tokens, text=text
        )
        if claim.job.submitter != self._context.me:
            self._context.send(claim.job.submitter, ms.Streamed(job_id, epoch, tokens, text))

    def _give_up(self, now: float, claim: Claim, error: str) -> None:
        """The job cannot be run here: a signed release with the error, so that somebody else may try."""
        self._context.outbox.notify("execution_failed", job=claim.job.id, epoch=claim.epoch, error=error)
        self.release(now, claim, error, error=short(error) or "failed")

    # -------------------------------------------------------------------------------------- proposing

    def _adopt(self, now: float, claim: Claim, value: st.Value) -> None:
        """Finish what a former holder began; its result must be here before others are asked to keep it."""
        claim.enter(Phase.ADOPTING)
        claim.adopted = True
        self._results.named(claim.job.id, value)
        if value.outcome != "result" or value.result_hash in self._blobs:
            self._propose(now, claim, value)
            return
        claim.value = value
        self._blobs.want(now, value.result_hash, members(claim.job.job), AdoptResult(claim.job.id))
        self._context.timers.set(("claim", "adopt", claim.job.id), now + self._context.timing.lease_s)

    def on_adopted(self, now: float, need: AdoptResult) -> None:
        """The result that is to be adopted has come."""
        claim = self._instances.claims.get(need.job)
        if claim is None or claim.phase is not Phase.ADOPTING or claim.value is None:
            return
        if claim.value.result_hash in self._blobs:
            self._propose(now, claim, claim.value)

    def _go_on_adopting(self, now: float, claim: Claim, key: tuple[Hashable, ...]) -> None:
        """The only member that has the result may be gone, and whoever asks anew may find a quorum without it."""
        assert claim.value is not None
        received = self._blobs.received(claim.value.result_hash)
        if received > claim.received:
            claim.received = received
            self._context.timers.set(key, now + self._context.timing.lease_s)
        else:
            self.release(now, claim, "the result to adopt does not come")

    def _propose(self, now: float, claim: Claim, value: st.Value) -> None:
        self._prepare_to_propose(now, claim)
        self._results.named(claim.job.id, value)
        self.proposer.propose(now, claim, value)

    def _prepare_to_propose(self, now: float, claim: Claim) -> None:
        """Witnesses judge a proposal by its lease; and what had to be done in time is done."""
        self._show_lease(now, claim)
        for name in ("execution", "adopt"):
            self._context.timers.clear(("claim", name, claim.job.id))

    # ---------------------------------------------------------------------------------------- ending

    def on_settled(self, now: float, job: LedgerJob) -> None:
        """The job is decided, by whomever."""
        claim = self._instances.claims.get(job.id)
        if claim is not None:
            self._end(claim, Phase.SETTLED, "decided")

    def on_cancel(self, now: float, cancel: st.Cancel) -> None:
        """The submitter wants its job to end: the holder proposes that, unless it has proposed a result already."""
        claim = self._instances.claims.get(cancel.job)
        if claim is not None and claim.phase in (Phase.SHARING, Phase.EXECUTING):
            self.runs.stop(claim.job.id, claim.epoch, "cancelled by its submitter")
            self.keys.forget(claim.job.id)
            self._propose(now, claim, self._unpaid("cancelled", cancel.reason))

    def release_all(self, now: float) -> None:
        """This node leaves: give back what it has not proposed yet."""
        for claim in list(self._instances.claims.values()):
            if claim.phase not in (Phase.PROPOSING, Phase.LOCKING):
                self.release(now, claim, "leaving")

    def lay_down(self, now: float) -> None:
        """This node may not sign any more: nothing can come of its claims."""
        for claim in list(self._instances.claims.values()):
            self.lose(now, claim, "this node's key is retired")

    def release(self, now: float, claim: Claim, reason: str, *, error: str = "") -> None:
        """Give a claim back with a signed release, so that nobody waits for it; `error` counts as a failed run."""
        self._give_back(claim, reason, error)
        self._look_again(now, claim.job.id, self._instances[claim.job.id].outlook.lost())

    def fall_back(self, now: float, claim: Claim, promised: int) -> None:
        """Give a claim back whose epoch is past: a later one has been promised where it is needed."""
        self._give_back(claim, f"epoch {promised} has been promised", "")
        self._look_again(now, claim.job.id, self._instances[claim.job.id].outlook.left_behind())

    def _give_back(self, claim: Claim, reason: str, error: str) -> None:
        self._end(claim, Phase.RELEASED, reason)
        self._sign_release(claim, error)

    def lose(self, now: float, claim: Claim, reason: str) -> None:
        """Somebody else has a certificate: the claim is void without a word."""
        self._end(claim, Phase.LOST, reason)
        self._look_again(now, claim.job.id, self._instances[claim.job.id].outlook.lost())

    def _look_again(self, now: float, job: JobId, within_s: float) -> None:
        again = now + self._context.doors.rng.uniform(0.0, within_s)
        self._context.timers.set(("candidate", "again", job), again)

    def _end(self, claim: Claim, phase: Phase, reason: str) -> None:
        job = claim.job
        self.runs.stop(job.id, claim.epoch, reason)
        self._instances[job.id].outlook.heard(claim.furthest)
        claim.enter(phase)
        self.keys.forget(job.id)
        self.proposer.stop(job.id)
        for name in ("show", "execution", "adopt"):
            self._context.timers.clear(("claim", name, job.id))
        self._instances.end(claim)
        if claim.lease is not None and phase is not Phase.SETTLED:
            self._context.outbox.notify(
                "lease_ended", job=job.id, epoch=claim.epoch, holder=self._context.me, reason=reason
            )

    def _sign_release(self, claim: Claim, error: str) -> None:
        job = claim.job
        signed = self._context.pen.vote(
            st.Release(self._context.config.network, self._context.me, job.id, claim.epoch, error)
        )
        for peer in members(job.job):
            self._context.send(peer, ms.Released(signed))

    # ---------------------------------------------------------------------------------------- timers

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """`renew` of all claims; `show`, `adopt` or `execution` (its time-out) of one."""
        if key[1] == "renew":
            self._renew(now)
            return
        _, name, job_id = key
        assert isinstance(job_id, bytes)
        claim = self._instances.claims.get(job_id)
        if claim is None:
            return
        if name == "show":
            self._show_lease(now, claim)
        elif name == "execution":
            self.runs.stop(job_id, claim.epoch, "execution time-out")
            self._give_up(now, claim, "execution time-out")
        elif name == "adopt" and claim.phase is Phase.ADOPTING:
            self._go_on_adopting(now, claim, key)

    def _keep_renewing(self, now: float) -> None:
        if ("claim", "renew") not in self._context.timers:
            self._context.timers.set(("claim", "renew"), now + self._context.timing.renewal_s)

    def _renew(self, now: float) -> None:
        by_witness: dict[PeerId, list[tuple[JobId, int]]] = {}
        for claim in self._instances.claims.values():
            if claim.lease is not None:
                for peer in members(claim.job.job):
                    by_witness.setdefault(peer, []).append((claim.job.id, claim.epoch))
        for peer, leases in by_witness.items():
            self._context.send(peer, ms.Renew(tuple(leases)))
        if by_witness:
            self._context.timers.set(("claim", "renew"), now + self._context.timing.renewal_s)
