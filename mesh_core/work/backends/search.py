"""No model: the sentences that bear most on the question, word for word."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from mesh_core.work.backends.base import Prompt
from mesh_core.work.sentences import sentences
from mesh_core.work.terms import telling_words, words

NAME = "search"


class Search:
    """Always available, always the same answer."""

    name = NAME

    async def probe(self) -> str | None:
        """Nothing can be missing."""
        return None

    async def generate(self, prompt: Prompt, *, max_tokens: int) -> AsyncGenerator[str, None]:
        """The best sentences in the order of the excerpts, a word at a time."""
        for word in compose(prompt).split(" ")[:max_tokens]:
            yield word + " "


def compose(prompt: Prompt) -> str:
    """As many whole sentences as are wanted: those with most of the question's words, then the earliest."""
    wanted = set(telling_words(prompt.question))
    found = list(dict.fromkeys(sentence for text in prompt.excerpts for sentence in sentences(text)))
    ranked = sorted(range(len(found)), key=lambda at: (-len(wanted.intersection(words(found[at]))), at))
    return " ".join(found[at] for at in sorted(ranked[: prompt.sentences]))
