"""The voter: the half of a witness that judges what holders propose.

A vote is written before it is sent, keyed by (job, epoch, phase): one value per epoch and phase, also after a restart.
It is cast only where the result is: else the only copy of a settled result might die with its holder.

Where votes may lie (f ≥ 1) the holder may lie as well. Two things are added then. The witness works out itself what the
promises of the lease bind the holder to, and votes for nothing else. And a quorum of votes, the *accept certificate*,
settles nothing yet: a witness that is shown it *locks* the value, on disk, and votes once more; a quorum of those
settles. So whatever is settled is locked, with its proof, by a quorum: every later quorum of promises shows it, and no
liar can show anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from mesh_core.blobs.blobs import Blobs
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutVote
from mesh_core.identity.statement import StatementError, check, digest, peek
from mesh_core.lease.adopt import adopted, failures, has_failed
from mesh_core.lease.ballot import Ballot, pack_lock
from mesh_core.lease.instance import Instances
from mesh_core.lease.results import Results
from mesh_core.lease.witness import Witness
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.proofs import Prove
from mesh_core.quorum.certificate import CertificateError, check_accepts, check_lease
from mesh_core.standing.price import price_of
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.reason import is_short


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """A witness votes for the proposal of `holder` once it keeps the result; the newest request counts."""

    job: JobId
    holder: PeerId
    request: ms.AcceptRequest = field(compare=False)


@dataclass(eq=False)
class Voter:
    """Votes on this node's ballots."""

    _context: Context
    _ledger: Ledger
    _instances: Instances
    _succession: Succession
    _blobs: Blobs
    _witness: Witness
    _results: Results
    _prove: Prove

    # ---------------------------------------------------------------------------------------- accepting

    def on_accept(self, now: float, sender: PeerId, message: ms.AcceptRequest) -> None:
        """A holder proposes a value: check everything, keep the result, vote."""
        ballot = self._open_ballot(sender, message.job)
        if ballot is None:
            return
        stored = self._context.pen.said(message.job, message.epoch, st.AcceptVote)
        if stored is not None:
            self._look_for_second_proposal(ballot, message)
            self._context.send(sender, ms.Voted(stored))
            return
        if not self._admits(ballot, sender, message.epoch):
            return
        promises = self._lease_of(ballot, sender, message)
        if promises is None:
            return
        self._witness.observe(now, ballot, message.epoch, sender)
        value = self._proposed(sender, message)
        if value is None or not self._acceptable(now, ballot, sender, promises, value):
            self._context.dropped["bad_proposal"] += 1
            return
        self._results.named(message.job, value)
        if self._possess(now, sender, message, value):
            self._context.send(sender, ms.Voted(self._accept(now, ballot, message, value)))

    def _accept(self, now: float, ballot: Ballot, message: ms.AcceptRequest, value: st.Value) -> bytes:
        """Vote. Without lies that binds this witness; else only a lock does, since a single vote proves nothing."""
        vote = self._context.pen.vote(
            st.AcceptVote(self._context.config.network, self._context.me, message.job, message.epoch, value)
        )
        ballot.proposal = message.proposal
        ballot.renewed_at = now
        if not ballot.job.tolerates_lies:
            ballot.show(st.Accepted(message.epoch, value))
        return vote

    def _open_ballot(self, sender: PeerId, job_id: bytes) -> Ballot | None:
        """This witness's ballot of a job; whoever asks about a decided one is shown the decision."""
        job = self._ledger.jobs.get(job_id)
        if job is not None and job.settle is not None:
            self._context.send(sender, ms.Records((job.settle.signed,)))
            return None
        return self._instances.ballot(job_id)

    def _admits(self, ballot: Ballot, sender: PeerId, epoch: int) -> bool:
        """Whether this witness may vote at `epoch`; one that has promised a later one says so."""
        if epoch < ballot.epoch:
            self._witness.refuse(sender, ballot, epoch)
            return False
        if not self._witness.may_vote(ballot, epoch):
            self._context.dropped["job_not_taken_in"] += 1
            return False
        return True

    def _look_for_second_proposal(self, ballot: Ballot, message: ms.AcceptRequest) -> None:
        """A holder that proposes two values at one epoch has signed the proof of it."""
        if ballot.proposal and message.proposal != ballot.proposal:
            self._prove("proposal", ballot.proposal, message.proposal)

    def _lease_of(self, ballot: Ballot, sender: PeerId, message: ms.AcceptRequest) -> list[st.Promise] | None:
        """The promises of the lease under which `sender` proposes, None when it holds none.

        Where votes may lie it is those that came with the request: a liar that promised twice may have made another
        certificate for the same lease, which shows something else, and a witness that judged an honest holder by that
        one would refuse it. Any quorum of promises binds to what may have been settled.
        """
        lease = ballot.job.leases.get(message.epoch)
        if lease is not None and lease[0] != sender:
            return None
        if lease is not None and not ballot.job.tolerates_lies:
            certificate: st.LeaseCertificate = lease[1].body
            return [peek(signed, st.Promise) for signed in certificate.promises]
        shown = st.LeaseCertificate(message.job, message.epoch, sender, message.promises)
        try:
            return check_lease(self._context.crypto, self._context.config.network, ballot.job.job, shown)
        except CertificateError:
            return None

    def _proposed(self, sender: PeerId, message: ms.AcceptRequest) -> st.Value | None:
        try:
            proposal = check(
                self._context.crypto, message.proposal, st.Proposal, self._context.config.network
            )
        except StatementError:
            return None
        if (proposal.author, proposal.job, proposal.epoch) != (sender, message.job, message.epoch):
            return None
        return proposal.value

    # ------------------------------------------------------------------------------- what is acceptable

    def _acceptable(
        self, now: float, ballot: Ballot, sender: PeerId, promises: list[st.Promise], value: st.Value
    ) -> bool:
        """Whether `sender` may propose `value`.

        A value that the promises show was judged when it was first accepted, and Paxos makes the holder propose it;
        where votes may lie, a holder that proposes anything else is refused.
        """
        if not is_short(value.reason):
            return False
        if ballot.job.tolerates_lies:
            bound = adopted(promises)
            if bound is not None:
                return value == bound
            return self._is_fresh(ballot, sender, value) and self._is_due(
                now, ballot, sender, promises, value
            )
        shown = any(one.accepted is not None and one.accepted.value == value for one in promises)
        return shown or self._is_fresh(ballot, sender, value)

    def _is_fresh(self, ballot: Ballot, sender: PeerId, value: st.Value) -> bool:
        """The rules for a value that nobody has accepted yet: a known outcome, the price that was bid, no result after
        the deadline."""
        if value.holder != sender:
            return False
        if value.outcome in ("cancelled", "failed"):
            return value.price_micro == 0 and not value.result_hash and value.result_bytes == 0
        return (
            value.outcome == "result"
            and 0 < value.result_bytes <= limit("blob_bytes_max")
            and not ballot.late
            and self._is_paid_right(ballot.job, value)
        )

    def _is_due(
        self, now: float, ballot: Ballot, sender: PeerId, promises: list[st.Promise], value: st.Value
    ) -> bool:
        """Where the holder may lie, it cannot end a job by its word alone: `cancelled` needs the submitter's, or that
        the job's time is over on this witness's own clock; `failed` needs the failures that the promises show."""
        job = ballot.job
        if value.outcome == "cancelled":
            return sender == job.submitter or bool(ballot.cancel) or ballot.expired(now)
        if value.outcome == "failed":
            crypto, network = self._context.crypto, self._context.config.network
            return has_failed(job.job, failures(crypto, network, job.job, job.id, promises))
        return True

    def _is_paid_right(self, job: LedgerJob, value: st.Value) -> bool:
        announcement = self._succession.announcement(value.holder)
        price = price_of(self._context.crypto, self._context.config.network, job, value.holder, announcement)
        return value.price_micro == price

    def _possess(self, now: float, sender: PeerId, message: ms.AcceptRequest, value: st.Value) -> bool:
        """Whether the sealed result is on this node; otherwise fetch it and judge the request again."""
        if value.outcome != "result" or value.result_hash in self._blobs:
            return True
        if len(message.result) == value.result_bytes and digest(message.result) == value.result_hash:
            self._blobs.put(message.result)
            return True
        kept = msgspec.structs.replace(message, result=b"")
        self._blobs.want(now, value.result_hash, [sender], AcceptResult(message.job, sender, kept))
        return False

    def on_result(self, now: float, need: AcceptResult) -> None:
        """A proposed result has come: judge the request again."""
        self.on_accept(now, need.holder, need.request)

    # ------------------------------------------------------------------------------------------ locking

    def on_lock(self, now: float, sender: PeerId, message: ms.LockRequest) -> None:
        """An accept certificate (f ≥ 1): lock its value and vote to settle it.

        Never below a promise: whoever was promised a later epoch was shown what this witness had locked until then.
        It matters neither who sends it nor whether this witness voted itself: the certificate speaks.
        """
        ballot = self._open_ballot(sender, message.job)
        if ballot is None or not ballot.job.tolerates_lies:
            return
        stored = self._context.pen.said(message.job, message.epoch, st.SettleVote)
        if stored is not None:
            self._context.send(sender, ms.Locked(stored))
            return
        if not self._admits(ballot, sender, message.epoch):
            return
        try:
            value = check_accepts(
                self._context.crypto,
                self._context.config.network,
                ballot.job.job,
                message.job,
                message.epoch,
                message.votes,
            )
        except CertificateError:
            self._context.dropped["bad_certificate"] += 1
            return
        if not self._reach(now, ballot, message.epoch):
            return
        locked = st.Accepted(message.epoch, value, message.votes)
        self._context.send(sender, ms.Locked(self._lock(now, ballot, locked)))

    def _reach(self, now: float, ballot: Ballot, epoch: int) -> bool:
        """Bring the ballot to `epoch`, which is not below it; False while its lease has not come: it will, and the
        request is repeated."""
        if epoch == ballot.epoch:
            return True
        lease = ballot.job.leases.get(epoch)
        if lease is not None:
            self._witness.observe(now, ballot, epoch, lease[0])
        return lease is not None

    def _lock(self, now: float, ballot: Ballot, locked: st.Accepted) -> bytes:
        """Lock and vote to settle, in one write: a settle vote without its lock on the same disk could be forgotten by
        this witness's later promises."""
        job, epoch = ballot.job.id, locked.epoch
        self._context.outbox.write(PutVote(job, epoch, "lock", pack_lock(locked)))
        vote = self._context.pen.vote(
            st.SettleVote(self._context.config.network, self._context.me, job, epoch, locked.value)
        )
        ballot.show(locked)
        ballot.renewed_at = now
        return vote
