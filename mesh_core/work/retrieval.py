"""The passages of a shard that may answer a question."""

from __future__ import annotations

from mesh_core.work.corpus.index import Index, Passage
from mesh_core.work.options import QUERY_TERMS_MAX
from mesh_core.work.terms import telling_words


def best_passages(index: Index, question: str, shard: int, count: int) -> list[Passage]:
    """Up to `count` different passages of `shard`, the best match first; none when no word of it occurs."""
    found = index.search(telling_words(question)[:QUERY_TERMS_MAX], shard, 2 * count)
    different: dict[str, Passage] = {}
    for passage in found:
        different.setdefault(" ".join(passage.text.split()), passage)
    return list(different.values())[:count]
