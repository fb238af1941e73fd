"""Clocks of a real process. The protocol runs on the monotonic one; the wall clock is for display only."""

from __future__ import annotations

import time

JUMP_S = 2.0
"""A wall clock that moves this much against the monotonic one was set by somebody; drift never gets there."""


class Clock:
    """Reads both clocks and notices when the wall clock jumps."""

    def __init__(self) -> None:
        self._offset = self._current_offset()

    def now(self) -> float:
        """Seconds that only ever grow: the core's `now`, the same clock as the event loop's."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Milliseconds since 1970, as this machine believes."""
        return time.time_ns() // 1_000_000

    def jump_s(self) -> float:
        """By how many seconds the wall clock has jumped since the last call, 0.0 when it has not."""
        offset = self._current_offset()
        jump, self._offset = offset - self._offset, offset
        return jump if abs(jump) >= JUMP_S else 0.0

    def _current_offset(self) -> float:
        return time.time() - time.monotonic()
