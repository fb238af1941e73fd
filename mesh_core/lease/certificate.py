"""Certificates: quorums of signed votes that anyone can check with nothing but public keys (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct

from mesh_core.config import limit
from mesh_core.identity.crypto import Verifier
from mesh_core.identity.statement import StatementError, check
from mesh_core.lease.committee import members, quorum, total_weight, weight_of
from mesh_core.ledger.record import check_record
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED


class CertificateError(ValueError):
    """A certificate does not prove what it says; the text names the first thing that is wrong."""


def check_lease(
    crypto: Verifier, network: str, job: st.Job, certificate: st.LeaseCertificate
) -> list[st.Promise]:
    """The promises of a valid lease certificate. Raises CertificateError."""
    _require_possible(certificate.epoch)
    promises: dict[st.PeerId, st.Promise] = {}
    for signed in certificate.promises:
        promise = _checked(crypto, network, signed, st.Promise)
        if (promise.job, promise.epoch, promise.holder) != (
            certificate.job,
            certificate.epoch,
            certificate.holder,
        ):
            raise CertificateError("a promise is for another lease")
        promises[promise.author] = promise
    _require_quorum(job, set(promises), "promises")
    return list(promises.values())


def check_settlement(crypto: Verifier, network: str, job: st.Job, certificate: st.SettleCertificate) -> None:
    """Nothing when the certificate settles the job. Raises CertificateError."""
    _require_possible(certificate.epoch)
    value = certificate.value
    if value.holder not in members(job) or not 0 <= value.price_micro <= job.max_price_micro:
        raise CertificateError("its value pays an outsider or more than the job allows")
    voters: set[st.PeerId] = set()
    for signed in certificate.votes:
        vote = _checked(crypto, network, signed, st.AcceptVote)
        if (vote.job, vote.epoch, vote.value) != (certificate.job, certificate.epoch, certificate.value):
            raise CertificateError("a vote is for another value")
        voters.add(vote.author)
    if certificate.value.outcome not in OUTCOMES:
        raise CertificateError(f"unknown outcome {certificate.value.outcome[:32]!r}")
    _require_quorum(job, voters, "votes")


OUTCOMES: dict[str, str] = {"result": "settled", "cancelled": "cancelled", "failed": "failed"}
"""What a ballot may decide, and the final state it gives the job."""


def _require_possible(epoch: int) -> None:
    if not 1 <= epoch <= limit("sequence_max"):
        raise CertificateError("an impossible epoch")


def _require_quorum(job: st.Job, voters: set[st.PeerId], what: str) -> None:
    weight = weight_of(job, voters)
    if weight < quorum(job):
        raise CertificateError(
            f"{what} of weight {weight} where {quorum(job)} of {total_weight(job)} are needed"
        )


S = TypeVar("S")


def _checked(crypto: Verifier, network: str, signed: bytes, kind: type[S]) -> S:
    try:
        return check(crypto, signed, kind, network)
    except StatementError as error:
        raise CertificateError(str(error)) from error


class Receipt(Struct, array_like=True, frozen=True):
    """What `job --out` writes: the signed job record and the record that settles it."""

    network: str
    job: st.Signed
    settle: st.Signed


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """What a receipt proves. Keys and hashes as raw bytes, the price in micro-AXL."""

    job: st.JobId
    label: str
    network: str
    submitter: st.PeerId
    outcome: str
    holder: st.PeerId
    price_micro: int
    result_hash: bytes
    epoch: int
    voters: tuple[st.PeerId, ...]
    weight: int
    quorum: int
    total_weight: int


class ReceiptError(ValueError):
    """A receipt proves nothing; the text says why."""


_receipts: msgspec.msgpack.Decoder[Receipt] = msgspec.msgpack.Decoder(Receipt)


def make_receipt(network: str, job_record: bytes, settle_record: bytes) -> bytes:
    """A receipt anyone can check offline with `verify_receipt`."""
    return msgspec.msgpack.encode(Receipt(network, job_record, settle_record))


def verify_receipt(crypto: Verifier, data: bytes) -> ReceiptReport:
    """Check a receipt with public keys alone. Raises ReceiptError with the first thing that is wrong."""
    try:
        receipt = _receipts.decode(data)
    except MALFORMED as error:
        raise ReceiptError(f"not a receipt: {error}") from error
    try:
        job_entry = check_record(crypto, receipt.job, receipt.network)
        settle_entry = check_record(crypto, receipt.settle, receipt.network)
        job, certificate = job_entry.body, settle_entry.body
        if not isinstance(job, st.Job) or not isinstance(certificate, st.SettleCertificate):
            raise ReceiptError("the receipt does not hold a job and a settlement")
        if certificate.job != job_entry.hash:
            raise ReceiptError("the settlement is for another job")
        check_settlement(crypto, receipt.network, job, certificate)
    except (StatementError, CertificateError) as error:
        raise ReceiptError(str(error)) from error
    voters = tuple(check(crypto, vote, st.AcceptVote, receipt.network).author for vote in certificate.votes)
    value = certificate.value
    return ReceiptReport(
        job_entry.hash,
        job.label,
        receipt.network,
        job_entry.author,
        value.outcome,
        value.holder,
        value.price_micro,
        value.result_hash,
        certificate.epoch,
        voters,
        weight_of(job, voters),
        quorum(job),
        total_weight(job),
    )
