"""Virtual time: a heap of what happens next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Schedule:
    """Calls ordered by time, then by when they were scheduled; `now` is in simulated seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, call: Callable[..., None], *args: Any) -> None:
        """Call at `when`, or at once if that is past."""
        self._serial += 1
        heapq.heappush(self._heap, (max(when, self.now), self._serial, call, args))

    def after(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        """Call `seconds` from now."""
        self.at(self.now + seconds, call, *args)

    def run_until(self, when: float) -> None:
        """Make all calls due up to `when`, then let `now` be `when`."""
        heap = self._heap
        while heap and heap[0][0] <= when:
            self.now, _, call, args = heapq.heappop(heap)
            call(*args)
        self.now = max(self.now, when)
