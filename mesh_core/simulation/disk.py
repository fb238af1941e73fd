"""A disk that loses exactly what was not fsynced, refuses to write while it is full, and may be set back.

It keeps the contract of the real store: batches become durable in order and whole (SQLite's transactions),
several may share one fsync (group commit), and a vote's key is written once.
"""

from __future__ import annotations

from collections import ChainMap, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from mesh_core.effects import (
    DropBlob,
    DropPromises,
    DropStatements,
    DropVotes,
    PutBlob,
    PutMeta,
    PutStatement,
    PutVote,
    Stored,
    Write,
)

VoteKey: TypeAlias = tuple[bytes, int, str]
StatementKey: TypeAlias = tuple[bytes, int, bytes]

BOOT = "boot"
"""Under this name a host keeps the number of its latest start."""


_ROW_BYTES = 40
"""What a row takes besides what it holds."""


class VoteOverwritten(Exception):
    """A second, different vote was written under one (job, epoch, phase): the store refuses it."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was durable at one moment."""

    statements: dict[StatementKey, PutStatement]
    votes: dict[VoteKey, PutVote]
    blobs: dict[bytes, bytes]
    meta: dict[str, bytes]
    covered: dict[bytes, int]


@dataclass(frozen=True, slots=True)
class Damage:
    """What a crash did to the batches of the fsync under way: how many were lost, and whether the first was torn."""

    lost: int
    torn: bool


