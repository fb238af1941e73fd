"""Named deadlines of a sans-I/O machine.

A timer is a key and a deadline; setting it again moves it, clearing it is enough to forget it. The
runtime asks for the next deadline and steps the node when it has passed (as `poll_timeout` in quinn-proto).
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator


class Timers:
    """A heap of (deadline, key) in which each key has at most one live deadline.

    Moved and cleared entries stay in the heap until they surface; the heap is rebuilt when they outnumber
    the live ones, so memory stays proportional to the number of live timers.
    """

    def __init__(self) -> None:
        self._deadline: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._deadline)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._deadline

    def set(self, key: Hashable, at: float) -> None:
        """Let `key` fire at `at` (seconds on the node's monotonic clock), replacing its old deadline."""
        self._serial += 1
        self._deadline[key] = (at, self._serial)
        heapq.heappush(self._heap, (at, self._serial, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._deadline):
            self._heap = [(when, serial, key) for key, (when, serial) in self._deadline.items()]
            heapq.heapify(self._heap)

    def clear(self, key: Hashable) -> None:
        """Forget `key`; nothing happens if it is not set."""
        self._deadline.pop(key, None)

    def deadline(self, key: Hashable) -> float | None:
        """When `key` fires, or None."""
        entry = self._deadline.get(key)
        return entry[0] if entry else None

    def next_deadline(self) -> float | None:
        """The earliest deadline, or None when no timer is set."""
        while self._heap:
            at, serial, key = self._heap[0]
            if self._deadline.get(key) == (at, serial):
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Hashable]:
        """Take out and yield the keys whose deadline has passed, earliest first.

        A key that an earlier one of this pass clears or moves is not yielded; a key set during the pass
        waits for the next call, so a pass is bounded by the timers that were due when it began. Whoever
        stops early leaves the rest due.
        """
        ready: list[tuple[float, int, Hashable]] = []
        while (at := self.next_deadline()) is not None and at <= now:
            ready.append(heapq.heappop(self._heap))
        for entry in ready:
            heapq.heappush(self._heap, entry)
        for at, serial, key in ready:
            if self._deadline.get(key) == (at, serial):
                del self._deadline[key]
                yield key
