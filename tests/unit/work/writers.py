"""Backends that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mesh_core.work.backends.base import Prompt
from mesh_core.work.errors import BackendError, PromptTooLongError


class Writer:
    """Writes `pieces`, then fails with `error` if there is one, or hangs. `prompts` records what it was asked.

    `closed` counts generations that ended, in whatever way. Texts of more than `room` characters are too long for it.
    """

    def __init__(
        self,
        *pieces: str,
        error: str = "",
        hangs: bool = False,
        problem: str | None = None,
        room: int = 1 << 20,
    ) -> None:
        self.pieces, self.error, self.hangs, self.problem = list(pieces), error, hangs, problem
        self.room = room
        self.prompts: list[Prompt] = []
        self.closed = 0
        self.name = "fake writer"

    async def probe(self) -> str | None:
        return self.problem

    async def generate(self, prompt: Prompt, *, max_tokens: int) -> AsyncGenerator[str, None]:
        self.prompts.append(prompt)
        try:
            if sum(map(len, prompt.excerpts)) > self.room:
                raise PromptTooLongError("too long")
            for piece in self.pieces:
                yield piece
            if self.hangs:
                await asyncio.Event().wait()
            if self.error:
                raise BackendError(self.error)
        finally:
            self.closed += 1


async def ignore(_: str) -> None:
    """For callers who want no pieces."""
