"""The backends of a provider in order of preference: when one fails, the next answers, and the result says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from mesh_core.work.backends.base import Backend, Prompt
from mesh_core.work.backends.search import Search
from mesh_core.work.errors import BackendError, PromptTooLongError
from mesh_core.work.options import PROMPT_HALVINGS_MAX, RETRY_S
from mesh_core.work.result import TEXT_CHARS_MAX


@dataclass(frozen=True, slots=True)
class Generated:
    """A text, what wrote it, and one note for each backend that failed before."""

    text: str
    backend: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a backend failed last, and when it may be asked again, in monotonic seconds."""

    reason: str
    retry_at: float


class Chain:
    """Model backends in order of preference, and search behind them, which cannot fail.

    `generation_s` bounds one generation of one backend.
    """

    def __init__(self, models: Sequence[Backend], generation_s: float) -> None:
        self._backends: list[Backend] = [*models, Search()]
        self._generation_s = generation_s
        self._failed: dict[Backend, _Failure] = {}

    @property
    def name(self) -> str:
        """The preferred backend among those whose last use did not fail."""
        return next(backend for backend in self._backends if backend not in self._failed).name

    async def prepare(self) -> str:
        """Ask every backend whether it can be used; one line with the choice, and why not a preferred one.

        Asked again, it is about what is there by then.
        """
        problems = await asyncio.gather(*(backend.probe() for backend in self._backends))
        for backend, problem in zip(self._backends, problems, strict=True):
            if not problem:
                self._failed.pop(backend, None)
            else:
                # Asked again for the first answer: a server that starts beside this provider may be up by then.
                self._failed[backend] = _Failure(problem, time.monotonic())
        reasons = [f"{backend.name}: {failure.reason}" for backend, failure in self._failed.items()]
        if len(self._backends) == 1:
            reasons = ["no model configured"]
        return f"{self.name} ({'; '.join(reasons)})" if reasons else self.name

    async def generate(
        self, prompt: Prompt, max_tokens: int, on_piece: Callable[[str], Awaitable[None]]
    ) -> Generated:
        """Text from the first backend that completes one; `on_piece` sees every piece as it comes."""
        notes: list[str] = []
        for backend in self._backends:
            failure = self._failed.get(backend)
            if failure is None or failure.retry_at <= time.monotonic():
                try:
                    text, cut = await self._fitting(backend, prompt, max_tokens, on_piece)
                except BackendError as error:
                    failure = self._set_aside(backend, str(error))
                else:
                    self._failed.pop(backend, None)
                    if cut:
                        notes.append(
                            f"{backend.name} was given the beginnings of its texts only, to fit its context"
                        )
                    return Generated(text, backend.name, tuple(notes))
            notes.append(f"{backend.name} failed: {failure.reason}")
        raise AssertionError("search does not fail")

    async def _fitting(
        self, backend: Backend, prompt: Prompt, max_tokens: int, on_piece: Callable[[str], Awaitable[None]]
    ) -> tuple[str, bool]:
        """Its text, and whether the prompt had to be cut: how many tokens a text has, only its model knows."""
        for halvings in range(PROMPT_HALVINGS_MAX):
            try:
                return await self._one(backend, prompt, max_tokens, on_piece), halvings > 0
            except PromptTooLongError:
                prompt = prompt.halved()
        return await self._one(backend, prompt, max_tokens, on_piece), True

    async def _one(
        self, backend: Backend, prompt: Prompt, max_tokens: int, on_piece: Callable[[str], Awaitable[None]]
    ) -> str:
        text = ""
        try:
            async with (
                asyncio.timeout(self._generation_s),
                aclosing(backend.generate(prompt, max_tokens=max_tokens)) as pieces,
            ):
                async for piece in pieces:
                    text += piece
                    if len(text) > TEXT_CHARS_MAX:
                        raise BackendError(f"it wrote more than {TEXT_CHARS_MAX} characters")
                    await on_piece(piece)
        except TimeoutError as error:
            raise BackendError(f"not done within {self._generation_s:.0f} s") from error
        if not text.strip():
            raise BackendError("it wrote nothing")
        return text.strip()

    def _set_aside(self, backend: Backend, reason: str) -> _Failure:
        failure = self._failed[backend] = _Failure(reason, time.monotonic() + RETRY_S)
        return failure
