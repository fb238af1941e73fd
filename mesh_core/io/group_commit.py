"""The one thread that writes: everything queued while the last commit ran is the next commit.

Group commit (DeWitt et al. 1984, §4): one fsync serves all who wait, so a slow disk costs latency, not
throughput. A write that the disk refuses for now (full, I/O error) is kept and tried again for as long as
the process lives; one that can never succeed ends the writer, so that nothing later is acknowledged.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from mesh_core.effects import (
    DropBlob,
    DropPromises,
    DropStatements,
    DropVotes,
    PutBlob,
    PutMeta,
    PutStatement,
    PutVote,
    Write,
)
from mesh_core.io.mark import Mark
from mesh_core.io.store_file import COMMITS_KEY, StoreDamagedError, StoreError, check_sum

RETRY_MIN_S = 0.05
RETRY_MAX_S = 2.0

_PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
"""Primary result codes of conditions that someone can end: worth trying again."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class VoteConflictError(StoreError):
    """A second, different vote for one (job, epoch, phase): this must never reach a disk, nor a peer."""

    def __init__(self, path: Path, vote: PutVote) -> None:
        super().__init__(
            f"store {path}: this key has already cast its {vote.phase} vote for job {vote.job.hex()[:8]} "
            f"epoch {vote.epoch}; refusing a different one and stopping"
        )


class Listener(Protocol):
    """Who wants to know what became of the writes. Called on the writer's thread."""

    def durable(self, ticket: int) -> None:
        """Every batch up to `ticket` is on disk."""

    def problem(self, text: str) -> None:
        """The disk refuses for now, in one line; "" when it has recovered."""

    def damaged(self, text: str) -> None:
        """Something on the disk cannot be read any more, in one line; peers still have it. Called by whoever reads."""

    def failed(self, error: StoreError) -> None:
        """Nothing will be written any more."""


@dataclass(slots=True)
class CommitCounters:
    """What the writer has done so far."""

    commits: int = 0
    batches: int = 0
    writes: int = 0
    refused: int = 0
    largest_group: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    ticket: int
    writes: Sequence[Write]


@dataclass(slots=True)
class _Rows:
    """A group's writes by table. Of one meta key or blob the last write counts; what is dropped of the other tables never
    comes again, so that dropping follows on putting."""

    statements: list[tuple[bytes, int, bytes, bytes, int]] = field(default_factory=list)
    votes: list[PutVote] = field(default_factory=list)
    blobs: dict[bytes, bytes | None] = field(default_factory=dict)
    meta: dict[str, bytes | None] = field(default_factory=dict)
    covered: list[tuple[bytes, int]] = field(default_factory=list)
    closed: list[tuple[bytes]] = field(default_factory=list)
    outdone: list[tuple[bytes, int]] = field(default_factory=list)

    def add(self, write: Write) -> None:
        """Put one write where it belongs."""
        match write:
            case PutStatement(author, seq, name, signed):
                self.statements.append((author, seq, name, signed, check_sum(author, seq, name, signed)))
            case PutVote():
                self.votes.append(write)
            case PutBlob(name, data):
                self.blobs[name] = data
            case PutMeta(key, value):
                self.meta[key] = value
            case DropStatements(author, seq):
                self.covered.append((author, seq))
            case DropVotes(job):
                self.closed.append((job,))
            case DropPromises(job, epoch):
                self.outdone.append((job, epoch))
            case DropBlob(name):
                self.blobs[name] = None


