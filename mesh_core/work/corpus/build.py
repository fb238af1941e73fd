"""Building the index of a corpus: once per content, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from mesh_core.work.corpus.index import FORMAT, opened
from mesh_core.work.corpus.passages import spans
from mesh_core.work.corpus.reading import Document, Skipped, Source
from mesh_core.work.errors import CorpusError
from mesh_core.work.options import SHARDS_MAX

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE document (id INTEGER PRIMARY KEY, name TEXT UNIQUE, first INTEGER, last INTEGER);
CREATE TABLE passage (id INTEGER PRIMARY KEY, document INTEGER, start INTEGER, text TEXT);
CREATE VIRTUAL TABLE passage_words USING fts5(
    text, content = 'passage', content_rowid = 'id', tokenize = 'porter unicode61'
);
"""
"""No journal: a build that does not end is thrown away, and one that ends is synced before it gets its name."""


class Built(Struct, frozen=True):
    """An index. `new` is false when it was already there; `skipped` are files that did not become part of it."""

    path: Path
    hash: str
    shards: int
    files: int
    passages: int
    new: bool
    skipped: list[Skipped]


def build(folder: Path, shards: int, out: Path) -> Built:
    """The index of the documents in `folder`, divided into `shards`, as `out/<hash>.db`.

    The hash covers names, contents and the number of shards. Processes that build the same corpus at once
    do not disturb each other: each writes its own file, and the last to finish puts it in place of an equal
    one. Raises CorpusError for a folder without text, beyond the limits, or an `out` that cannot be written.
    """
    if not 1 <= shards <= SHARDS_MAX:
        raise CorpusError(f"a corpus has 1 to {SHARDS_MAX} shards, not {shards}")
    source = Source(folder)
    name = _Name(shards)
    for document in source.documents():
        name.add(document)
    if not name.files:
        raise CorpusError(_why_empty(source))
    path = out / f"{name.hexdigest()}.db"
    if _is_whole(path):
        return _described(path, new=False, skipped=source.skipped)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return _described(_write(source, shards, out), new=True, skipped=source.skipped)
    except (OSError, sqlite3.Error) as error:
        raise CorpusError(f"{out}: the index cannot be written: {error}") from error


class _Name:
    """The hash of a corpus, fed with its documents in order."""

    def __init__(self, shards: int) -> None:
        self._hash = hashlib.blake2b(f"whisper-corpus {FORMAT} {shards}\n".encode(), digest_size=32)
        self.files = 0

    def add(self, document: Document) -> None:
        name = document.name.encode()
        self._hash.update(len(name).to_bytes(4) + name + document.digest)
        self.files += 1

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _write(source: Source, shards: int, out: Path) -> Path:
    """Write the index under a temporary name, then give it the name of what was really read."""
    handle, temporary = tempfile.mkstemp(prefix=".building-", suffix=".db", dir=out)
    try:
        name = _Name(shards)
        database = sqlite3.connect(temporary)
        try:
            database.executescript(_TABLES)
            with database:
                passages = _fill(database, _named(source, name))
                meta = {"format": FORMAT, "hash": name.hexdigest(), "shards": shards}
                meta |= {"files": name.files, "passages": passages}
                database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        finally:
            database.close()
        os.fsync(handle)
        path = out / f"{name.hexdigest()}.db"
        Path(temporary).replace(path)
        return path
    finally:
        os.close(handle)
        Path(temporary).unlink(missing_ok=True)


def _named(source: Source, name: _Name) -> Iterator[Document]:
    for document in source.documents():
        name.add(document)
        yield document


def _fill(database: sqlite3.Connection, documents: Iterator[Document]) -> int:
    last = 0
    for number, document in enumerate(documents, 1):
        first = last + 1
        rows = [
            (last := last + 1, number, start, document.text[start:end]) for start, end in spans(document.text)
        ]
        database.executemany("INSERT INTO passage VALUES (?, ?, ?, ?)", rows)
        database.execute("INSERT INTO document VALUES (?, ?, ?, ?)", (number, document.name, first, last))
    database.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")
    database.execute("INSERT INTO passage_words (passage_words) VALUES ('optimize')")
    return last


def _is_whole(path: Path) -> bool:
    """Whether the index is there and opens; a damaged one is built again over itself."""
    try:
        with opened(path):
            return True
    except CorpusError:
        return False


def _described(path: Path, *, new: bool, skipped: list[Skipped]) -> Built:
    with opened(path) as index:
        return Built(path, index.hash, index.shards, index.files, index.passages, new, skipped)


def _why_empty(source: Source) -> str:
    reason = f"{source.root}: no readable .txt, .md or .rst file (plain or .gz) in it"
    if source.skipped:
        name, why = source.skipped[0]
        reason += f"; {len(source.skipped)} skipped, such as {name} ({why})"
    return reason
