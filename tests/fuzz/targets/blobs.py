"""What comes as one piece by its hash, or from a file somebody was given: results, work, receipts, cuts, snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from axl import batch
from mesh_core.api.receipt import ReceiptError, make_receipt, verify_receipt
from mesh_core.checkpoint.snapshot import (
    Cut,
    SnapshotError,
    encoded,
    read_cut,
    read_snapshot,
)
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.crypto import SecrecyError
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import read_record
from mesh_core.secrecy.envelope import open_work
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Work
from mesh_core.work.errors import ResultError
from mesh_core.work.result import decode_answer, encode_answer
from tests.fuzz.honest import honest, samples
from tests.fuzz.mutate import by_bytes, by_structure, mostly
from tests.fuzz.target import Target, require_one_line


class _Open:
    """Believes every signature and has nothing to decrypt."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Always true."""
        return True

    def decrypt(self, secret: bytes, data: bytes) -> bytes:
        """What came in."""
        return data


_READERS: tuple[tuple[Callable[[bytes], Any], type[Exception], Callable[[Any], bytes] | None], ...] = (
    (decode_answer, ResultError, encode_answer),
    (lambda data: open_work(_Open(), b"", data), SecrecyError, msgspec.msgpack.encode),  # type: ignore[arg-type]
    (lambda data: verify_receipt(_Open(), data), ReceiptError, None),
    (read_cut, SnapshotError, encoded),
    (read_snapshot, SnapshotError, encoded),
    (lambda data: list(batch.decode(data)), batch.BatchError, batch.encode),
)


def run_blob(data: bytes) -> None:
    """Every reader refuses in its own words, or what it has read is written and read again alike."""
    for read, refusal, write in _READERS:
        try:
            value = read(data)
        except refusal as error:
            require_one_line(str(error))
            continue
        if write is not None:
            assert read(write(value)) == value


def blob_seeds() -> list[bytes]:
    """One honest example or more of each kind."""
    told = honest()
    ledger = Ledger(told.crypto("operator"), "local")
    entries = [read_record(signed) for signed in told.records]
    for entry in entries:
        ledger.add(entry)
    bases = {author: Base(held.head_seq, held.head_hash) for author, held in ledger.chains.authors.items()}
    cut = Cut.of(bases)
    snapshot = snapshot_at(ledger, None, cut)
    assert snapshot is not None
    settled = [entry for entry in entries if isinstance(entry.body, st.SettleCertificate)]
    receipts = [
        make_receipt("local", ledger.jobs[entry.body.job].entry.signed, entry.signed) for entry in settled
    ]
    work = Work("combine", "why?", "corpus", None, (("q1.1", b"an answer"),))
    return [
        encoded(cut),
        encoded(snapshot),
        msgspec.msgpack.encode(work),
        batch.encode([(bytes(32), b"one"), (bytes(32), b"")]),
        *samples(receipts, 3),
        *samples(told.results, 2),
        encode_answer(decode_answer(b"\x95\x01\xa1x\xa6search\x90\x91\xa4note")),
    ]


TARGETS = (
    Target(
        "blob",
        "results, work, receipts, cuts, snapshots, batches",
        run_blob,
        blob_seeds,
        mostly(by_structure, by_bytes(())),
    ),
)
