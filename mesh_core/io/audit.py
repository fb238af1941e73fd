"""What the stores of a mesh prove, counted after the fact: `python -m mesh_core.io.audit --live F… --gone F…`.

Each F is the provider.toml of a participant, `--live` for those that still take part, `--gone` for the others. The
stores are opened read-only and every record is checked anew: nobody's memory is asked, and no node's view
counts more than another's. Prints one JSON object (`Audit`); exit code 2 and one line when a store cannot be read.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from axl.keys import KeyFileError, load
from mesh_core.api.reports import Audit, JobProof, Replica, Secrecy
from mesh_core.api.schema import Counters
from mesh_core.checkpoint.newest import snapshot_named
from mesh_core.checkpoint.snapshot import Snapshot, read_snapshot
from mesh_core.crypto import SecrecyError
from mesh_core.identity.statement import StatementError, digest
from mesh_core.io import settings as participant_settings
from mesh_core.io import store_file
from mesh_core.io.crypto import KeyCrypto
from mesh_core.io.settings import SettingsError
from mesh_core.io.store_file import StoreDamagedError, StoreError
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry, check_record
from mesh_core.quorum.committee import quorum, weight_of
from mesh_core.secrecy.envelope import my_share, open_work
from mesh_core.wire.messages import Work
from mesh_core.work.errors import ResultError
from mesh_core.work.result import decode_answer


class AuditError(Exception):
    """A store, key or settings file cannot be read; the message is one line."""


@dataclass(slots=True)
class _Disk:
    """What one participant left behind."""

    name: str
    live: bool
    network: str
    credited: frozenset[bytes]
    crypto: KeyCrypto
    store: sqlite3.Connection
    statements: dict[bytes, None]
    blobs: set[bytes]
    snapshot: Snapshot | None

    @property
    def peer(self) -> bytes:
        return self.crypto.peer

    def blob(self, name: bytes) -> bytes | None:
        """A payload or result whose bytes hash to its name, or None."""
        row = self.store.execute("SELECT data FROM blob WHERE hash = ?", (name,)).fetchone()
        return row[0] if row is not None and digest(row[0]) == name else None


def audit(live: Sequence[Path], gone: Sequence[Path]) -> Audit:
    """Read and judge the stores of the participants with these settings. Raises AuditError."""
    disks: list[_Disk] = []
    try:
        for paths, alive in ((live, True), (gone, False)):
            for path in paths:
                disks.append(_open(path, alive))
        return _judge(disks)
    except sqlite3.Error as error:
        raise AuditError(f"a store cannot be read: {error}") from error
    finally:
        for disk in disks:
            disk.store.close()


def _open(path: Path, live: bool) -> _Disk:
    try:
        settings = participant_settings.load(path)
        crypto = KeyCrypto(load(settings.path(settings.key)).seed)
        file = settings.path(settings.store)
        if not file.is_file():
            raise AuditError(f"store {file} does not exist")
        # No creation and no write; beside it only the write-ahead log's index is touched, as by any reader.
        store = store_file.look(file)
        try:
            store.execute("BEGIN")  # one moment of a store that may still be written to
            store_file.check_identity(store, file, crypto.peer)
            store_file.check_whole(store, file)
            statements = {statement.signed: None for statement in store_file.read_statements(store, file)}
            blobs = {row[0] for row in store.execute("SELECT hash FROM blob")}
            snapshot = _snapshot(store, file)
        except BaseException:
            store.close()
            raise
    except (SettingsError, KeyFileError, StoreError) as error:
        raise AuditError(str(error)) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise AuditError(f"the store of {path} cannot be read: {error}") from error
    credited = frozenset(bytes.fromhex(peer) for peer, limit_micro in settings.credit.items() if limit_micro)
    return _Disk(settings.name, live, settings.network, credited, crypto, store, statements, blobs, snapshot)


def _snapshot(store: sqlite3.Connection, file: Path) -> Snapshot | None:
    """What took the place of a store's oldest records. Raises StoreDamagedError."""
    name = snapshot_named(store_file.read_meta(store, file))
    if name is None:
        return None
    row = store.execute("SELECT data FROM blob WHERE hash = ?", (name,)).fetchone()
    if row is None or digest(row[0]) != name:
        raise StoreDamagedError(file, "the snapshot of its ledger is altered or missing")
    return read_snapshot(row[0])


