"""Records and the statements in them: read alike by all, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mesh_core.checkpoint.snapshot import Cut, encoded, read_snapshot
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry, check_record, read_record
from tests.fuzz.honest import honest
from tests.fuzz.mutate import by_bytes, by_structure, mostly
from tests.fuzz.target import Target, require_one_line

RECORDS_MAX = 64
NETWORK = "local"


class _Believing:
    """Takes every signature."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Always true."""
        return True


def run_record(data: bytes) -> None:
    """Some records: folded in order, backwards, and twice; then what comes of them is collapsed."""
    try:
        signed_records = msgspec.msgpack.decode(data, type=list[bytes])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    entries: list[Entry] = []
    for signed in signed_records[:RECORDS_MAX]:
        try:
            entry = check_record(_Believing(), signed, NETWORK)
        except StatementError as error:
            require_one_line(str(error))
            continue
        assert read_record(signed) == entry
        entries.append(entry)
    ledger = _folded(entries)
    for other in (_folded(reversed(entries)), _folded([*entries, *entries[::2]])):
        assert _state(other) == _state(ledger)
    _check_money(ledger)
    _check_collapse(ledger)


def _folded(entries: Iterable[Entry]) -> Ledger:
    ledger = Ledger(_Believing(), NETWORK)
    for entry in entries:
        ledger.has_room(entry)
        ledger.add(entry)
        ledger.state_root()  # at any moment
    return ledger


def _state(ledger: Ledger) -> tuple[object, ...]:
    jobs = {
        job.id: (job.state, job.epoch, job.holder, job.frozen, job.settle and job.settle.hash)
        for job in ledger.jobs.values()
    }
    balances = {peer: account for peer, account in ledger.accounts.items() if account.balance_micro}
    chains = ledger.chains
    return (
        ledger.state_root(),
        chains.vector_hash(),
        jobs,
        balances,
        set(ledger.equivocators),
        chains.missing(),
    )


def _check_money(ledger: Ledger) -> None:
    assert sum(account.balance_micro for account in ledger.accounts.values()) == 0
    for account in ledger.accounts.values():
        assert account.spent_micro >= 0 and all(micro >= 0 for micro in account.earned_micro.values())
    for job in ledger.jobs.values():
        if job.value is not None:
            assert 0 <= job.value.price_micro <= job.job.max_price_micro


def _check_collapse(ledger: Ledger) -> None:
    """Whatever the records come to fits into a snapshot, and a ledger that begins with it comes to the same."""
    bases = {author: Base(held.head_seq, held.head_hash) for author, held in ledger.chains.authors.items()}
    trusted = {job.submitter for job in ledger.jobs.values()}
    trusted |= {payer for account in ledger.accounts.values() for payer in account.earned_micro}
    snapshot = snapshot_at(ledger, None, Cut.of(bases, trusted))
    assert snapshot is not None
    assert read_snapshot(encoded(snapshot)) == snapshot
    if not any(held.extras for held in ledger.chains.authors.values()):
        fresh = Ledger(_Believing(), NETWORK)
        snapshot.begin(fresh)
        assert fresh.state_root() == ledger.state_root()


def record_seeds() -> list[bytes]:
    """All honest records, and what concerns one job each."""
    records = honest().records
    seeds = [records]
    entries = [read_record(signed) for signed in records]
    for job in [entry for entry in entries if entry.head.kind == "job"]:
        about = [entry.signed for entry in entries if getattr(entry.body, "job", None) == job.hash]
        seeds.append([job.signed, *about])
    return [msgspec.msgpack.encode(seed) for seed in seeds]


TARGETS = (
    Target(
        "record",
        "records whose signatures are good, in any order",
        run_record,
        record_seeds,
        mostly(by_structure, by_bytes(())),
    ),
)
