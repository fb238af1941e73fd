"""The supervisor's own stream of events: views of its processes and moments, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.supervisor.schema import SUPERVISOR

RING_EVENTS = 1024
SUBSCRIBER_EVENTS = 1024
KEEP_ALIVE_S = 15.0

Views = Callable[[], Iterable[tuple[str, object]]]
"""(kind, data) of everything there is to show now."""


class EventLog:
    """The last `RING_EVENTS` events, and everyone who listens.

    A listener that falls `SUBSCRIBER_EVENTS` behind is disconnected; it comes back with its Last-Event-ID.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._seq = int(time.time() * 1000)  # grows from one supervisor of a mesh to the next
        self._ring: deque[Event] = deque(maxlen=RING_EVENTS)
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def emit(self, kind: str, data: object) -> None:
        """Tell everyone."""
        self._seq += 1
        event = _event(self._seq, kind, data)
        self._ring.append(event)
        for listener in list(self._listeners):
            if listener.full():
                self._listeners.discard(listener)
                listener.get_nowait()
                listener.put_nowait(None)
            else:
                listener.put_nowait(event)

    async def stream(self, last_seen: int | None) -> AsyncGenerator[bytes, None]:
        """Server-sent events: what was missed since `last_seen`, or all views, then what happens."""
        listener: asyncio.Queue[Event | None] = asyncio.Queue(SUBSCRIBER_EVENTS)
        missed = self._missed(last_seen)
        self._listeners.add(listener)
        try:
            for event in missed:
                yield _line(event)
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        event_or_end = await listener.get()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event_or_end is None:
                    return
                yield _line(event_or_end)
        finally:
            self._listeners.discard(listener)

    def _missed(self, last_seen: int | None) -> list[Event]:
        oldest = self._ring[0].seq if self._ring else self._seq + 1
        if last_seen is not None and oldest - 1 <= last_seen <= self._seq:
            return [event for event in self._ring if event.seq > last_seen]
        return [_event(self._seq, kind, data) for kind, data in self._views()]


def _event(seq: int, kind: str, data: object) -> Event:
    return Event(seq, time.time() * 1000, SUPERVISOR, kind, msgspec.to_builtins(data))


def _line(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode(), msgspec.json.encode(event))
