"""The event streams of a running mesh, merged into one.

One task per participant (and one for the supervisor) keeps a stream open for ever: after an interruption it
tries again with back-off and jitter, and asks to resume after the last event it got. How each stream stands is
itself an event (`source`), so that whatever is shown can say how old it is.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any, Protocol

from msgspec import Struct

from mesh_core.api.schema import Event
from whisper_tui.model.state import OPERATOR_KINDS, SUPERVISOR

QUEUE_MAX = 4_096
"""Events waiting for the reader. A stream whose events find no room waits, and its server keeps the rest."""

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0

LOST_AFTER = 3
"""Attempts in a row that may fail before a stream is called lost rather than stale."""


class EventClient(Protocol):
    """What is needed of `mesh_core.api.client.ControlClient`."""

    def events(self, last_event_id: int | None = None) -> AsyncIterator[Event]:
        """Events from after `last_event_id` on, or every view and then live ones. Ends or raises when cut off."""
        ...


class Endpoint(Struct, frozen=True):
    """A stream: the participant's name, its control API, and its peer id if that is known beforehand."""

    name: str
    url: str
    peer: str = ""


class LiveSource:
    """Events of every participant and of the supervisor as one stream.

    `connect` makes a client from a URL. `locate` says where somebody is now: it is asked before every new attempt,
    since a mesh that was taken down and started again may listen elsewhere, and for participants that the
    supervisor reports running later. `watch` adds or moves one by hand.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        supervisor_url: str | None,
        connect: Callable[[str], EventClient],
        *,
        locate: Callable[[str], Endpoint | None] = lambda name: None,
        jitter: random.Random | None = None,
    ) -> None:
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        if supervisor_url is not None:
            self._endpoints[SUPERVISOR] = Endpoint(SUPERVISOR, supervisor_url)
        self._connect = connect
        self._locate = locate
        self._jitter = jitter or random.Random()  # noqa: S311 (spreads retries, decides nothing)
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_MAX)
        self._followers: dict[str, _Follower] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def events(self) -> AsyncGenerator[Event, None]:
        """The merged stream; ends only when its reader stops reading. Call it once."""
        for endpoint in list(self._endpoints.values()):
            self.watch(endpoint)
        try:
            while True:
                event = await self._queue.get()
                if event.node == SUPERVISOR and event.kind == "process":
                    self._follow_process(event.data)
                yield event
        finally:
            await self.aclose()

    def watch(self, endpoint: Endpoint) -> None:
        """Follow a participant from now on, at this address; one that is followed already is tried at once."""
        self._endpoints[endpoint.name] = endpoint
        follower = self._followers.get(endpoint.name)
        if follower is not None and follower.endpoint.url == endpoint.url:
            follower.retry_now()
            return
        if follower is not None:
            self._tasks.pop(endpoint.name).cancel()
        follower = _Follower(endpoint, self._connect, self._locate, self._queue, self._jitter)
        self._followers[endpoint.name] = follower
        self._tasks[endpoint.name] = asyncio.create_task(follower.run(), name=f"events of {endpoint.name}")

    async def aclose(self) -> None:
        """Close every stream."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        self._followers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow_process(self, data: dict[str, Any]) -> None:
        """A provider that has just come up is worth an attempt at once."""
        if data.get("part") != "provider" or data.get("state") != "running":
            return
        name = str(data.get("name"))
        endpoint = self._endpoints.get(name) or self._locate(name)
        if endpoint is not None and not (name in self._followers and self._followers[name].connected):
            self.watch(endpoint)


class _Follower:
    """Keeps one stream open."""

    def __init__(
        self,
        endpoint: Endpoint,
        connect: Callable[[str], EventClient],
        locate: Callable[[str], Endpoint | None],
        queue: asyncio.Queue[Event],
        jitter: random.Random,
    ) -> None:
        self.endpoint = endpoint
        self.connected = False
        self._connect = connect
        self._locate = locate
        self._queue = queue
        self._jitter = jitter
        self._wake = asyncio.Event()
        self._peer = endpoint.peer
        self._last: int | None = None
        self._failures = 0

    def retry_now(self) -> None:
        """Do not sit out the back-off: there is reason to believe that the other side is up."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        while True:
            reason = await self._stream()
            self._failures += 1
            if self._failures > 1:
                # Nobody listens there any more: whoever does next is another process and counts from one.
                self._last = None
            delay_s = self._delay_s()
            state = "lost" if self._failures >= LOST_AFTER else "stale"
            await self._report(state, retry_ms=round(delay_s * 1000), reason=reason)
            self._wake.clear()
            # Not `wait_for`: until Python 3.12 it swallows a cancellation that meets the wake-up.
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            self._find()

    def _find(self) -> None:
        """Look where the other side is by now; at another address it counts its events from one."""
        found = self._locate(self.endpoint.name)
        if found is not None and found.url != self.endpoint.url:
            self.endpoint, self._peer, self._last = found, found.peer, None

    async def _stream(self) -> str:
        """Pass events on until the stream ends; why it did, in one line."""
        resumed_from = self._last
        try:
            async with aclosing(self._connect(self.endpoint.url).events(resumed_from)) as events:  # type: ignore[type-var]
                async for event in events:
                    if not self.connected:
                        await self._begin(event, resumed_from)
                    elif self._last is not None and event.seq < self._last:
                        # We fell behind what the other side keeps: it starts over with all views.
                        await self._report("live", fresh=True)
                    if self._believable(event):
                        self._last = event.seq
                        await self._queue.put(event)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever the client could not do, the answer is the same: try again
            return str(error) or type(error).__name__
        finally:
            self.connected = False
        return "the stream ended"

    async def _begin(self, first: Event, resumed_from: int | None) -> None:
        self.connected = True
        self._failures = 0
        if self.endpoint.name != SUPERVISOR:
            self._peer = self._peer or first.node
        fresh = resumed_from is None or first.seq <= resumed_from
        await self._report("live", fresh=fresh)

    def _believable(self, event: Event) -> bool:
        """A participant speaks for itself and about the mesh, the supervisor about the operator's side."""
        if self.endpoint.name == SUPERVISOR:
            return event.node == SUPERVISOR
        return event.node == self._peer and event.kind not in OPERATOR_KINDS

    def _delay_s(self) -> float:
        delay_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (self._failures - 1))
        return delay_s * self._jitter.uniform(0.5, 1.5)

    async def _report(self, state: str, *, fresh: bool = False, retry_ms: int = 0, reason: str = "") -> None:
        data = {
            "node": self.endpoint.name,
            "peer": self._peer,
            "state": state,
            "fresh": fresh,
            "retry_ms": retry_ms,
            "reason": reason,
        }
        await self._queue.put(Event(0, time.time() * 1000, SUPERVISOR, "source", data))
