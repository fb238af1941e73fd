"""The durable memory of one participant: SQLite, WAL, one writer thread, group commit.

`load` hands everything to the core once; `submit` queues a batch and returns its ticket; the listener hears
when all batches up to a ticket are on disk. Statements and votes are stored as the bytes they were signed as.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO

from mesh_core.checkpoint.newest import snapshot_named
from mesh_core.effects import DropBlob, PutBlob, Stored, Write
from mesh_core.io import store_file
from mesh_core.io.blobs import StoredBlobs
from mesh_core.io.group_commit import CommitCounters, GroupCommit, Listener
from mesh_core.io.mark import Mark
from mesh_core.io.store_file import StoreBehindError, StoreDamagedError, StoreError

CLOSE_TIMEOUT_S = 1.0


class Store:
    """One open store. Made by `open`; `start` before the first `submit`; `close` exactly once."""

    def __init__(
        self,
        path: Path,
        held: IO[bytes],
        mark: Mark,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
    ) -> None:
        self.path = path
        self._held = held
        self._mark = mark
        self._writer = writer
        self._reader = reader
        self._blobs = StoredBlobs(reader, self._report)
        self._listener: Listener | None = None
        self._commits: GroupCommit | None = None
        self._last_ticket = 0

    @classmethod
    def open(cls, path: Path, peer: bytes) -> Store:
        """Open the store of the key `peer`, making an empty one where there is none.

        Raises StoreError, one line: in use by another process, another key's, another version, damaged, behind what
        was acknowledged, or not accessible. Nothing is changed then.
        """
        with ExitStack() as undo, _one_line(path):
            held = undo.enter_context(store_file.lock(path))
            mark = undo.enter_context(closing(Mark(path, peer)))
            if not path.exists() and mark.read() > 0:
                raise StoreBehindError(path, 0, mark.read())
            store_file.create_if_missing(path, peer)
            if path.stat().st_size < store_file.PAGE_BYTES:
                # SQLite would take it for an empty one, and delete its log.
                raise StoreDamagedError(path, "it is cut short")
            path.chmod(0o600)
            with closing(store_file.look(path)) as looking:
                store_file.check_identity(looking, path, peer)
                store_file.check_whole(looking, path)
                commits = store_file.read_commits(looking)
            if commits < mark.read():
                raise StoreBehindError(path, commits, mark.read())
            writer = undo.enter_context(closing(store_file.connect(path)))
            reader = undo.enter_context(closing(store_file.connect(path)))
            undo.pop_all()
        return cls(path, held, mark, writer, reader)

    def load(self) -> Stored:
        """All that is stored; blobs stay on disk and are read by hash. Raises StoreError when a row was altered."""
        with _one_line(self.path):
            meta = store_file.read_meta(self._reader, self.path)
            snapshot = snapshot_named(meta)
            if snapshot is not None and self._blobs.get(snapshot) is None:
                raise StoreDamagedError(self.path, "the snapshot of its ledger is altered or missing")
            return Stored(
                statements=list(store_file.read_statements(self._reader, self.path)),
                votes=list(store_file.read_votes(self._reader, self.path)),
                blobs=self._blobs,
                meta=meta,
            )

    def start(self, listener: Listener) -> None:
        """Start the writer; `listener` is called on its thread."""
        self._listener = listener
        commits = store_file.read_commits(self._reader)
        self._commits = GroupCommit(
            self._writer, self.path, listener, self._blobs.committed, self._mark, commits
        )
        self._commits.start()

    def submit(self, writes: Sequence[Write]) -> int:
        """Queue writes that belong together and return their ticket. Never blocks."""
        assert self._commits is not None, "start() comes first"
        for write in writes:
            if isinstance(write, PutBlob):
                self._blobs.add(write)
            elif isinstance(write, DropBlob):
                self._blobs.drop(write.hash)
        self._last_ticket += 1
        self._commits.submit(self._last_ticket, writes)
        return self._last_ticket

    @property
    def counters(self) -> CommitCounters:
        """What the writer has done since it was started."""
        return self._commits.counters if self._commits is not None else CommitCounters()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what is queued and close; False when something stayed unwritten (it was never acknowledged)."""
        written = self._commits.close(timeout_s) if self._commits is not None else True
        self._reader.close()
        if self._commits is None or not self._commits.running:
            self._writer.close()
            self._mark.close()
        self._held.close()
        return written

    def _report(self, text: str) -> None:
        if self._listener is not None:
            self._listener.damaged(f"store {self.path}: {text}")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say while opening and reading into a StoreError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(f"store {path} cannot be read: {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # what SQLite says may quote what is damaged
        raise StoreDamagedError(path, str(error)) from error
    except OSError as error:
        raise StoreError(f"store {path} cannot be opened: {error.strerror}") from error
