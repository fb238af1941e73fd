"""Keys, jobs and signed statements for tests of the pure core."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh_core.crypto import Crypto
from mesh_core.identity.statement import digest, sign
from mesh_core.ledger.fold import Hooks, Ledger
from mesh_core.ledger.record import FIRST_PREV, Entry, make_record, read_record
from mesh_core.simulation.crypto import SealedCrypto, Vault
from mesh_core.wire import statements as st

NETWORK = "local"


def take(ledger: Ledger, entry: Entry) -> bool:
    """Keep what comes from outside, if there is room for it."""
    return ledger.has_room(entry) and ledger.add(entry)


@dataclass
class Person:
    """Somebody with a key and a chain of records."""

    name: str
    crypto: Crypto
    peer: bytes
    seq: int = 0
    head: bytes = FIRST_PREV

    def record(self, kind: str, body: object, *, seq: int | None = None, prev: bytes | None = None) -> Entry:
        """The next record of this person's chain, or one at a place of its own choosing."""
        place = self.seq + 1 if seq is None else seq
        signed = make_record(
            self.crypto, NETWORK, self.peer, place, self.head if prev is None else prev, 0, kind, body
        )
        entry = read_record(signed)
        if seq is None:
            self.seq, self.head = place, entry.hash
        return entry

    def sign(self, statement: object) -> bytes:
        """A signed statement."""
        return sign(self.crypto, statement)


@dataclass
class People:
    """A submitter and six providers."""

    vault: Vault = field(default_factory=lambda: Vault("people"))

    def __post_init__(self) -> None:
        self.submitter = self.person("submitter")
        self.providers = [self.person(f"node{number}") for number in range(1, 7)]

    def person(self, name: str) -> Person:
        """Somebody new."""
        peer = self.vault.key(name)
        return Person(name, SealedCrypto(self.vault, peer), peer)

    def person_of(self, peer: bytes) -> Person:
        """The provider with that key."""
        return next(one for one in self.providers if one.peer == peer)

    def ledger(self, hooks: Hooks | None = None) -> Ledger:
        """An empty replica."""
        return Ledger(self.submitter.crypto, NETWORK, hooks or Hooks())

    def job(self, **changes: object) -> st.Job:
        """A sound job of the submitter over all six providers: W 7, q 4."""
        seats = [st.Seat(person.peer, 1) for person in self.providers] + [st.Seat(self.submitter.peer, 1)]
        fields: dict[str, object] = {
            "label": "q1.1",
            "query": bytes(16),
            "index": 1,
            "kind": "answer",
            "capability": "answer",
            "shard": 1,
            "payload_hash": digest(b"payload"),
            "payload_bytes": 7,
            "threshold": 4,
            "shares": tuple(st.Share(person.peer, b"sealed", bytes(32)) for person in self.providers),
            "max_price_micro": 50_000,
            "auction_ms": 400,
            "execution_ms": 120_000,
            "total_ms": 900_000,
            "retries": 3,
            "fault_bound": 0,
            "committee": tuple(seats),
        }
        return st.Job(**(fields | changes))  # type: ignore[arg-type]

    def value(self, holder: Person, result: bytes = b"result", price_micro: int = 10_000) -> st.Value:
        """A result of `holder`."""
        return st.Value("result", digest(result), len(result), "", holder.peer, price_micro)

    def lease(
        self, job: bytes, holder: Person, witnesses: list[Person], epoch: int = 1
    ) -> st.LeaseCertificate:
        """A lease certificate with promises of `witnesses`."""
        promises = tuple(
            one.sign(st.Promise(NETWORK, one.peer, job, epoch, holder.peer, None, ())) for one in witnesses
        )
        return st.LeaseCertificate(job, epoch, holder.peer, promises)

    def settlement(
        self, job: bytes, value: st.Value, voters: list[Person], epoch: int = 1
    ) -> st.SettleCertificate:
        """A settle certificate with votes of `voters`."""
        votes = tuple(one.sign(st.AcceptVote(NETWORK, one.peer, job, epoch, value)) for one in voters)
        return st.SettleCertificate(job, epoch, value, votes)
