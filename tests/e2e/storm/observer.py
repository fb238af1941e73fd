"""An outsider that counts: it reads the stores of a mesh that has ended, and believes nothing but signatures.

It shares no code with what it judges, save the library that checks a signature: records, votes and certificates are taken
apart here by docs/protocol.md alone, so that a mistake in the product's own fold is not made twice.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

SIGNATURE_BYTES = 64

Key: TypeAlias = bytes
JobId: TypeAlias = bytes
Value: TypeAlias = tuple[Any, ...]
"""outcome, hash and size of the result, reason, holder, price in micro-AXL."""


def digest(data: bytes) -> bytes:
    """BLAKE2b, 32 bytes."""
    return hashlib.blake2b(data, digest_size=32).digest()


class Signatures:
    """Takes signed statements apart; each signature is checked once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], list[Any] | None] = {}

    def read(self, kind: str, signed: bytes, author_at: int = 1) -> list[Any] | None:
        """The fields of a statement if the author named in it has signed it, else None."""
        if (kind, signed) not in self._known:
            body, signature = signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]
            fields: list[Any] = msgspec.msgpack.decode(body)
            try:
                VerifyKey(fields[author_at]).verify(b"whisper:" + kind.encode() + b"\0" + body, signature)
                self._known[kind, signed] = fields
            except (BadSignatureError, ValueError):
                self._known[kind, signed] = None
        return self._known[kind, signed]


@dataclass
class Job:
    """A job as its signed record has it."""

    id: JobId
    label: str
    submitter: Key
    fault_bound: int
    seats: dict[Key, int]
    price_max_micro: int

    @property
    def quorum(self) -> int:
        return (sum(self.seats.values()) + self.fault_bound) // 2 + 1


@dataclass
class Store:
    """What one participant left."""

    name: str
    key: Key
    statements: set[bytes]
    votes: dict[tuple[JobId, int, str], bytes]
    blobs: set[bytes]


@dataclass
class Count:
    """What the stores and receipts prove. Every list names what must not be; empty lists are a good mesh."""

    jobs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rescued: int = 0
    """Settled under a later lease than the first."""
    certificates: int = 0
    lost: list[str] = field(default_factory=list)
    """Promised or recorded, and not decided; or settled, and the result is gone."""
    settled_twice: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    """Cancelled though nobody asked for it, or failed though nothing was wrong with it."""
    unsigned: list[str] = field(default_factory=list)
    """Statements and certificates that do not hold what they claim."""
    contradictions: list[str] = field(default_factory=list)
    """Two statements of one author for one slot, or two holders of one epoch."""
    forgotten: list[str] = field(default_factory=list)
    """Said by somebody whose own disk does not hold it."""
    differing: list[str] = field(default_factory=list)
    """Replicas that hold other records than the first."""
    balances: dict[str, dict[Key, int]] = field(default_factory=dict)
    """By participant, from its own replica alone."""

    @property
    def wrong(self) -> dict[str, list[str]]:
        """Whatever must not be."""
        kinds = ("lost", "settled_twice", "unwanted", "unsigned", "contradictions", "forgotten", "differing")
        found = {kind: getattr(self, kind) for kind in kinds}
        found["unbalanced"] = [name for name, held in self.balances.items() if sum(held.values()) != 0]
        if len({tuple(sorted(held.items())) for held in self.balances.values()}) > 1:
            found["unbalanced"].append("replicas disagree about balances")
        return {kind: named for kind, named in found.items() if named}


