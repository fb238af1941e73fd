"""Payloads and results by hash, read from disk when asked for and never held in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping

from mesh_core.effects import PutBlob
from mesh_core.identity.statement import digest


class StoredBlobs(Mapping[bytes, bytes]):
    """The blobs of a store as a read-only mapping, including those that still wait for their commit.

    Reading is a lookup on the event loop's own connection (WAL readers never wait for the writer). A blob
    whose bytes no longer hash to its name counts as missing and is reported: peers still have it.
    """

    def __init__(self, connection: sqlite3.Connection, report: Callable[[str], None]) -> None:
        self._connection = connection
        self._report = report
        self._waiting: dict[bytes, bytes] = {}

    def add(self, blob: PutBlob) -> None:
        """Show a blob from now on that the writer has not committed yet."""
        self._waiting[blob.hash] = blob.data

    def committed(self, hashes: Iterable[bytes]) -> None:
        """These are on disk (called by the writer's thread; one dict operation each)."""
        for name in hashes:
            self._waiting.pop(name, None)

    def __getitem__(self, name: bytes) -> bytes:
        waiting = self._waiting.get(name)
        if waiting is not None:
            return waiting
        try:
            row = self._connection.execute("SELECT data FROM blob WHERE hash = ?", (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            self._report(f"blob {name.hex()[:8]} cannot be read: {error}")
            raise KeyError(name) from error
        if row is None:
            raise KeyError(name)
        data: bytes = row[0]
        if digest(data) != name:
            self._report(f"blob {name.hex()[:8]} was altered on disk; it will be fetched again")
            raise KeyError(name)
        return data

    def __contains__(self, name: object) -> bool:
        if name in self._waiting:
            return True
        return self._connection.execute("SELECT 1 FROM blob WHERE hash = ?", (name,)).fetchone() is not None

    def __iter__(self) -> Iterator[bytes]:
        stored = {row[0] for row in self._connection.execute("SELECT hash FROM blob")}
        return iter(stored | set(self._waiting))

    def __len__(self) -> int:
        return sum(1 for _ in self)