# ------------------------------------------------------------------------------------------------- judging


class _Reader:
    """Checks with public keys alone; each signature, record and set of records once, however many disks hold it."""

    def __init__(self) -> None:
        self._crypto = KeyCrypto(os.urandom(32))
        self._verified: dict[tuple[bytes, bytes, bytes], bool] = {}
        self._entries: dict[bytes, Entry | None] = {}
        self._ledgers: dict[frozenset[bytes], Ledger] = {}

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Whether `signature` over `data` is `peer`'s."""
        name = (peer, digest(data), signature)
        if name not in self._verified:
            self._verified[name] = self._crypto.verify(peer, data, signature)
        return self._verified[name]

    def fold(self, disks: Sequence[_Disk]) -> Ledger:
        """The ledger of all valid records on `disks` together."""
        statements = {signed: None for disk in disks for signed in disk.statements}
        furthest = _furthest(disks)
        held = frozenset(statements if furthest is None else (*statements, furthest.settled))
        if held not in self._ledgers:
            ledger = self._ledgers[held] = Ledger(self, disks[0].network if disks else "")
            if furthest is not None:
                furthest.begin(ledger)
            for entry in (self._entry(signed, ledger.network) for signed in statements):
                if entry is not None:
                    ledger.add(entry)
        return self._ledgers[held]

    def _entry(self, signed: bytes, network: str) -> Entry | None:
        """The record, or None when it proves nothing."""
        if signed not in self._entries:
            try:
                self._entries[signed] = check_record(self, signed, network)
            except StatementError:
                self._entries[signed] = None
        return self._entries[signed]


def _judge(disks: Sequence[_Disk]) -> Audit:
    survivors = [disk for disk in disks if disk.live]
    reader = _Reader()
    everything = reader.fold(disks)
    proven = reader.fold(survivors)
    credited = frozenset[bytes]().union(*(disk.credited for disk in disks))
    # Somebody who is gone may have been a checkpoint further: what that covers only survivors tell of.
    jobs = [_prove(job, everything.jobs.get(job.id, job), disks, credited) for job in proven.jobs.values()]
    counted = [job for job in jobs if bytes.fromhex(job.submitter) in credited]
    return Audit(
        counters=Counters(
            jobs_submitted=len(counted) + proven.collapsed,
            jobs_settled=sum(job.state == "settled" for job in counted) + _settled_before(survivors),
            jobs_settled_twice=sum(
                job.contradiction(credited) == "settled twice" for job in everything.jobs.values()
            ),
            jobs_lost=sum(job.lost for job in counted),
            executions=sum(job.executions for job in counted),
            rescued=sum(job.rescued for job in counted),
        ),
        replicas=[_replica(reader, disk) for disk in disks],
        jobs=jobs,
        secrecy=_secrecy(list(everything.jobs.values()), disks),
        writers=dict(Counter(job.writer for job in jobs if job.writer)),
        balance_micro=sum(account.balance_micro for account in proven.accounts.values()),
        open=sum(job.open for job in counted),
    )


def _furthest(disks: Iterable[_Disk]) -> Snapshot | None:
    """The snapshot that covers most: what the records of all these disks go on from."""
    snapshots = [disk.snapshot for disk in disks if disk.snapshot is not None]
    return max(snapshots, key=lambda one: one.cut.records, default=None)


def _settled_before(disks: Iterable[_Disk]) -> int:
    """Settled jobs of which the accounts tell, since their records have been dropped."""
    snapshot = _furthest(disks)
    return sum(account.settled for account in snapshot.accounts) if snapshot is not None else 0