def open_store(path: Path) -> Store:
    """Read a store that nobody uses any more; nothing is written."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (key,) = connection.execute("SELECT peer FROM owner").fetchone()
        votes = connection.execute("SELECT job, epoch, phase, bytes FROM vote WHERE phase != 'lock'")
        blobs = connection.execute("SELECT hash, data FROM blob")
        return Store(
            path.parent.name,
            key,
            {row[0] for row in connection.execute("SELECT bytes FROM statement")},
            {(job, epoch, phase): signed for job, epoch, phase, signed in votes},
            {name for name, data in blobs if digest(data) == name},
        )
    finally:
        connection.close()


class Observer:
    """Judges stores, receipts collected meanwhile, and what was promised."""

    def __init__(self, stores: Iterable[Store]) -> None:
        self.stores = list(stores)
        self._signatures = Signatures()
        self._count = Count()
        self._jobs: dict[JobId, Job] = {}
        self._settles: dict[JobId, dict[Value, set[int]]] = defaultdict(dict)
        self._slots: dict[tuple[Any, ...], bytes] = {}
        self._holders: dict[tuple[JobId, int], Key] = {}

    def judge(
        self, promised: Iterable[str], receipts: Mapping[str, bytes], cancelled: Container[str] = ()
    ) -> Count:
        """Count. `promised` are the ids of jobs that were accepted, `cancelled` of those that somebody wanted to end."""
        count = self._count
        everything = {signed: None for store in self.stores for signed in store.statements}
        records = {signed: self._record(signed) for signed in everything}
        for signed, record in records.items():
            if record is not None and record[6] == "job":
                self._take_job(signed, record)
        for record in records.values():
            if record is not None and record[6] == "settle":
                self._take_settle(record)
                count.certificates += 1
            elif record is not None and record[6] == "lease":
                self._take_lease(record[7])
            elif record is not None and record[6] == "equivocation":
                count.contradictions.append(f"{record[2].hex()[:8]} has proof of an equivocation")
        for job, receipt in receipts.items():
            self._take_receipt(job, receipt, everything)
        self._judge_chains(record for record in records.values() if record is not None)
        self._judge_jobs(promised, cancelled)
        self._judge_stores()
        return count

    # ------------------------------------------------------------------------------------------- reading

    def _record(self, signed: bytes) -> list[Any] | None:
        record = self._signatures.read("record", signed, author_at=2)
        if record is None:
            self._count.unsigned.append(f"record {digest(signed).hex()[:8]}")
        else:
            self._sees(("record", record[2], record[3]), signed)
        return record

    def _sees(self, slot: tuple[Any, ...], signed: bytes) -> None:
        """One author says one thing in one slot."""
        if self._slots.setdefault(slot, signed) != signed:
            kind, author, *rest = slot
            self._count.contradictions.append(f"{author.hex()[:8]} signed two {kind}s for {rest}")

    def _take_job(self, signed: bytes, record: list[Any]) -> None:
        body = record[7]
        seats: dict[Key, int] = dict(body[16])
        job = Job(digest(signed[:-SIGNATURE_BYTES]), body[0], record[2], body[15], seats, body[10])
        self._jobs[job.id] = job

    def _take_lease(self, body: list[Any]) -> None:
        job, epoch, holder, promises = body
        if self._holders.setdefault((job, epoch), holder) != holder:
            self._count.contradictions.append(f"{job.hex()[:8]} epoch {epoch} has two holders")
        votes = [self._vote("promise", signed) for signed in promises]
        said = {vote[1] for vote in votes if vote and vote[2:5] == [job, epoch, holder]}
        self._require_quorum("lease", job, epoch, said, len(promises))

    def _take_settle(self, record: list[Any]) -> None:
        job, epoch, value, votes = record[7]
        known = self._jobs.get(job)
        kind = "settle" if known is not None and known.fault_bound else "accept"
        cast = [self._vote(kind, signed) for signed in votes]
        said = {vote[1] for vote in cast if vote and vote[2:5] == [job, epoch, value]}
        if self._require_quorum("settlement", job, epoch, said, len(votes)):
            self._settles[job].setdefault(tuple(value), set()).add(epoch)

    def _vote(self, kind: str, signed: bytes) -> list[Any] | None:
        """A vote in a certificate, and whether whoever cast it still knows."""
        vote = self._signatures.read(kind, signed)
        if vote is None:
            self._count.unsigned.append(f"{kind} {digest(signed).hex()[:8]}")
            return None
        self._sees((kind, vote[1], vote[2], vote[3]), signed)
        own = next((store for store in self.stores if store.key == vote[1]), None)
        # Of a job's promises only the last is kept.
        if own is not None and kind != "promise" and own.votes.get((vote[2], vote[3], kind)) != signed:
            self._count.forgotten.append(f"{own.name} {kind} of {vote[2].hex()[:8]} epoch {vote[3]}")
        return vote

    def _require_quorum(self, what: str, job_id: JobId, epoch: int, said: set[Key], shown: int) -> bool:
        """Whether those who said so are a quorum of the job's committee, each once."""
        job = self._jobs.get(job_id)
        if job is not None and len(said) == shown:
            weight = sum(job.seats.get(key, 0) for key in said)
            if said <= job.seats.keys() and weight >= job.quorum:
                return True
        self._count.unsigned.append(f"{what} of {job_id.hex()[:8]} epoch {epoch}")
        return False

    def _take_receipt(self, job: str, receipt: bytes, everything: Container[bytes]) -> None:
        """What somebody showed must be a settlement of that job, and on a disk. It counts beside all others."""
        _, offered, settled = msgspec.msgpack.decode(receipt)
        if digest(offered[:-SIGNATURE_BYTES]).hex() != job:
            self._count.unsigned.append(f"receipt of {job[:8]} is for another job")
            return
        if settled not in everything:
            self._count.forgotten.append(f"the settlement in the receipt of {job[:8]} is in no store")
        record = self._record(settled)
        if record is not None:
            self._take_settle(record)

    # ------------------------------------------------------------------------------------------- judging

    def _judge_chains(self, records: Iterable[list[Any]]) -> None:
        """Every author's records are numbered from 1 without a gap, and each names the one before."""
        chains: dict[Key, list[list[Any]]] = defaultdict(list)
        for record in records:
            chains[record[2]].append(record)
        names = {slot: digest(signed[:-SIGNATURE_BYTES]) for slot, signed in self._slots.items()}
        for author, chain in chains.items():
            chain.sort(key=lambda record: record[3])
            for number, record in enumerate(chain, start=1):
                before = names.get(("record", author, number - 1), bytes(32))
                if record[3] != number or record[4] != before:
                    self._count.forgotten.append(f"{author.hex()[:8]} has no whole chain at {number}")
                    break

    def _judge_jobs(self, promised: Iterable[str], cancelled: Container[str]) -> None:
        count = self._count
        count.jobs = len(self._jobs)
        for name in promised:
            if bytes.fromhex(name) not in self._jobs:
                count.lost.append(f"{name[:8]} was accepted and is in no store")
        kept = {store.key: store.blobs for store in self.stores}
        for job_id, job in self._jobs.items():
            values = self._settles.get(job_id, {})
            if not values:
                count.lost.append(f"{job.label} {job_id.hex()[:8]} is not decided")
                continue
            if len(values) > 1:
                count.settled_twice.append(f"{job.label} {job_id.hex()[:8]}")
                continue
            ((value, epochs),) = values.items()
            count.outcomes[value[0]] += 1
            count.rescued += value[0] == "result" and min(epochs) > 1
            if value[0] == "failed" or (value[0] == "cancelled" and job_id.hex() not in cancelled):
                count.unwanted.append(f"{job.label} {job_id.hex()[:8]} {value[0]}: {value[3]}")
            if value[0] == "result" and value[1] not in kept.get(job.submitter, set()):
                count.lost.append(f"{job.label} {job_id.hex()[:8]}: its submitter has no result")

    def _judge_stores(self) -> None:
        first = self.stores[0]
        for store in self.stores:
            if store.statements != first.statements:
                lacks = len(first.statements - store.statements)
                more = len(store.statements - first.statements)
                self._count.differing.append(
                    f"{store.name} lacks {lacks} records of {first.name}, has {more} more"
                )
            self._count.balances[store.name] = self._balances(store)
            for (job, epoch, phase), signed in store.votes.items():
                vote = self._signatures.read({"propose": "proposal"}.get(phase, phase), signed)
                if vote is None or vote[1] != store.key:
                    self._count.unsigned.append(f"{phase} in the store of {store.name}")
                else:
                    self._sees((phase, vote[1], job, epoch), signed)

    def _balances(self, store: Store) -> dict[Key, int]:
        """Who has what, by the settlements one replica holds: the submitter pays the holder, each job once."""
        held: Counter[Key] = Counter()
        paid: set[JobId] = set()
        for signed in store.statements:
            record = self._signatures.read("record", signed, author_at=2)
            if record is None or record[6] != "settle" or record[7][0] in paid:
                continue
            job_id, _, value, _ = record[7]
            paid.add(job_id)
            if value[0] != "result":
                continue
            if job_id in self._jobs:
                held[self._jobs[job_id].submitter] -= value[5]
            held[value[4]] += value[5]
        return {key: micro for key, micro in held.items() if micro}
