"""A run whose time passes in steps, and only while somebody waits: of a simulated mesh, or of a recording."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from mesh_core.api.schema import Event
from whisper_tui.model.state import LogEntry, State
from whisper_tui.script.picture import Picture

FRAME_S: Final = 0.25
"""Time between two pictures of a console, if there is one."""


class Steps(Protocol):
    """What happens, one step after the other."""

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        ...

    @property
    def now_ms(self) -> float:
        """Milliseconds since 1970."""
        ...

    def step(self, end_s: float) -> list[Event]:
        """Let a little time pass, not beyond `end_s`; what happens meanwhile. ActionError when there is no more."""
        ...


class SteppedClock:
    """Goes one step on whenever somebody waits, and has what happened taken in and drawn."""

    runs_by_itself: Final = False

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._deadline = math.inf
        self._take: Callable[[Event], None] = lambda event: None
        self._draw: Callable[[], Awaitable[None]] | None = None
        self._drawn_at = 0.0

    def now(self) -> float:
        """Seconds since the beginning."""
        return self._steps.now_s

    def wall_ms(self) -> float:
        """What a clock on the wall there shows."""
        return self._steps.now_ms

    def tell(self, take: Callable[[Event], None]) -> None:
        """Have `take` called with every event from now on."""
        self._take = take

    @asynccontextmanager
    async def drawing(self, draw: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Within the block `draw` is called as time passes."""
        self._draw = draw
        try:
            yield
        finally:
            self._draw = None

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now() + seconds
        while self.now() < end:
            await self.go_on(end)

    @asynccontextmanager
    async def limit(self, deadline: float) -> AsyncIterator[None]:
        """The block raises TimeoutError as soon as it waits beyond `deadline`."""
        before, self._deadline = self._deadline, min(deadline, self._deadline)
        try:
            yield
        finally:
            self._deadline = before

    async def go_on(self, end: float = math.inf) -> None:
        """One step."""
        if self.now() >= self._deadline:
            raise TimeoutError
        for event in self._steps.step(min(end, self._deadline)):
            self._take(event)
        await asyncio.sleep(0)
        if self._draw is not None and self.now() - self._drawn_at >= FRAME_S:
            self._drawn_at = self.now()
            await self._draw()


class SteppedPicture(Picture):
    """A picture of what happens only while somebody waits for it."""

    def __init__(
        self,
        state: State,
        told: Callable[[State, LogEntry], None],
        heard: Callable[[Event], None],
        clock: SteppedClock,
    ) -> None:
        super().__init__(state, told, heard)
        self._clock = clock
        clock.tell(self.take)

    async def until(self, holds: Callable[[State], bool]) -> None:
        """Go on until `holds`; not at all if it does already."""
        while not holds(self.state):
            await self._clock.go_on()