class Disk:
    """The store of one host, which survives the host's crashes.

    A batch has a position, counted from 1; `acknowledged` is the position up to which the host may act on its
    writes. Time is the host's business: it calls `begin_sync` and, after the fsync took its time, `end_sync`.
    `on_durable` hears of what has become durable. While the disk is `full`, the host must not end a sync.
    """

    def __init__(self) -> None:
        self.on_durable: Callable[[Sequence[Write]], None] = lambda _writes: None
        self.statements: dict[StatementKey, PutStatement] = {}
        self.votes: dict[VoteKey, PutVote] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.meta: dict[str, bytes] = {}
        self.covered: dict[bytes, int] = {}
        """Up to which seq each author's records were dropped for a snapshot."""
        self.full = False
        self._written = 0
        self._synced = 0
        self._syncing = 0
        self._pending: deque[Sequence[Write]] = deque()
        self._unsynced_votes: dict[VoteKey, bytes] = {}
        self._unsynced_blobs: dict[bytes, bytes] = {}

    @property
    def written(self) -> int:
        """Position of the newest batch."""
        return self._written

    @property
    def acknowledged(self) -> int:
        """Position of the newest batch of which the host has been told that it is durable."""
        return self._synced

    @property
    def idle(self) -> bool:
        """Whether no fsync is under way."""
        return self._syncing == 0

    @property
    def behind(self) -> bool:
        """Whether there are batches that no fsync covers yet."""
        return len(self._pending) > self._syncing

    @property
    def boot(self) -> int:
        """Number of the latest start of the host, 0 before the first."""
        return int(self.meta.get(BOOT, b"0"))

    def append(self, writes: Sequence[Write]) -> int:
        """Queue a batch and return its position. Raises VoteOverwritten."""
        for write in writes:
            if isinstance(write, PutVote):
                self._claim_vote(write)
            elif isinstance(write, PutBlob):
                self._unsynced_blobs[write.hash] = write.data
            elif isinstance(write, DropBlob):
                self._unsynced_blobs.pop(write.hash, None)
        self._pending.append(writes)
        self._written += 1
        return self._written

    def begin_sync(self) -> None:
        """One fsync for all batches that are waiting."""
        self._syncing = len(self._pending)

    def end_sync(self) -> None:
        """The fsync is through: the batches it covers are durable."""
        durable: list[Write] = []
        for _ in range(self._syncing):
            batch = self._pending.popleft()
            self._apply(batch)
            durable.extend(batch)
        self._synced += self._syncing
        self._syncing = 0
        if durable:
            self.on_durable(durable)

    def crash(self, kept: float = 0.0) -> Damage:
        """Lose what is not durable; of the bytes that the fsync under way covers, the first `kept` (0 to 1) stay.

        An fsync that a crash interrupts may have reached the disk without the host hearing of it. The batch that
        the end of the kept bytes goes through is torn: its checksum fails, so that it and all behind it are gone.
        """
        syncing = [self._pending[index] for index in range(self._syncing)]
        ends = list(accumulate(map(_size, syncing)))
        cut = kept * ends[-1] if ends else 0.0
        self._syncing = sum(end <= cut for end in ends)
        torn = self._syncing < len(ends) and cut > (ends[self._syncing - 1] if self._syncing else 0)
        damage = Damage(len(syncing) - self._syncing, torn)
        self.end_sync()
        self._pending.clear()
        self._written = self._synced
        self._unsynced_votes.clear()
        self._unsynced_blobs.clear()
        return damage

    def backup(self) -> Backup:
        """A copy of what is durable now."""
        return Backup(
            dict(self.statements), dict(self.votes), dict(self.blobs), dict(self.meta), dict(self.covered)
        )

    def restore(self, backup: Backup) -> None:
        """Go back to an old copy; what became durable since is gone. Only while the host is down."""
        self.statements, self.votes = dict(backup.statements), dict(backup.votes)
        self.blobs, self.meta, self.covered = dict(backup.blobs), dict(backup.meta), dict(backup.covered)

    def load(self) -> Stored:
        """What a restarted host finds; `blobs` also shows those put later, as soon as they are put."""
        return Stored(
            statements=list(self.statements.values()),
            votes=list(self.votes.values()),
            blobs=ChainMap(self.blobs, self._unsynced_blobs),
            meta=dict(self.meta),
        )

    def _claim_vote(self, vote: PutVote) -> None:
        key = (vote.job, vote.epoch, vote.phase)
        durable = self.votes.get(key)
        before = durable.signed if durable else self._unsynced_votes.get(key)
        if before is not None and before != vote.signed:
            raise VoteOverwritten(f"a second {vote.phase} at epoch {vote.epoch} of job {vote.job.hex()[:8]}")
        self._unsynced_votes[key] = vote.signed

    def _apply(self, batch: Sequence[Write]) -> None:
        for write in batch:
            if isinstance(write, PutVote):
                key = (write.job, write.epoch, write.phase)
                self.votes[key] = write
                self._unsynced_votes.pop(key, None)
            elif isinstance(write, PutStatement):
                self.statements[(write.author, write.seq, write.hash)] = write
            elif isinstance(write, PutBlob):
                self.blobs[write.hash] = write.data
                self._unsynced_blobs.pop(write.hash, None)
            elif isinstance(write, PutMeta):
                self._apply_meta(write)
            else:
                self._drop(write)

    def _drop(self, write: DropStatements | DropVotes | DropPromises | DropBlob) -> None:
        match write:
            case DropStatements(author, seq):
                self.covered[author] = seq
                covered = [key for key in self.statements if key[0] == author and key[1] <= seq]
                for key in covered:
                    del self.statements[key]
            case DropVotes(job):
                for vote in [key for key in self.votes if key[0] == job]:
                    del self.votes[vote]
            case DropPromises(job, epoch):
                for vote in [key for key in self.votes if key[0] == job and key[1] < epoch]:
                    if vote[2] == "promise":
                        del self.votes[vote]
            case DropBlob(name):
                self.blobs.pop(name, None)

    def _apply_meta(self, write: PutMeta) -> None:
        if write.value is None:
            self.meta.pop(write.key, None)
        else:
            self.meta[write.key] = write.value


def _size(batch: Sequence[Write]) -> int:
    """About how many bytes a batch takes on the disk."""
    return sum(_ROW_BYTES + len(_payload(write)) for write in batch)


def _payload(write: Write) -> bytes:
    match write:
        case PutStatement(signed=data) | PutVote(signed=data) | PutBlob(data=data):
            return data
        case PutMeta(value=value):
            return value or b""
        case _:
            return b""
