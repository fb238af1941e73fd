"""The voter: the half of a witness that judges what holders propose (PROTOCOL §4).

A vote is written before it is sent, keyed by (job, epoch, phase), and cast only where the result is: else the only copy
of a settled result might die with its holder.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId, PutVote
from mesh_core.identity.statement import StatementError, check, digest, peek, sign
from mesh_core.lease.ballot import Ballot
from mesh_core.lease.certificate import CertificateError, check_lease
from mesh_core.lease.witness import Witness
from mesh_core.ledger.blobs import Blobs
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.needs import AcceptResult
from mesh_core.ledger.proofs import Prove
from mesh_core.market.price import price_of
from mesh_core.market.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st


@dataclass(eq=False)
class Voter:
    """Votes on the ballots of `_witness`."""

    _context: Context
    _ledger: Ledger
    _succession: Succession
    _blobs: Blobs
    _witness: Witness
    _prove: Prove

    def on_accept(self, now: float, sender: PeerId, message: ms.AcceptRequest) -> None:
        """A holder proposes a value: check everything, keep the result, vote."""
        job = self._ledger.jobs.get(message.job)
        if job is not None and job.settle is not None:
            self._context.send(sender, ms.Records((job.settle.signed,)))
            return
        ballot = self._witness.ballots.get(message.job)
        if job is None or ballot is None:
            return
        stored = ballot.votes.get(message.epoch)
        if stored is not None:
            self._look_for_second_proposal(ballot, message)
            self._context.send(sender, ms.Voted(stored))
            return
        if not self._certified(now, ballot, sender, message):
            if message.epoch < ballot.epoch:
                self._witness.refuse(sender, ballot, message.epoch)
            return
        value = self._proposed(sender, message)
        if value is None or not self._acceptable(ballot, message, value):
            self._context.dropped["bad_proposal"] += 1
            return
        if not self._possess(now, sender, message, value):
            return
        vote = sign(
            self._context.crypto,
            st.AcceptVote(self._context.config.network, self._context.me, job.id, message.epoch, value),
        )
        ballot.votes[message.epoch] = vote
        ballot.proposal = message.proposal
        ballot.accepted = st.Accepted(message.epoch, value)
        ballot.renewed_at = now
        self._context.outbox.write(PutVote(job.id, message.epoch, "accept", vote))
        self._context.send(sender, ms.Voted(vote))

    def _look_for_second_proposal(self, ballot: Ballot, message: ms.AcceptRequest) -> None:
        """A holder that proposes two values at one epoch has signed the proof of it."""
        if ballot.proposal and message.proposal != ballot.proposal:
            self._prove("proposal", ballot.proposal, message.proposal)

    def _certified(self, now: float, ballot: Ballot, sender: PeerId, message: ms.AcceptRequest) -> bool:
        """Whether `sender` holds the lease at exactly this witness's epoch, raising it to a certificate shown."""
        if message.epoch < ballot.epoch:
            return False
        lease = ballot.job.leases.get(message.epoch)
        if lease is None:
            shown = st.LeaseCertificate(message.job, message.epoch, sender, message.promises)
            try:
                check_lease(self._context.crypto, self._context.config.network, ballot.job.job, shown)
            except CertificateError:
                return False
        elif lease[0] != sender:
            return False
        self._witness.observe(now, ballot, message.epoch, sender)
        return True

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

    def _acceptable(self, ballot: Ballot, message: ms.AcceptRequest, value: st.Value) -> bool:
        """The rules a value must keep: a known outcome, the price that was bid, nothing new after the deadline."""
        if len(value.reason) > limit("text_chars_max"):
            return False
        if value.outcome in ("cancelled", "failed"):
            return value.price_micro == 0
        if value.outcome != "result" or not 0 < value.result_bytes <= limit("blob_bytes_max"):
            return False
        if self._shown(ballot, message, value):
            return True  # Paxos forces the holder to propose it: it was judged when it was first accepted
        return not ballot.late and self._is_paid_right(ballot.job, value)

    def _is_paid_right(self, job: LedgerJob, value: st.Value) -> bool:
        announcement = self._succession.announcement(value.holder)
        price = price_of(self._context.crypto, self._context.config.network, job, value.holder, announcement)
        return value.price_micro == price

    def _shown(self, ballot: Ballot, message: ms.AcceptRequest, value: st.Value) -> bool:
        """Whether some promise of the lease shows this value as accepted before."""
        promises = (peek(signed, st.Promise) for signed in self._promises(ballot, message))
        return any(one.accepted is not None and one.accepted.value == value for one in promises)

    def _promises(self, ballot: Ballot, message: ms.AcceptRequest) -> tuple[bytes, ...]:
        lease = ballot.job.leases.get(message.epoch)
        if lease is None:
            return message.promises
        certificate: st.LeaseCertificate = lease[1].body
        return certificate.promises

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
