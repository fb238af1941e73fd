"""Runs the work that a provider has leased."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh_core.config import DEFAULT_SLOTS
from mesh_core.wire.messages import Work
from mesh_core.work.backends.base import Backend
from mesh_core.work.backends.chain import Chain
from mesh_core.work.backends.ollama import Ollama
from mesh_core.work.backends.openai import OpenAI
from mesh_core.work.options import GENERATION_S, HELD_AFTER_PIECES
from mesh_core.work.registry import workload
from mesh_core.work.tools import Tools


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """What a provider works with; an empty URL means that this backend is not used.

    `exec_delay_s` holds every execution for so long after its first tokens, for demonstrations. `slots` is how
    many run at once; more wait for their turn.
    """

    corpus_index: Path | None = None
    exec_delay_s: float = 0.0
    ollama_url: str = ""
    ollama_model: str = "llama3.2"
    openai_url: str = ""
    openai_model: str = ""
    openai_key_env: str = ""
    llama_cpp_url: str = ""
    slots: int = DEFAULT_SLOTS


class Executor:
    """Executes one piece of work after the other, or several at once."""

    def __init__(self, settings: WorkSettings) -> None:
        self._settings = settings
        self._chain = Chain(_models(settings), GENERATION_S + settings.exec_delay_s)
        self._slots = asyncio.Semaphore(settings.slots)
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def backend_name(self) -> str:
        """What writes the answers here, as far as is known."""
        return self._chain.name

    async def prepare(self) -> str:
        """Choose a backend; one line that names it, and why not a preferred one."""
        return await self._chain.prepare()

    async def run(self, work: Work, on_progress: Callable[[int, str], None]) -> bytes:
        """The encoded result. `on_progress` gets the number of tokens so far and each new piece of text.

        Raises WorkError with the reason. Cancelling the calling task ends the generation at its source.
        """
        do = workload(work.kind)
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            async with self._slots:
                progress = _Progress(on_progress, self._settings.exec_delay_s)
                result = await do(work, Tools(self._settings.corpus_index, self._chain, progress.add))
                await progress.hold()
                return result
        finally:
            self._running.discard(task)

    async def aclose(self) -> None:
        """Cancel what still runs and wait until its streams are closed."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Progress:
    """Counts and passes on the pieces of one execution, and holds it once after the first of them."""

    def __init__(self, on_progress: Callable[[int, str], None], hold_s: float) -> None:
        self._on_progress = on_progress
        self._left_s = hold_s
        self._pieces = 0

    async def add(self, piece: str) -> None:
        self._pieces += 1
        self._on_progress(self._pieces, piece)
        if self._pieces == HELD_AFTER_PIECES:
            await self.hold()

    async def hold(self) -> None:
        hold_s, self._left_s = self._left_s, 0.0
        if hold_s > 0:
            await asyncio.sleep(hold_s)


def _models(settings: WorkSettings) -> list[Backend]:
    """The configured model backends, the preferred one first."""
    models: list[Backend] = []
    if settings.ollama_url:
        models.append(Ollama(settings.ollama_url, settings.ollama_model))
    if settings.openai_url:
        models.append(OpenAI("openai", settings.openai_url, settings.openai_model, settings.openai_key_env))
    if settings.llama_cpp_url:
        models.append(OpenAI("llama_cpp", settings.llama_cpp_url.rstrip("/") + "/v1"))
    return models