class GroupCommit:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        listener: Listener,
        on_committed_blobs: Callable[[list[bytes]], None],
        mark: Mark,
        commits: int,
    ) -> None:
        """`commits` is how many the store holds already; `mark` hears of each further one that is on disk."""
        self._connection = connection
        self._path = path
        self._listener = listener
        self._on_committed_blobs = on_committed_blobs
        self._mark = mark
        self._commits = commits
        self._queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._written = False
        self.counters = CommitCounters()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, ticket: int, writes: Sequence[Write]) -> None:
        """Queue one batch; tickets grow. Never blocks."""
        self._queue.put(_Batch(ticket, writes))

    def close(self, timeout_s: float) -> bool:
        """Write what is queued and end the thread, in at most `timeout_s`; whether everything was written.

        A batch the disk refuses gets one more attempt. What stays unwritten was never acknowledged.
        """
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout_s)
        return self._written

    @property
    def running(self) -> bool:
        """Whether the thread still uses the connection."""
        return self._thread.is_alive()

    def _run(self) -> None:
        ended = False
        try:
            while not ended:
                group, ended = self._next_group()
                if group and not self._commit_with_retries(group):
                    return
            self._written = True
        except StoreError as error:
            self._listener.failed(error)
        except Exception as error:  # whatever it is: a thread that is gone must not look like a slow disk
            self._listener.failed(self._fatal(error))

    def _next_group(self) -> tuple[list[_Batch], bool]:
        """Wait for something, take all there is; the flag tells that nothing will follow."""
        taken = [self._queue.get()]
        while not self._queue.empty():
            taken.append(self._queue.get())
        return [batch for batch in taken if batch is not None], None in taken

    def _commit_with_retries(self, group: list[_Batch]) -> bool:
        """Commit `group` however long it takes; False when closing cut the attempts short."""
        delay_s = RETRY_MIN_S
        refused = False
        while True:
            is_last_attempt = self._closing.is_set()
            try:
                self._commit_in_order(group)
            except sqlite3.Error as error:
                if _primary_code(error) not in _PASSING:
                    raise
                self.counters.refused += 1
                refused = True
                self._listener.problem(f"store {self._path}: {error}; writes wait and are tried again")
                if is_last_attempt:
                    return False
                self._closing.wait(delay_s)
                delay_s = min(2 * delay_s, RETRY_MAX_S)
            else:
                break
        if refused:
            self._listener.problem("")
        return True

    def _commit_in_order(self, group: list[_Batch]) -> None:
        """One transaction for all; if a vote in it conflicts, what came before that batch is still written."""
        try:
            self._commit(group)
        except VoteConflictError:
            for batch in group:
                self._commit([batch])
            raise

    def _commit(self, group: list[_Batch]) -> None:
        rows = _Rows()
        for batch in group:
            for write in batch.writes:
                rows.add(write)
        rows.meta[COMMITS_KEY] = str(self._commits + 1).encode()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._insert(rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._commits += 1
        self._mark.set(self._commits)
        self._count(group)
        self._on_committed_blobs([name for name, data in rows.blobs.items() if data is not None])
        self._listener.durable(group[-1].ticket)

    def _insert(self, rows: _Rows) -> None:
        execute_many = self._connection.executemany
        if rows.statements:
            execute_many("INSERT OR IGNORE INTO statement VALUES (?, ?, ?, ?, ?)", rows.statements)
        if rows.votes:
            self._insert_votes(rows.votes)
        if rows.blobs:
            # Replaced, not ignored: a blob fetched again heals one that was damaged on disk.
            kept = [(name, data) for name, data in rows.blobs.items() if data is not None]
            execute_many("INSERT OR REPLACE INTO blob VALUES (?, ?)", kept)
            dropped = [(name,) for name, data in rows.blobs.items() if data is None]
            execute_many("DELETE FROM blob WHERE hash = ?", dropped)
        if rows.covered:
            execute_many("DELETE FROM statement WHERE author = ? AND seq <= ?", rows.covered)
        if rows.closed:
            execute_many("DELETE FROM vote WHERE job = ?", rows.closed)
        if rows.outdone:
            execute_many("DELETE FROM vote WHERE job = ? AND epoch < ? AND phase = 'promise'", rows.outdone)
        if rows.meta:
            put = [
                (key, value, check_sum(key, value)) for key, value in rows.meta.items() if value is not None
            ]
            execute_many("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", put)
            execute_many(
                "DELETE FROM meta WHERE key = ?",
                [(key,) for key, value in rows.meta.items() if value is None],
            )

    def _insert_votes(self, votes: list[PutVote]) -> None:
        """Insert; a vote that is there already must be the same bytes. Raises VoteConflictError."""
        rows = [
            (v.job, v.epoch, v.phase, v.signed, check_sum(v.job, v.epoch, v.phase, v.signed)) for v in votes
        ]
        inserted = self._connection.executemany(
            "INSERT OR IGNORE INTO vote VALUES (?, ?, ?, ?, ?)", rows
        ).rowcount
        if inserted == len(votes):
            return
        for vote in votes:
            query = "SELECT bytes FROM vote WHERE job = ? AND epoch = ? AND phase = ?"
            (cast,) = self._connection.execute(query, (vote.job, vote.epoch, vote.phase)).fetchone()
            if cast != vote.signed:
                raise VoteConflictError(self._path, vote)

    def _count(self, group: list[_Batch]) -> None:
        counters = self.counters
        counters.commits += 1
        counters.batches += len(group)
        counters.writes += sum(len(batch.writes) for batch in group)
        counters.largest_group = max(counters.largest_group, len(group))

    def _fatal(self, error: Exception) -> StoreError:
        if _primary_code(error) in _DAMAGE:
            return StoreDamagedError(self._path, str(error))
        return StoreError(f"store {self._path} refuses to write: {error}")


def _primary_code(error: Exception) -> int:
    """SQLite's result code without its extension; 0 when Python itself objected."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
