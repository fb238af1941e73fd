"""The file of a store: made whole or not at all, locked, checked, read once at start.

A store is what a participant has promised. It is therefore never overwritten, repaired or started afresh
behind its owner's back: whatever looks wrong is one clear error and the file stays as it was found.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mesh_core.effects import PutStatement, PutVote

SCHEMA_VERSION = 1
COMMITS_KEY = "store:commits"
"""The named value that counts the commits of a store."""

_APPLICATION_ID = 0x57485350  # "WHSP"
_CACHE_KIB = 512
_LOG_BYTES_KEPT = 4 << 20
_DETAIL_CHARS_MAX = 120
PAGE_BYTES = 4096

# Rows are keyed tables with a rowid: large values stay out of the index (WITHOUT ROWID doubled the file).
# `check_sum` covers key and value, because SQLite itself notices only damage to its own structure.
_SCHEMA = f"""
CREATE TABLE owner (peer BLOB NOT NULL);
CREATE TABLE statement (
    author BLOB NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL,
    check_sum INTEGER NOT NULL, PRIMARY KEY (author, seq, hash));
CREATE TABLE vote (
    job BLOB NOT NULL, epoch INTEGER NOT NULL, phase TEXT NOT NULL, bytes BLOB NOT NULL,
    check_sum INTEGER NOT NULL, PRIMARY KEY (job, epoch, phase));
CREATE TABLE blob (hash BLOB NOT NULL PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, check_sum INTEGER NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class StoreError(Exception):
    """The store cannot be used; the message is one line for its owner."""


class StoreDamagedError(StoreError):
    """The file does not hold what was written to it."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"store {path} is damaged ({detail}); nothing was changed: restore it from a copy, or move it aside "
            "and start with a new key"
        )


class StoreBehindError(StoreError):
    """The store, or what is in its place, has forgotten something that was acknowledged."""

    def __init__(self, path: Path, commits: int, acknowledged: int) -> None:
        found = f"ends at commit {commits}" if path.exists() else "is missing"
        super().__init__(
            f"store {path} {found}, but commit {acknowledged} was acknowledged: it was damaged, lost, or replaced by an "
            "old copy; put the newer one back, or move key and store away and start with a new key"
        )


def lock(path: Path) -> IO[bytes]:
    """Take the store for this process until the returned file is closed.

    A file of its own carries the lock: closing any descriptor of the database would drop SQLite's own
    (POSIX) locks. Raises StoreError when another process has it or the directory is not writable.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        handle = os.fdopen(os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        raise StoreError(f"store {path} cannot be locked: {error.strerror}: {lock_path}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StoreError(
            f"store {path} is in use by another process; two processes never share one key"
        ) from error
    return handle


def create_if_missing(path: Path, peer: bytes) -> None:
    """Make an empty store of `peer` unless there is a file.

    It is built beside its place and renamed, so that a file in place is always a whole store: an empty or
    half-written one is damage, never a reason to start over. Raises StoreError.
    """
    if path.exists():
        return
    if path.with_name(path.name + "-wal").exists():
        raise StoreError(
            f"store {path} is missing but its write-ahead log is there: put the store back beside it"
        )
    building = path.with_name(path.name + ".new")
    try:
        building.unlink(missing_ok=True)
        os.close(os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(building, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.executescript("PRAGMA synchronous = EXTRA; BEGIN;" + _SCHEMA)
            connection.execute("INSERT INTO owner VALUES (?)", (peer,))
            connection.execute("COMMIT")
        finally:
            connection.close()
        building.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"store {path} cannot be created: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits with fsync; used by one thread at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: through the drive's own cache
        f"journal_size_limit = {_LOG_BYTES_KEPT}",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {setting}").close()
    return connection


def look(path: Path) -> sqlite3.Connection:
    """A connection that only reads, and leaves the log as it is when it is closed. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def check_identity(connection: sqlite3.Connection, path: Path, peer: bytes) -> None:
    """Refuse a file that is no store, of another version, or of another key. Raises StoreError."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise StoreDamagedError(path, "it is no store of this program")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreError(f"store {path} has version {version}, this program reads version {SCHEMA_VERSION}")
    owners = connection.execute("SELECT peer FROM owner").fetchall()
    if len(owners) != 1:
        raise StoreDamagedError(path, "its owner is missing")
    owner = owners[0][0]
    if not isinstance(owner, bytes):
        raise StoreDamagedError(path, "its owner was altered")
    if owner != peer:
        raise StoreError(f"store {path} belongs to key {owner.hex()}, this participant's key is {peer.hex()}")


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse tables that have lost rows, or whose index has: what is left would pass for all there was, and a vote whose
    index is gone could be cast again. Blobs need no such look, they can be fetched anew. Raises StoreDamagedError.
    """
    for table in ("owner", "statement", "vote", "meta"):
        found = str(connection.execute(f"PRAGMA integrity_check({table})").fetchone()[0])
        if found != "ok":
            raise StoreDamagedError(path, " ".join(found.split())[:_DETAIL_CHARS_MAX])


def check_sum(*parts: bytes | str | int) -> int:
    """CRC-32 over a row's key and value."""
    value = 0
    for part in parts:
        value = zlib.crc32(part if isinstance(part, bytes) else f"{part}\0".encode(), value)
    return value


def read_commits(connection: sqlite3.Connection) -> int:
    """How many commits the store holds; 0 for one that counted none, or whose count is damaged."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (COMMITS_KEY,)).fetchone()
    return int(row[0]) if row is not None and isinstance(row[0], bytes) and row[0].isdigit() else 0


def read_statements(connection: sqlite3.Connection, path: Path) -> Iterator[PutStatement]:
    """All statements, each author's in order of seq. Raises StoreDamagedError."""
    rows = connection.execute(
        "SELECT author, seq, hash, bytes, check_sum FROM statement ORDER BY author, seq, hash"
    )
    for author, seq, hash_, signed, expected in rows:
        if check_sum(author, seq, hash_, signed) != expected:
            raise StoreDamagedError(path, f"record {seq} of {_named(author)} was altered")
        yield PutStatement(author, seq, hash_, signed)


def read_votes(connection: sqlite3.Connection, path: Path) -> Iterator[PutVote]:
    """All votes. Raises StoreDamagedError."""
    for job, epoch, phase, signed, expected in connection.execute(
        "SELECT * FROM vote ORDER BY job, epoch, phase"
    ):
        if check_sum(job, epoch, phase, signed) != expected:
            raise StoreDamagedError(path, f"the {phase} vote for job {_named(job)} epoch {epoch} was altered")
        yield PutVote(job, epoch, phase, signed)


def read_meta(connection: sqlite3.Connection, path: Path) -> dict[str, bytes]:
    """All named values. Raises StoreDamagedError."""
    found: dict[str, bytes] = {}
    for key, value, expected in connection.execute("SELECT key, value, check_sum FROM meta"):
        if check_sum(key, value) != expected:
            raise StoreDamagedError(path, f"value {key!r} was altered")
        found[key] = value
    found.pop(COMMITS_KEY, None)
    return found


def _named(value: object) -> str:
    """The beginning of a key or hash; damage can make anything of it."""
    return value.hex()[:8] if isinstance(value, bytes) else repr(value)[:20]
