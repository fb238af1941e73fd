"""Events that somebody follows already, once more for a console beside them: both see the same, in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mesh_core.api.schema import Event


class Relay:
    """Passes on what it is given. Its queue holds what comes while its reader waits for its turn of the same event loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._left = asyncio.Event()

    def give(self, event: Event) -> None:
        """One more event."""
        self._queue.put_nowait(event)

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events; ends only when its reader stops reading. For one reader."""
        try:
            while True:
                event = await self._queue.get()
                yield event
                self._queue.task_done()
        finally:
            self._left.set()

    async def caught_up(self) -> None:
        """Return once the reader has done with everything that was given so far, or has left."""
        waiting = [asyncio.ensure_future(work) for work in (self._queue.join(), self._left.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
