"""The clock that a run is measured by: that of the world, or one that stands still unless somebody waits."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol


class Clock(Protocol):
    """What a run needs of time."""

    @property
    def runs_by_itself(self) -> bool:
        """Whether time passes while nobody waits."""
        ...

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    def wall_ms(self) -> float:
        """Milliseconds since 1970."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def limit(self, deadline: float) -> AbstractAsyncContextManager[object]:
        """The block raises TimeoutError once `now` has come to `deadline`."""
        ...


class RealClock:
    """That of the world."""

    runs_by_itself: Final = True

    def now(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wall_ms(self) -> float:
        """What the clock on the wall shows."""
        return time.time() * 1000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def limit(self, deadline: float) -> AbstractAsyncContextManager[object]:
        """Asyncio's."""
        return asyncio.timeout(deadline - self.now())
