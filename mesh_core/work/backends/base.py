"""What every backend is, and what it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Protocol

from mesh_core.work.options import QUESTION_CHARS_MAX


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question, the texts to answer it from, and how many sentences are wanted."""

    question: str
    excerpts: tuple[str, ...]
    sentences: int

    def messages(self) -> list[dict[str, str]]:
        """The chat form every model server understands.

        Worded like the summaries small instruction models were trained on, with the question beside the task
        instead of below the text: of eleven wordings tried on a model of 135M parameters the one that stays
        closest to the text. Layout is closed up to save tokens.
        """
        question = " ".join(self.question.split())[:QUESTION_CHARS_MAX]
        task = (
            f"Provide a concise, objective summary of the input text in up to {self.sentences} sentences,"
            f" focusing on this question: {question}"
        )
        text = "\n\n".join(" ".join(excerpt.split()) for excerpt in self.excerpts)
        return [{"role": "system", "content": task}, {"role": "user", "content": text}]

    def halved(self) -> Prompt:
        """The same question, from the first half of each text."""
        return replace(self, excerpts=tuple(excerpt[: len(excerpt) // 2] for excerpt in self.excerpts))


class Backend(Protocol):
    """Something that writes text. Cancelling the reader or closing the generator ends the work at its source."""

    @property
    def name(self) -> str:
        """Kind and model, as results name it."""

    async def probe(self) -> str | None:
        """None when it can be used; otherwise why not, in one line."""

    def generate(self, prompt: Prompt, *, max_tokens: int) -> AsyncGenerator[str, None]:
        """The text, piece by piece. Raises BackendError when it fails, also after some pieces."""
