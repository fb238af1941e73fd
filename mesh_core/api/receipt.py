"""Receipts: a job and what settled it, for anyone to check offline with public keys alone."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import Struct

from mesh_core.crypto import Verifier
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.record import check_record
from mesh_core.quorum.certificate import CertificateError, check_settlement, voters
from mesh_core.quorum.committee import quorum, total_weight, weight_of
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED


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
    fault_bound: int


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
    value = certificate.value
    signers = voters(job, certificate)
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
        signers,
        weight_of(job, signers),
        quorum(job),
        total_weight(job),
        job.fault_bound,
    )
