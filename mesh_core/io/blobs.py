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
        self._damaged: set[bytes] = set()

    def add(self, blob: PutBlob) -> None:
        """Show a blob from now on that the writer has not committed yet."""
        self._waiting[blob.hash] = blob.data
        self._damaged.discard(blob.hash)

    def drop(self, name: bytes) -> None:
        """A blob is to be forgotten; until the writer has done so it may still be read."""
        self._waiting.pop(name, None)
        self._damaged.discard(name)

    def committed(self, hashes: Iterable[bytes]) -> None:
        """These are on disk (called by the writer's thread; one dict operation each)."""
        for name in hashes:
            self._waiting.pop(name, None)

    def __getitem__(self, name: bytes) -> bytes:
        waiting = self._waiting.get(name)
        if waiting is not None:
            return waiting
        data = self._first("SELECT data FROM blob WHERE hash = ?", name)
        if data is None:
            raise KeyError(name)
        if digest(data) != name:
            self._missing(name, "was altered on disk")
            raise KeyError(name)
        return data

    def __contains__(self, name: object) -> bool:
        if name in self._waiting:
            return True
        return (
            isinstance(name, bytes) and self._first("SELECT hash FROM blob WHERE hash = ?", name) is not None
        )

    def __iter__(self) -> Iterator[bytes]:
        stored = {row[0] for row in self._connection.execute("SELECT hash FROM blob")}
        return iter((stored - self._damaged) | set(self._waiting))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _first(self, query: str, name: bytes) -> bytes | None:
        """The one value `query` finds for `name`, or None."""
        if name in self._damaged:
            return None
        try:
            row = self._connection.execute(query, (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            self._missing(name, f"cannot be read: {error}")
            return None
        return row[0] if row is not None else None

    def _missing(self, name: bytes, why: str) -> None:
        self._damaged.add(name)
        self._report(f"blob {name.hex()[:8]} {why}; it counts as missing")
