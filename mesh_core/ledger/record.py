"""Records: making them, reading them, and the rules every replica applies to their bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from mesh_core.config import PROTOCOL_VERSION, limit
from mesh_core.crypto import Crypto, Verifier
from mesh_core.identity.statement import (
    StatementError,
    body_hash,
    check,
    encode,
    peek,
    require_shallow,
    sign,
)
from mesh_core.quorum.committee import weight_of, weights_problem
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED

FIRST_PREV = bytes(32)

BODIES: dict[str, type[Any]] = {
    "job": st.Job,
    "award": st.Award,
    "lease": st.LeaseCertificate,
    "settle": st.SettleCertificate,
    "equivocation": st.Equivocation,
    "checkpoint": st.Checkpoint,
}
"""Record kinds and their bodies. Records of unknown kinds are kept and passed on, and mean nothing here."""

_decoders = {kind: msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()}

_DECODED = Raw()

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Entry:
    """A record whose signature has been checked: its name, its bytes as received, its head, its decoded body.

    `body` is None for an unknown kind or a body that does not decode: such a record holds its place in the
    chain and nothing else.
    """

    hash: bytes
    signed: bytes
    head: st.Record
    body: Any

    @property
    def author(self) -> st.PeerId:
        """Who signed it."""
        return self.head.author

    @property
    def seq(self) -> int:
        """Its place in the author's chain, from 1."""
        return self.head.seq

    @property
    def about(self) -> st.JobId:
        """The job that it is, or is about; empty when it has to do with none."""
        job: st.JobId = self.hash if isinstance(self.body, st.Job) else getattr(self.body, "job", b"")
        return job


def new_record(
    network: str, author: st.PeerId, seq: int, prev: bytes, written_ms: int, kind: str, body: object
) -> st.Record:
    """A record to be signed."""
    return st.Record(PROTOCOL_VERSION, network, author, seq, prev, written_ms, kind, Raw(encode(body)))


def make_record(
    crypto: Crypto,
    network: str,
    author: st.PeerId,
    seq: int,
    prev: bytes,
    written_ms: int,
    kind: str,
    body: object,
) -> bytes:
    """A signed record, for whoever has a key of its own and is no node."""
    return sign(crypto, new_record(network, author, seq, prev, written_ms, kind, body))


def read_record(signed: bytes) -> Entry:
    """Read a record this node has checked or made before. Raises StatementError when it is malformed."""
    return _entry(signed, peek(signed, st.Record))


def check_record(crypto: Verifier, signed: bytes, network: str) -> Entry:
    """Read a record from outside. Raises StatementError with the reason when it must be dropped."""
    if len(signed) > limit("record_bytes_max"):
        raise StatementError("record is too large")
    record = check(crypto, signed, st.Record, network)
    if (
        record.version != PROTOCOL_VERSION
        or not 1 <= record.seq <= limit("sequence_max")
        or len(record.author) != 32
        or len(record.prev) != 32
    ):
        raise StatementError("record has an impossible head")
    entry = _entry(signed, record)
    require_shallow(memoryview(record.body), entry.body)
    return entry


def _entry(signed: bytes, record: st.Record) -> Entry:
    body: Any = None
    decoder = _decoders.get(record.kind)
    if decoder is not None:
        try:
            body = decoder.decode(record.body)
        except MALFORMED:
            body = None
    if isinstance(body, st.Job) and not job_is_sound(body, record.author):
        body = None
    if isinstance(body, st.Checkpoint) and not _vote_is_sound(body, len(signed)):
        body = None
    # The head's body would be the record's bytes once more, for as long as the record is held.
    return Entry(body_hash(signed), signed, msgspec.structs.replace(record, body=_DECODED), body)


def job_is_sound(job: st.Job, submitter: st.PeerId) -> bool:
    """The rules a job statement must keep to mean anything, on every replica alike."""
    peers = [seat.peer for seat in job.committee]
    weights = [seat.weight for seat in job.committee]
    own = weight_of(job, (submitter,))
    return (
        len(set(peers)) == len(peers) <= limit("committee_max")
        and all(len(peer) == 32 for peer in peers)
        and all(1 <= weight <= limit("seat_weight_max") for weight in weights)
        and not weights_problem(sum(weights) - own, own, job.fault_bound)
        and len(job.payload_hash) == 32
        and 0 < job.payload_bytes <= limit("blob_bytes_max")
        and 1 <= job.threshold <= max(1, len(job.shares))
        and 0 <= job.max_price_micro <= limit("price_micro_max")
        and 0 < job.auction_ms <= limit("auction_ms_max")
        and 0 < job.execution_ms <= limit("execution_ms_max")
        and 0 < job.total_ms <= limit("total_ms_max")
        and 1 <= job.retries <= limit("retries_max")
        and len(job.label) <= limit("text_chars_max")
        and len(job.query) == 16
    )


def _vote_is_sound(vote: st.Checkpoint, size: int) -> bool:
    """The rules an elector's vote must keep to mean anything: among them that two of them fit into a proof."""
    finding = vote.finding
    names = (finding.cut, finding.snapshot, finding.state_root, *finding.electors)
    return (
        size <= limit("checkpoint_bytes_max")
        and len(finding.electors) <= limit("committee_max")
        and all(len(name) == 32 for name in names)
        and 1 <= vote.height <= limit("sequence_max")
        and 0 <= vote.round <= limit("sequence_max")
    )
