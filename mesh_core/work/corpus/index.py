"""Reading an index: one SQLite file per corpus, opened read-only by any number of processes.

Ranking is BM25 (Robertson and Zaragoza 2009) as FTS5 computes it, over stemmed words (Porter 1980). A shard
is a range of passages, so one index serves every shard.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mesh_core.work.errors import CorpusError
from mesh_core.work.options import SHARDS_MAX

FORMAT = 2
"""Grows with every change of the tables or of the way text is cut; part of a corpus' hash."""


_HASH = re.compile("[0-9a-f]{64}")


class Passage(NamedTuple):
    """A verbatim span of a document. `source` is the document's name, `offset` where it begins, in characters."""

    shard: int
    source: str
    offset: int
    text: str


def shard_range(passages: int, shards: int, shard: int) -> range:
    """Which passages (counted from 0) are shard number `shard` of `shards` (also counted from 0).

    Sizes differ by at most one. With fewer passages than shards some passages are in several shards, so that
    none is empty. Raises CorpusError for a shard that does not exist.
    """
    if not 0 <= shard < shards:
        raise CorpusError(f"there is no shard {shard}: this corpus has {shards}, counted from 0")
    first = shard * passages // shards
    return range(first, max(first + 1, (shard + 1) * passages // shards))


class Index:
    """An open index. Not shared between threads: opening one takes less than a millisecond."""

    def __init__(self, path: Path) -> None:
        """Open the index at `path`. Raises CorpusError when it is missing, damaged or of another format."""
        self._path = path
        if not path.is_file():
            raise CorpusError(f"{path}: no such index; build it with python -m mesh_core.work.corpus build")
        self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            meta = dict(self._rows("SELECT name, value FROM meta"))
            if meta["format"] != FORMAT:
                raise CorpusError(f"{path}: an index of format {meta['format']}, this version reads {FORMAT}")
            self.hash: str = meta["hash"]
            self.shards: int = meta["shards"]
            self.files: int = meta["files"]
            self.passages: int = meta["passages"]
            self._require_possible()
        except KeyError as error:
            self.close()
            raise CorpusError(
                f"{path}: damaged, {error} is missing; delete it and it is built again"
            ) from error
        except CorpusError:
            self.close()
            raise

    def _require_possible(self) -> None:
        """Raises CorpusError when a number is none, or cannot be right."""
        counts = (self.shards, self.files, self.passages)
        if not all(isinstance(count, int) and count >= 1 for count in counts) or self.shards > SHARDS_MAX:
            raise CorpusError(
                f"{self._path}: damaged, its counts are impossible; delete it and it is built again"
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def search(self, terms: Sequence[str], shard: int, count: int) -> list[Passage]:
        """The `count` passages of a shard that match any of `terms` best, the best first."""
        if not terms:
            return []
        ids = self._ids(shard)
        query = " OR ".join(f'"{term}"' for term in terms)  # quoted, a word is never an operator
        rows = self._rows(
            "SELECT document.name, passage.start, passage.text FROM passage_words"
            " JOIN passage ON passage.id = passage_words.rowid JOIN document ON document.id = passage.document"
            " WHERE passage_words MATCH ? AND passage_words.rowid BETWEEN ? AND ? ORDER BY rank, passage.id LIMIT ?",
            (query, ids[0], ids[-1], count),
        )
        return [Passage(shard, *row) for row in rows]

    def contains(self, shard: int, source: str, text: str) -> bool:
        """Whether `text` is a verbatim span of a passage of this shard and source."""
        if not 0 <= shard < self.shards or not text:
            return False
        ids = self._ids(shard)
        rows = self._rows(
            "SELECT 1 FROM passage JOIN document ON document.id = passage.document"
            " WHERE document.name = ? AND passage.id BETWEEN max(?, document.first) AND min(?, document.last)"
            " AND instr(passage.text, ?) LIMIT 1",
            (source, ids[0], ids[-1], text),
        )
        return bool(rows)

    def _ids(self, shard: int) -> range:
        counted = shard_range(self.passages, self.shards, shard)
        return range(counted.start + 1, counted.stop + 1)

    def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # what SQLite says may quote what is damaged
            raise CorpusError(f"{self._path}: {error}; delete it and it is built again") from error


def index_of(corpus: str, path: Path) -> Path:
    """The index of `corpus` beside the one at `path`, if it is there, else `path`: a provider answers questions about
    the corpus it is given, and those asked before it was given another one, while their index lies in the same folder.

    Whoever asks names the corpus: what is no hash of one never becomes part of a path.
    """
    if _HASH.fullmatch(corpus) and (beside := path.with_name(f"{corpus}.db")).is_file():
        return beside
    return path


@contextmanager
def opened(path: Path) -> Iterator[Index]:
    """An index, closed afterwards. Raises what opening it raises."""
    index = Index(path)
    try:
        yield index
    finally:
        index.close()
