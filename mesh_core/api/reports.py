"""What programs of the mesh print as one JSON object for those who start them."""

from __future__ import annotations

from msgspec import Struct

from mesh_core.api.schema import Counters


class JobProof(Struct, frozen=True):
    """One job as far as the live stores prove it. `state` is that of docs/protocol.md.

    `accepted`: on the disks of a quorum. `values`: different values with a valid certificate in any store, also
    of those that are gone; `contradiction` says what it means when there are two. `open`: accepted and a quorum
    lives, yet not final. `lost`: settled, and the submitter cannot open what is left of the result. `writer` is the backend that wrote a result that cites passages.
    """

    job: str
    label: str
    submitter: str
    state: str
    values: int
    contradiction: str
    accepted: bool
    live_weight: int
    quorum: int
    leases: int
    executions: int
    rescued: bool
    open: bool
    lost: bool
    writer: str


class Replica(Struct, frozen=True):
    """One participant's store. `settled` counts final jobs by its records alone; `root` is its state root."""

    name: str
    peer: str
    live: bool
    records: int
    settled: int
    root: str


class Secrecy(Struct, frozen=True):
    """Payloads whose bytes were found. `exposed`: their question stands in them in clear, or one participant other
    than the submitter opens them with what its key and disk hold; `to_quorum`: the committee's shares open them."""

    payloads: int
    exposed: int
    to_quorum: int


class Audit(Struct, frozen=True):
    """Everything. `counters` leave out jobs of submitters that no participant gives credit: whoever wants to may sign
    any number of those, with a committee of invented keys, and nobody runs them. `open` counts jobs that were still to be
    done, of the same submitters. `writers` counts results that cite passages by the backend that wrote them;
    `balance_micro` is the sum of all accounts, zero when money is neither made nor lost."""

    counters: Counters
    replicas: list[Replica]
    jobs: list[JobProof]
    secrecy: Secrecy
    writers: dict[str, int]
    balance_micro: int
    open: int
