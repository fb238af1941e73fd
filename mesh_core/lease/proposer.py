"""The proposer: a holder's part in a job's single-decree Paxos instance.

One value per epoch, on disk before the first request leaves, and repeated until a quorum has voted for it. Where votes
may lie (f ≥ 1) that quorum is shown to the witnesses, which lock the value and vote once more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mesh_core.blobs.blobs import INLINE_BYTES_MAX, Blobs
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.identity.statement import KINDS, StatementError, check, peek
from mesh_core.lease.claim import Claim, Phase
from mesh_core.lease.instance import Instances
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.sync import Replication
from mesh_core.quorum.committee import members, quorum, weight_of
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

V = TypeVar("V", st.AcceptVote, st.SettleVote)


@dataclass(eq=False)
class Proposer:
    """The proposals of this node for its claims, and the votes on them. `_release` gives a claim back, with a reason."""

    _context: Context
    _instances: Instances
    _replication: Replication
    _blobs: Blobs
    _prove: Prove
    _release: Callable[[float, Claim, str], None]

    def stop(self, job: JobId) -> None:
        """The claim has ended: nobody is asked any more. What was said stays said."""
        self._context.timers.clear(("proposal", "resend", job))

    # --------------------------------------------------------------------------------------- proposing

    def propose(self, now: float, claim: Claim, value: st.Value) -> None:
        """The one proposal of this node at this epoch."""
        proposal = self._context.pen.vote(
            st.Proposal(self._context.config.network, self._context.me, claim.job.id, claim.epoch, value)
        )
        self.repeat(now, claim, proposal)

    def repeat(self, now: float, claim: Claim, proposal: bytes) -> None:
        """Ask for votes, from now on until there is a quorum or the claim ends."""
        claim.enter(Phase.PROPOSING)
        claim.proposal = proposal
        claim.value = peek(proposal, st.Proposal).value
        claim.proposed_at = now
        resend = ("proposal", "resend", claim.job.id)
        self._context.timers.set(resend, now + self._context.timing.claim_resend_s)
        self._context.outbox.notify("proposed", job=claim.job.id, epoch=claim.epoch, adopted=claim.adopted)
        self._request_votes(claim, with_lease=False)

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Answers are missing: ask again."""
        job_id = key[2]
        assert isinstance(job_id, bytes)
        claim = self._instances.claims.get(job_id)
        if claim is None:
            return
        if self._is_left_behind(now, claim):
            self._release(now, claim, "a later epoch has been promised, and no quorum votes")
            return
        if claim.phase is Phase.PROPOSING:
            self._request_votes(claim, with_lease=True)
        elif claim.phase is Phase.LOCKING:
            self._request_locks(claim)
        self._context.timers.set(key, now + self._context.timing.claim_resend_s)

    def _is_left_behind(self, now: float, claim: Claim) -> bool:
        """Whether a vote may be missing of one that has promised a later epoch, and cannot go back.

        Where votes may lie its word alone does not end a claim. But when the others have not made a quorum for as long
        as a lease lasts, its vote is needed: then it is better to claim an epoch at which it can be given.
        """
        waited_long = now - claim.proposed_at > self._context.timing.lease_s
        return waited_long and any(one.promised > claim.epoch for one in claim.refusals.values())

    def _request_votes(self, claim: Claim, *, with_lease: bool) -> None:
        assert claim.proposal is not None and claim.value is not None
        job = claim.job
        result = self._blobs.get(claim.value.result_hash) if claim.value.outcome == "result" else None
        inline = result if result is not None and len(result) <= INLINE_BYTES_MAX else b""
        promises = tuple(claim.promises.values()) if with_lease or job.tolerates_lies else ()
        request = ms.AcceptRequest(job.id, claim.epoch, claim.proposal, promises, inline)
        wish = self._wish(claim)
        for peer in members(job.job):
            if peer not in claim.votes:
                if wish:
                    self._context.send(peer, ms.CancelRequest(wish))
                self._context.send(peer, request)

    def _wish(self, claim: Claim) -> bytes:
        """The submitter's signed wish behind a proposed cancellation, if witnesses that may doubt it have to see it."""
        ballot = self._instances.ballot(claim.job.id)
        if ballot is None or not claim.job.tolerates_lies:
            return b""
        return ballot.cancel if claim.value is not None and claim.value.outcome == "cancelled" else b""

    # -------------------------------------------------------------------------------------------- votes

    def on_voted(self, now: float, message: ms.Voted) -> None:
        """A witness's vote. With a quorum of them the job is decided or, where votes may lie, ready to be locked."""
        claim = self._gather(message.vote, st.AcceptVote, Phase.PROPOSING)
        if claim is None:
            return
        if claim.job.tolerates_lies:
            claim.enter(Phase.LOCKING)
            self._request_locks(claim)
        else:
            self._settle(now, claim, claim.votes)

    def _request_locks(self, claim: Claim) -> None:
        """Show the accept certificate to every member: also one that has not voted may lock what it proves."""
        request = ms.LockRequest(claim.job.id, claim.epoch, tuple(claim.votes.values()))
        for peer in members(claim.job.job):
            if peer not in claim.settle_votes:
                self._context.send(peer, request)

    def on_locked(self, now: float, message: ms.Locked) -> None:
        """A witness's settle vote; a quorum of them decides the job."""
        claim = self._gather(message.vote, st.SettleVote, Phase.LOCKING)
        if claim is not None:
            self._settle(now, claim, claim.settle_votes)

    def _gather(self, signed: bytes, kind: type[V], phase: Phase) -> Claim | None:
        """Keep a vote for what is proposed; the claim, once a quorum has voted so. Two votes that differ are proof."""
        vote = self._read_vote(signed, kind)
        claim = self._voted_on(vote, phase)
        if vote is None or claim is None:
            return None
        votes = claim.votes if phase is Phase.PROPOSING else claim.settle_votes
        known = votes.get(vote.author, signed)
        if known != signed:
            self._prove(KINDS[kind], known, signed)
        if vote.value != claim.value:
            return None
        votes[vote.author] = signed
        return claim if weight_of(claim.job.job, votes) >= quorum(claim.job.job) else None

    def _read_vote(self, signed: bytes, kind: type[V]) -> V | None:
        """A vote from outside, if it is well signed and no longer than honest ones: certificates must stay small."""
        try:
            if len(signed) <= limit("vote_bytes_max"):
                return check(self._context.crypto, signed, kind, self._context.config.network)
        except StatementError:
            pass
        self._context.dropped["bad_statement"] += 1
        return None

    def _voted_on(self, vote: st.AcceptVote | st.SettleVote | None, phase: Phase) -> Claim | None:
        """The claim that a member's vote is about, if it is in the phase in which such votes count."""
        claim = self._instances.claims.get(vote.job) if vote is not None else None
        if vote is None or claim is None or claim.phase is not phase or vote.epoch != claim.epoch:
            return None
        return claim if vote.author in members(claim.job.job) else None

    def _settle(self, now: float, claim: Claim, votes: Mapping[PeerId, bytes]) -> None:
        assert claim.value is not None
        certificate = st.SettleCertificate(claim.job.id, claim.epoch, claim.value, tuple(votes.values()))
        self._replication.append(now, "settle", certificate, members(claim.job.job))
