"""The only way in and out of the core: inputs it is stepped with, effects it answers with.

Rule from etcd/raft: what must survive is on disk before anyone hears of it. Effects are executed in order;
an effect whose `after_disk` is true waits until every `Persist` before it is durable. Probes and their
answers do not wait, so that a slow disk does not look like a dead node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mesh_core.wire.messages import Message, Work

PeerId: TypeAlias = bytes
"""The 32 bytes of an ed25519 public key; 64 hex characters in text."""

JobId: TypeAlias = bytes
"""The 32-byte hash of the signed job record."""


# ---------------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """One frame as it came from AXL; nothing about it is trusted yet."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: fire what is due."""


@dataclass(frozen=True, slots=True)
class NeighboursChanged:
    """What `/topology` shows now: neighbours with a live link, and whether a client reads at their node.

    A hint, never a verdict: a neighbour that drops out is probed at once.
    """

    attached: dict[PeerId, bool]


@dataclass(frozen=True, slots=True)
class Executed:
    """A workload ended. Exactly one of `result` (plain bytes) and `error` (a short reason) is set."""

    job: JobId
    epoch: int
    result: bytes | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Progressed:
    """A running workload produced more text: `tokens` so far and the newest piece."""

    job: JobId
    epoch: int
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class SubmitQuery:
    """A user's question, to become one answer job per shard and one combine job."""

    text: str
    label: str
    corpus: str
    shards: tuple[int, ...]
    options: JobOptions


@dataclass(frozen=True, slots=True)
class CancelJob:
    """The submitter asks to end one of its jobs."""

    job: JobId
    reason: str


@dataclass(frozen=True, slots=True)
class Partition:
    """Drop everything to and from these peers and hide them from `/topology`; empty heals."""

    hidden: frozenset[PeerId]


@dataclass(frozen=True, slots=True)
class Leave:
    """Tell the others that this node goes on purpose."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a submitter may choose for a job. Votes of weight `fault_bound` may lie; the submitter's own vote counts for
    `submitter_weight`, each provider's for one. Among those that bid, `preferred` comes first, whatever the others ask; empty
    for nobody."""

    max_price_micro: int = 50_000
    auction_ms: int = 400
    execution_ms: int = 120_000
    total_ms: int = 900_000
    retries: int = 3
    fault_bound: int = 0
    submitter_weight: int = 1
    preferred: PeerId = b""


Input: TypeAlias = (
    FrameReceived | Tick | NeighboursChanged | Executed | Progressed | CancelJob | Partition | Leave
)


# --------------------------------------------------------------------------------------------- writes


@dataclass(frozen=True, slots=True)
class PutStatement:
    """A signed record, as received or made. Both sides of a fork fit: the key is (author, seq, hash)."""

    author: PeerId
    seq: int
    hash: bytes
    signed: bytes


@dataclass(frozen=True, slots=True)
class PutVote:
    """What this node has said in one phase of a ballot. The key (job, epoch, phase) *is* the rule.

    `phase` is one of `promise`, `propose`, `accept`, `lock`, `settle`, `release`, `cancel`; `signed` is the statement,
    for `lock` the packed `Accepted` with its accept certificate.
    """

    job: JobId
    epoch: int
    phase: str
    signed: bytes


@dataclass(frozen=True, slots=True)
class PutBlob:
    """A payload or result, named by its hash."""

    hash: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class PutMeta:
    """A small named value: boot counter, submitter's secrets, open queries. None deletes."""

    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class DropStatements:
    """Forget an author's records up to `seq`: a checkpoint covers them."""

    author: PeerId
    seq: int


@dataclass(frozen=True, slots=True)
class DropVotes:
    """Forget all votes on a job whose record is covered by a checkpoint: nobody can be asked for one any more."""

    job: JobId


@dataclass(frozen=True, slots=True)
class DropPromises:
    """Forget promises of a job below `epoch`, which is promised now: that promise says all that they did."""

    job: JobId
    epoch: int


@dataclass(frozen=True, slots=True)
class DropBlob:
    """Forget a blob."""

    hash: bytes


Write: TypeAlias = (
    PutStatement | PutVote | PutBlob | PutMeta | DropStatements | DropVotes | DropPromises | DropBlob
)


@dataclass(slots=True)
class Stored:
    """Everything a store holds, handed to the core once at start.

    `blobs` stays live: it reads from disk on demand and also shows blobs put later, as soon as they are put.
    """

    statements: list[PutStatement] = field(default_factory=list)
    votes: list[PutVote] = field(default_factory=list)
    blobs: Mapping[bytes, bytes] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)


# -------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class Send:
    """One message for one peer; the transport packs, signs and sends it."""

    to: PeerId
    message: Message
    after_disk: bool = True


@dataclass(frozen=True, slots=True)
class Persist:
    """Writes that belong together; fsynced before any later effect whose `after_disk` is true."""

    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a workload. The payload is open: the lease certificate has been shown and the key put together."""

    job: JobId
    epoch: int
    work: Work
    after_disk: bool = True


@dataclass(frozen=True, slots=True)
class StopExecution:
    """The lease is lost or the job ended elsewhere: the running workload must stop."""

    job: JobId
    epoch: int
    after_disk: bool = False


@dataclass(frozen=True, slots=True)
class Notify:
    """Something an operator may want to see. `kind` and `fields` are those of `mesh_core.api.schema`."""

    kind: str
    fields: dict[str, Any]
    after_disk: bool = True


Effect: TypeAlias = Send | Persist | Execute | StopExecution | Notify


class Outbox:
    """Collects the effects of one step. All its writes become one `Persist`, ahead of everything else: what a step
    decides is on disk whole or not at all."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._writes: list[Write] = []

    def send(self, to: PeerId, message: Message, *, after_disk: bool = True) -> None:
        """Queue a message for `to`."""
        self._effects.append(Send(to, message, after_disk))

    def write(self, *writes: Write) -> None:
        """Queue writes; every effect of this step with `after_disk` waits for them."""
        self._writes.extend(writes)

    def withdraw(self) -> None:
        """Take back the votes of this step and all that it would have sent: whoever signed them must not have."""
        self._writes = [write for write in self._writes if not isinstance(write, PutVote)]
        self._effects = [effect for effect in self._effects if not isinstance(effect, Send)]

    def emit(self, effect: Execute | StopExecution | Notify) -> None:
        """Queue any other effect."""
        self._effects.append(effect)

    def notify(self, kind: str, /, *, after_disk: bool = True, **fields: Any) -> None:
        """Queue an event."""
        self.emit(Notify(kind, fields, after_disk))

    def take(self) -> list[Effect]:
        """All effects since the last call."""
        effects: list[Effect] = (
            [Persist(tuple(self._writes)), *self._effects] if self._writes else self._effects
        )
        self._effects, self._writes = [], []
        return effects
