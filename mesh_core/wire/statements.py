"""Bodies of signed statements.

A signed statement is `body ‖ signature`: the msgpack body below and the author's 64-byte ed25519 signature
over `whisper:<kind>\\0 ‖ body`. The received bytes are kept and passed on as they are, never re-encoded.
Every body is an array; fields are only ever added at the end.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Raw, Struct

PeerId: TypeAlias = bytes
JobId: TypeAlias = bytes
Signed: TypeAlias = bytes


class Announcement(Struct, array_like=True, frozen=True):
    """What a member says of itself. `shards` are its home shards; `role` is `provider` or `operator`."""

    name: str
    role: str
    capabilities: tuple[str, ...]
    price_micro: int
    shards: tuple[int, ...]
    models: tuple[str, ...]
    ens_name: str


class Alive(Struct, array_like=True, frozen=True):
    """Signed by its subject. A higher incarnation replaces every statement about a lower one (SWIM §4.2)."""

    network: str
    author: PeerId
    incarnation: int
    announcement: Announcement
    left: bool = False


class Accusation(Struct, array_like=True, frozen=True):
    """Signed by the accuser: `subject` did not answer (`dead` False) or was confirmed dead by it (`dead` True)."""

    network: str
    author: PeerId
    subject: PeerId
    incarnation: int
    dead: bool


class Record(Struct, array_like=True, frozen=True):
    """One entry of its author's hash chain.

    `seq` counts from 1; `prev` is the hash of the record before (32 zero bytes for the first); `body` is decoded by `kind`.
    `written_ms` is whatever its author says, by its own clock, in milliseconds since 1970. It is shown, and decides one
    thing: after a start an elector goes by it where it proposes a cut, which the others judge by its contents.
    """

    version: int
    network: str
    author: PeerId
    seq: int
    prev: bytes
    written_ms: int
    kind: str
    body: Raw


class Share(Struct, array_like=True, frozen=True):
    """One share of a payload's key, sealed to `peer`; `commitment` is the hash of the opened share."""

    peer: PeerId
    sealed: bytes
    commitment: bytes


class Seat(Struct, array_like=True, frozen=True):
    """A committee member and the weight of its vote."""

    peer: PeerId
    weight: int


class Job(Struct, array_like=True, frozen=True):
    """Body of a `job` record; the author of the record is the submitter.

    `label` is what people call it (`q3.1`); `query` groups the jobs of one question; `index` counts from 1,
    0 for the combine job. Prices are micro-AXL, time-outs milliseconds.
    """

    label: str
    query: bytes
    index: int
    kind: str
    capability: str
    shard: int | None
    payload_hash: bytes
    payload_bytes: int
    threshold: int
    shares: tuple[Share, ...]
    max_price_micro: int
    auction_ms: int
    execution_ms: int
    total_ms: int
    retries: int
    fault_bound: int
    committee: tuple[Seat, ...]


class Bid(Struct, array_like=True, frozen=True):
    """A sealed offer. `load` is running executions per slot; `expected_ms` the bidder's own estimate."""

    network: str
    author: PeerId
    job: JobId
    price_micro: int
    load: float
    expected_ms: int
    model: str


class Award(Struct, array_like=True, frozen=True):
    """Body of an `award` record: the signed bids and the succession list, best first."""

    job: JobId
    bids: tuple[Signed, ...]
    ranking: tuple[PeerId, ...]


class Value(Struct, array_like=True, frozen=True):
    """What a job's ballot decides. `outcome` is `result`, `cancelled` or `failed`.

    For `result`, `result_hash` names the sealed result blob; `holder` executed and is paid `price_micro`.
    """

    outcome: str
    result_hash: bytes
    result_bytes: int
    reason: str
    holder: PeerId
    price_micro: int


class Accepted(Struct, array_like=True, frozen=True):
    """The value a witness accepted at `epoch` or, where votes may lie (f ≥ 1), locked there.

    `votes` is the accept certificate that locked it: accept votes of a quorum. It is empty for f = 0.
    """

    epoch: int
    value: Value
    votes: tuple[Signed, ...] = ()


class Promise(Struct, array_like=True, frozen=True):
    """A witness's promise of `epoch` to `holder`: prepare-ok of single-decree Paxos.

    It shows the value that the witness accepted (f ≥ 1: locked) at the highest epoch, and as `failures` the signed
    releases with an error that it has seen.
    """

    network: str
    author: PeerId
    job: JobId
    epoch: int
    holder: PeerId
    accepted: Accepted | None
    failures: tuple[Signed, ...]


class Proposal(Struct, array_like=True, frozen=True):
    """The holder's one proposal at `epoch`; on its disk before the first accept request leaves."""

    network: str
    author: PeerId
    job: JobId
    epoch: int
    value: Value


class AcceptVote(Struct, array_like=True, frozen=True):
    """A witness's vote for `value` at `epoch`; the value itself, so that a certificate stands alone."""

    network: str
    author: PeerId
    job: JobId
    epoch: int
    value: Value


class SettleVote(Struct, array_like=True, frozen=True):
    """A witness's vote to settle `value`, which it has locked at `epoch` (f ≥ 1 only)."""

    network: str
    author: PeerId
    job: JobId
    epoch: int
    value: Value


class Release(Struct, array_like=True, frozen=True):
    """The holder gives `epoch` back; `error` tells why an execution failed and is empty otherwise."""

    network: str
    author: PeerId
    job: JobId
    epoch: int
    error: str


class Cancel(Struct, array_like=True, frozen=True):
    """The submitter asks that its job end as cancelled."""

    network: str
    author: PeerId
    job: JobId
    reason: str


class LeaseCertificate(Struct, array_like=True, frozen=True):
    """Body of a `lease` record: promises of a quorum for one holder at one epoch."""

    job: JobId
    epoch: int
    holder: PeerId
    promises: tuple[Signed, ...]


class SettleCertificate(Struct, array_like=True, frozen=True):
    """Body of a `settle` record: votes of a quorum for one value at one epoch; accept votes for f = 0, else settle
    votes."""

    job: JobId
    epoch: int
    value: Value
    votes: tuple[Signed, ...]


class Equivocation(Struct, array_like=True, frozen=True):
    """Body of an `equivocation` record: two statements of one author for one slot."""

    kind: str
    first: Signed
    second: Signed


class Finding(Struct, array_like=True, frozen=True):
    """What the records below a cut come to. `cut` and `snapshot` are hashes of blobs; `electors`, in order of their keys,
    elect the next checkpoint."""

    cut: bytes
    snapshot: bytes
    state_root: bytes
    electors: tuple[PeerId, ...]


class Checkpoint(Struct, array_like=True, frozen=True):
    """Body of a `checkpoint` record, an elector's vote: its author has found this for itself, as the checkpoint number
    `height`, and prevotes for it in a round or, when a quorum has prevoted for it there, does
    `precommit` it."""

    height: int
    round: int
    precommit: bool
    finding: Finding
