"""What a node says of the backend that writes its answers stays true, also when a model is ready only later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh_core.io.executions import Executor

FALLBACK = "search"
"""What answers where no model does; its module is not loaded for a participant that executes nothing."""

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0


class BackendWatch:
    """Tells `say` one line about each choice, and `announce` the name of the backend whenever it is another.

    With `has_model` a model is configured, and is asked for with growing pauses while search stands in for it.
    """

    def __init__(
        self, executor: Executor, has_model: bool, say: Callable[[str], None], announce: Callable[[str], None]
    ) -> None:
        self._executor = executor
        self._has_model = has_model
        self._say = say
        self._announce = announce
        self._announced = ""

    async def run(self) -> None:
        """Find out what executes workloads here, until that is a model or nothing better can come."""
        pause_s = RETRY_FIRST_S
        self._choose(await self._executor.prepare())
        while self._has_model and self._executor.backend_name == FALLBACK:
            # Nothing but an attempt tells that a server of somebody else has become ready.
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_MAX_S)
            self._choose(await self._executor.prepare())

    def look(self) -> None:
        """An execution has ended: another backend may have written it than was announced."""
        if self._announced:
            self._choose(self._executor.backend_name)

    def _choose(self, line: str) -> None:
        name = self._executor.backend_name
        if name != self._announced:
            self._announced = name
            self._say(line)
            self._announce(name)
