"""Where the chain is kept: keys and values in one SQLite file, each block whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eth.db.backends.base import BaseDB

FINGERPRINT = "fingerprint"

BUSY_S = 1.0
"""How long one that is just ending may still have the file."""


class Damaged(Exception):
    """The file cannot be gone on with; the message is one line that says why."""


class Store(BaseDB):
    """Key-value store of one chain.

    `fingerprint` says how the chain began: a file of another one is refused. Raises Damaged. What is written survives the
    end of the process in whatever way, once `block` is over.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._open(fingerprint)
        except sqlite3.DatabaseError as error:
            self.close()
            if "locked" in str(error):
                raise
            raise Damaged(str(error)) from error
        except Damaged:
            self.close()
            raise

    def _open(self, fingerprint: str) -> None:
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Damaged(verdict)
        with self.block():
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
            )
            self._connection.execute("CREATE TABLE IF NOT EXISTS about (what TEXT PRIMARY KEY, said TEXT)")
            self._connection.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (FINGERPRINT, fingerprint))
        query = "SELECT said FROM about WHERE what = ?"
        if self._connection.execute(query, (FINGERPRINT,)).fetchone() != (fingerprint,):
            raise Damaged("it began with other contracts or another root account")

    @contextmanager
    def block(self) -> Iterator[None]:
        """Everything written in this block is kept, or nothing when it is left by an exception."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Nothing can be read or written afterwards."""
        self._connection.close()

    def __getitem__(self, key: bytes) -> bytes:
        row: tuple[bytes] | None = self._connection.execute(
            "SELECT value FROM kv WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            raise KeyError(key)
        return row[0]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        if not self._connection.execute("DELETE FROM kv WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM kv WHERE key = ?", (key,)).fetchone() is not None
