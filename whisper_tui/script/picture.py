"""The mesh as its events tell it while a script runs: the console's reducer, and a way to wait for a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from mesh_core.api.schema import Event
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import LogEntry, State


class Picture:
    """The state after all events so far. Whoever waits looks again after every change, and only then.

    `told` is called with every new entry of the log, `heard` with every event.
    """

    def __init__(
        self,
        state: State,
        told: Callable[[State, LogEntry], None],
        heard: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.state = state
        self._told = told
        self._heard = heard
        self._wakers: set[asyncio.Event] = set()

    async def follow(self, events: AsyncIterator[Event]) -> None:
        """Take events in until they end."""
        async for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """One more event."""
        before = self.state.log_number
        self.state = reduce(self.state, event)
        for entry in self.state.log[len(self.state.log) - (self.state.log_number - before) :]:
            self._told(self.state, entry)
        self._heard(event)
        self.wake()

    def wake(self) -> None:
        """Have everybody who waits look again: something else than the state has changed."""
        for waker in self._wakers:
            waker.set()

    async def until(self, holds: Callable[[State], bool]) -> None:
        """Return once `holds`; at once if it does already."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            while not holds(self.state):
                waker.clear()
                await waker.wait()
        finally:
            self._wakers.discard(waker)
