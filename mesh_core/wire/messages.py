"""Messages between members, one struct each.

Every message is a tagged array. What a member must be able to prove later travels as signed statements
(bytes) inside; everything else is trusted as far as the frame's signature goes: it came from the sender.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from mesh_core.wire.statements import JobId, PeerId, Signed


class Work(Struct, array_like=True, frozen=True):
    """The opened payload of a job: what a workload of `kind` is asked to do.

    `text` is the question; `corpus` the hash of the corpus it is about; `shard` the part of it; `inputs` are
    labelled results of earlier jobs (for `combine`).
    """

    kind: str
    text: str
    corpus: str
    shard: int | None
    inputs: tuple[tuple[str, bytes], ...] = ()


# ---------------------------------------------------------------------------------------- membership


class Ping(Struct, array_like=True, frozen=True, tag=1):
    """Direct probe. `updates` are signed Alive and Accusation statements riding along."""

    number: int
    updates: tuple[Update, ...]


class Ack(Struct, array_like=True, frozen=True, tag=2):
    """Answer to a probe, direct or relayed."""

    number: int
    updates: tuple[Update, ...]


class PingRequest(Struct, array_like=True, frozen=True, tag=3):
    """Please probe `target` for me (SWIM's indirect probe)."""

    number: int
    target: PeerId
    updates: tuple[Update, ...]


class Nack(Struct, array_like=True, frozen=True, tag=4):
    """I am alive but could not reach the target of your request (Lifeguard §3.1)."""

    number: int


class Gossip(Struct, array_like=True, frozen=True, tag=5):
    """Updates that cannot wait for the next probe."""

    updates: tuple[Update, ...]


class Exchange(Struct, array_like=True, frozen=True, tag=6):
    """All I know of the members. `reply` asks for the same in return."""

    updates: tuple[Update, ...]
    reply: bool


class Update(Struct, array_like=True, frozen=True):
    """A signed membership statement: `alive` or `accusation`."""

    kind: str
    signed: Signed


# -------------------------------------------------------------------------------------------- ledger


class Records(Struct, array_like=True, frozen=True, tag=10):
    """Signed records, pushed or asked for. `more`: the sender has further ones that the receiver lacks."""

    records: tuple[Signed, ...]
    more: bool = False


class Advertise(Struct, array_like=True, frozen=True, tag=11):
    """Hashes of records I have just got."""

    hashes: tuple[bytes, ...]


class FetchRecords(Struct, array_like=True, frozen=True, tag=12):
    """Please send these records, by hash."""

    hashes: tuple[bytes, ...]


class Digest(Struct, array_like=True, frozen=True, tag=13):
    """The state of a replica: hash of its version vector, and its state root.

    `known`: the sender has heard that the receiver holds the same, and needs no answer to that.
    """

    vector_hash: bytes
    state_root: bytes
    known: bool = False


class Head(Struct, array_like=True, frozen=True):
    """One author in a version vector: the contiguous chain up to (`seq`, `hash`), and records beyond it.

    `extras` are records after a gap or on the losing side of a fork.
    """

    author: PeerId
    seq: int
    hash: bytes
    extras: tuple[bytes, ...]


class Vector(Struct, array_like=True, frozen=True, tag=14):
    """A version vector, in answer to a digest that differs. The receiver sends what is missing here and
    fetches what it lacks itself."""

    heads: tuple[Head, ...]


class FetchRange(Struct, array_like=True, frozen=True, tag=15):
    """Please send the author's chain from `first` to `last`, both included."""

    author: PeerId
    first: int
    last: int


class FetchBlob(Struct, array_like=True, frozen=True, tag=16):
    """Please send a blob from `offset` on."""

    hash: bytes
    offset: int


class BlobChunk(Struct, array_like=True, frozen=True, tag=17):
    """A piece of a blob of `total` bytes."""

    hash: bytes
    offset: int
    total: int
    data: bytes


class Truncated(Struct, array_like=True, frozen=True, tag=18):
    """The records you lack are dropped here: `checkpoints` are signed `checkpoint` records that agree, and the blobs they
    name can be fetched from me. `handovers` are those, oldest first, that named other electors than had signed them."""

    checkpoints: tuple[Signed, ...]
    handovers: tuple[tuple[Signed, ...], ...] = ()


class Prevoted(Struct, array_like=True, frozen=True, tag=19):
    """I am bound by this: `checkpoints` are signed `checkpoint` records in which a quorum of electors prevotes for the same
    in one round. One of them may have shown its vote to me only."""

    checkpoints: tuple[Signed, ...]


# ------------------------------------------------------------------------------------ jobs and leases


class StoreJob(Struct, array_like=True, frozen=True, tag=20):
    """Keep this job and its payload; if you can do it, bid. The payload is empty when it travels in chunks."""

    record: Signed
    payload: bytes


class JobStored(Struct, array_like=True, frozen=True, tag=21):
    """Job and payload are on my disk; `bid` is empty when I cannot do it; `refused` tells why I will not."""

    job: JobId
    bid: Signed
    refused: str


class PromiseRequest(Struct, array_like=True, frozen=True, tag=22):
    """The sender asks for `epoch`. Carries the job and, when there is one, the award.

    `shown` is somebody's signed promise: with those of more than f weight a witness that is far behind jumps ahead.
    """

    job: JobId
    epoch: int
    records: tuple[Signed, ...]
    shown: Signed = b""


class Promised(Struct, array_like=True, frozen=True, tag=23):
    """A signed promise for the holder it names; to others it shows how far its author has been led."""

    promise: Signed


class Refused(Struct, array_like=True, frozen=True, tag=24):
    """No to a request at `epoch`: this witness has promised `promised` to `holder`."""

    job: JobId
    epoch: int
    promised: int
    holder: PeerId


class Renew(Struct, array_like=True, frozen=True, tag=25):
    """One message for all leases the sender holds: (job, epoch) each."""

    leases: tuple[tuple[JobId, int], ...]


class ShareRequest(Struct, array_like=True, frozen=True, tag=32):
    """The holder shows its lease (a signed `lease` record) and asks for the payload's key."""

    job: JobId
    epoch: int
    lease: Signed


class ShareRelease(Struct, array_like=True, frozen=True, tag=26):
    """My share of the payload's key for the lease holder of `epoch`, sealed to it.

    `whole` is true when it is the secret itself, from the submitter.
    """

    job: JobId
    epoch: int
    sealed: bytes
    whole: bool


class AcceptRequest(Struct, array_like=True, frozen=True, tag=27):
    """The holder's signed proposal, with its lease certificate and the sealed result.

    Where votes may lie (f ≥ 1) the promises always come along: what they show decides what may be proposed.
    """

    job: JobId
    epoch: int
    proposal: Signed
    promises: tuple[Signed, ...]
    result: bytes


class Voted(Struct, array_like=True, frozen=True, tag=28):
    """A signed accept vote."""

    vote: Signed


class LockRequest(Struct, array_like=True, frozen=True, tag=33):
    """An accept certificate, `votes` of a quorum (f ≥ 1 only): lock its value and vote to settle it."""

    job: JobId
    epoch: int
    votes: tuple[Signed, ...]


class Locked(Struct, array_like=True, frozen=True, tag=34):
    """A signed settle vote: its author has the lock on disk."""

    vote: Signed


class Released(Struct, array_like=True, frozen=True, tag=29):
    """A signed release of a lease."""

    release: Signed


class CancelRequest(Struct, array_like=True, frozen=True, tag=30):
    """A signed wish of the submitter."""

    cancel: Signed


class Streamed(Struct, array_like=True, frozen=True, tag=31):
    """To the submitter, while a job runs: tokens so far and the newest piece of text."""

    job: JobId
    epoch: int
    tokens: int
    text: str


# -------------------------------------------------------------------------------------- own past


class SelfQuery(Struct, array_like=True, frozen=True, tag=40):
    """After a start: what have you seen of me?"""

    number: int


class SelfAnswer(Struct, array_like=True, frozen=True, tag=41):
    """What this node has seen of the asker: its last record, its votes on open jobs, and what it last said of itself.

    All of them are the asker's own signed statements: a liar cannot make up a past.
    """

    number: int
    record: Signed
    votes: tuple[SignedVote, ...]
    alive: Signed


class SignedVote(Struct, array_like=True, frozen=True):
    """A promise, proposal or vote; `phase` is the one it is stored under."""

    phase: str
    signed: Signed


Message: TypeAlias = (
    Ping
    | Ack
    | PingRequest
    | Nack
    | Gossip
    | Exchange
    | Records
    | Advertise
    | FetchRecords
    | Digest
    | Vector
    | FetchRange
    | FetchBlob
    | BlobChunk
    | Truncated
    | Prevoted
    | StoreJob
    | JobStored
    | PromiseRequest
    | Promised
    | Refused
    | Renew
    | ShareRequest
    | ShareRelease
    | AcceptRequest
    | Voted
    | LockRequest
    | Locked
    | Released
    | CancelRequest
    | Streamed
    | SelfQuery
    | SelfAnswer
)
