"""When to step the core with `Tick()`: at its next deadline, but never before its inbox has been drained.

A process that was held up (starved, swapped, stopped by a signal) finds its timers overdue and, in the kernel
and in its AXL node, the very answers those timers wait for. Judging the timers first would call healthy peers
dead. So a timer that fires late is put aside while frames still come in: until none has come for as long as
the timer was late, and at most twice that long, within bounds. One that fires in time costs a single comparison.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LATE_S = 0.005
"""The event loop's own granularity; less is no delay."""

QUIET_MAX_S = 0.03
"""An AXL node that has something for us delivers it faster than this after a stall."""

DRAIN_MAX_S = 0.25
"""A stream of frames without end must not keep timers from being judged, however late they are already."""


class Alarm:
    """One timer of the event loop that follows the core's next deadline.

    `tick` is called when the deadline has passed and the inbox is empty; it returns the next deadline. `frames`
    counts the frames handled so far. `held_up` hears of every delay in seconds.
    """

    def __init__(
        self, tick: Callable[[], float | None], frames: Callable[[], int], held_up: Callable[[float], None]
    ) -> None:
        self._tick = tick
        self._frames = frames
        self._held_up = held_up
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._deadline = float("inf")
        self._seen = 0
        self._drained_by = 0.0
        self._draining = False

    def arm(self, deadline: float | None) -> None:
        """Tick no later than `deadline`. A later one than is set is left to the earlier tick to find out."""
        if deadline is None or deadline >= self._deadline or self._draining:
            return
        self._set(deadline, self._fire)
        self._deadline = deadline

    def close(self) -> None:
        """Never tick again."""
        self._draining = True
        if self._handle is not None:
            self._handle.cancel()

    def _set(self, when: float, call: Callable[[], None]) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(when, call)

    def _fire(self) -> None:
        now = self._loop.time()
        late_s = now - self._deadline
        if late_s <= LATE_S:
            self._end()
            return
        self._held_up(late_s)
        self._draining = True
        self._drained_by = now + min(2 * late_s, DRAIN_MAX_S)
        self._await_quiet(now, min(late_s, QUIET_MAX_S))

    def _await_quiet(self, now: float, quiet_s: float) -> None:
        self._seen = self._frames()
        self._set(now + quiet_s, lambda: self._judge(now + quiet_s, quiet_s))

    def _judge(self, due: float, quiet_s: float) -> None:
        now = self._loop.time()
        held_up_again = now - due > quiet_s
        if (self._frames() != self._seen or held_up_again) and now < self._drained_by:
            self._await_quiet(now, quiet_s)
        else:
            self._end()

    def _end(self) -> None:
        self._draining = False
        self._deadline = float("inf")
        self.arm(self._tick())