def _replica(reader: _Reader, disk: _Disk) -> Replica:
    ledger = reader.fold([disk])
    settled = sum(job.final for job in ledger.jobs.values()) + ledger.collapsed
    return Replica(
        disk.name, disk.peer.hex(), disk.live, len(disk.statements), settled, ledger.state_root().hex()
    )


def _prove(
    job: LedgerJob, anywhere: LedgerJob, disks: Sequence[_Disk], credited: frozenset[bytes]
) -> JobProof:
    """`job` is what survivors know; `anywhere` the same job with the records of those that are gone."""
    needed = quorum(job.job)
    holding = [
        disk.peer
        for disk in disks
        if job.job.payload_hash in disk.blobs and job.entry.signed in disk.statements
    ]
    live_weight = weight_of(job.job, (disk.peer for disk in disks if disk.live))
    accepted = weight_of(job.job, holding) >= needed
    settled = job.value is not None and job.value.outcome == "result"
    result = _result(job, disks)
    return JobProof(
        job=job.id.hex(),
        label=job.job.label,
        submitter=job.submitter.hex(),
        state=job.state,
        values=(anywhere.value is not None) + anywhere.frozen,
        contradiction=anywhere.contradiction(credited),
        accepted=accepted,
        live_weight=live_weight,
        quorum=needed,
        leases=len(job.leases),
        executions=job.executions,
        rescued=job.rescued,
        open=accepted and live_weight >= needed and not job.final,
        lost=settled and result is None,
        writer=_writer(result),
    )


def _result(job: LedgerJob, disks: Sequence[_Disk]) -> bytes | None:
    """The settled result, if a live disk has it and the submitter's key opens it."""
    if job.value is None or job.value.outcome != "result":
        return None
    submitter = next((disk.crypto for disk in disks if disk.peer == job.submitter), None)
    sealed = _first(disk.blob(job.value.result_hash) for disk in disks if disk.live)
    if submitter is None or sealed is None:
        return None
    try:
        return submitter.open(sealed)
    except SecrecyError:
        return None


def _writer(result: bytes | None) -> str:
    """The backend that wrote an answer with passages; empty when there was nothing to write from."""
    try:
        answer = decode_answer(result or b"")
    except ResultError:
        return ""
    return answer.backend if answer.passages else ""


def _first(found: Iterable[bytes | None]) -> bytes | None:
    return next((data for data in found if data is not None), None)


# ------------------------------------------------------------------------------------------------- secrecy


def _secrecy(jobs: Iterable[LedgerJob], disks: Sequence[_Disk]) -> Secrecy:
    payloads = exposed = to_quorum = 0
    crypto = KeyCrypto(os.urandom(32))  # nobody's: whoever has the shares needs no key
    for job in jobs:
        payload = _first(disk.blob(job.job.payload_hash) for disk in disks)
        if payload is None:
            continue
        payloads += 1
        shares = {disk.peer: my_share(disk.crypto, job.job, disk.peer) for disk in disks}
        held = {peer: share for peer, share in shares.items() if share is not None}
        together = _opened(crypto, list(held.values()), job, payload)
        to_quorum += together is not None
        alone = any(_opened(crypto, [share], job, payload) for share in held.values())
        exposed += (alone and job.job.threshold > 1) or (
            together is not None and together.text.encode() in payload
        )
    return Secrecy(payloads, exposed, to_quorum)


def _opened(crypto: KeyCrypto, shares: list[bytes], job: LedgerJob, payload: bytes) -> Work | None:
    """The work in `payload`, if these shares open it."""
    try:
        return open_work(crypto, crypto.combine(shares[: job.job.threshold]), payload)
    except (SecrecyError, ValueError):
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Print the audit of the participants named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m mesh_core.io.audit", description="what stores prove")
    parser.add_argument("--live", nargs="*", type=Path, default=[], metavar="FILE")
    parser.add_argument("--gone", nargs="*", type=Path, default=[], metavar="FILE")
    chosen = parser.parse_args(argv)
    try:
        found = audit(chosen.live, chosen.gone)
    except AuditError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
