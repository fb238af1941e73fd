"""What building a corpus prints as one JSON object for those who start it."""

from __future__ import annotations

from msgspec import Struct


class LeftOut(Struct, frozen=True):
    """Files that did not become part of a corpus, all for one reason; `example` is the name of one of them."""

    reason: str
    count: int
    example: str


class CorpusReport(Struct, frozen=True):
    """`python -m mesh_core.work.corpus build`: where the index is and what became part of it. `new` is false when it was
    already there; `skipped` tells of the files that did not become part of it, the most frequent reason first."""

    path: str
    hash: str
    shards: int
    files: int
    passages: int
    new: bool
    skipped: list[LeftOut]
