"""What a workload may use: the corpus of this provider, and whatever writes text here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.chain import Chain, Generated
from mesh_core.work.corpus.index import Index, Passage, index_of, opened
from mesh_core.work.errors import CorpusError
from mesh_core.work.result import CitedPassage
from mesh_core.work.retrieval import best_passages

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tools:
    """For one execution. `on_piece` takes text as it is written."""

    corpus_index: Path | None
    chain: Chain
    on_piece: Callable[[str], Awaitable[None]]

    async def best_passages(self, corpus: str, shard: int, question: str, count: int) -> list[Passage]:
        """The best passages of a shard. Raises CorpusError when this provider has no index of that corpus."""
        return await self._read(corpus, lambda index: best_passages(index, question, shard, count))

    async def verified(self, corpus: str, passages: Sequence[CitedPassage]) -> list[CitedPassage]:
        """Those of `passages` that stand word for word where they say. Raises CorpusError as above."""
        return await self._read(
            corpus,
            lambda index: [
                cited for cited in passages if index.contains(cited.shard, cited.source, cited.text)
            ],
        )

    async def generate(self, prompt: Prompt, max_tokens: int) -> Generated:
        """Text from the best backend that works."""
        return await self.chain.generate(prompt, max_tokens, self.on_piece)

    async def _read(self, corpus: str, reading: Callable[[Index], T]) -> T:
        """In a thread: milliseconds when the file is in memory, but a cold disk must not stop the node."""
        path = self.corpus_index
        if path is None:
            raise CorpusError("this provider has no corpus; it was started without an index")

        def read() -> T:
            with opened(index_of(corpus, path)) as index:
                if index.hash != corpus:
                    raise CorpusError(
                        f"the job is about corpus {corpus[:12]}, this provider has {index.hash[:12]}"
                    )
                return reading(index)

        return await asyncio.to_thread(read)
