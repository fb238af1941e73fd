"""The clocks of one simulated host: wrong in every way that clocks are."""

from __future__ import annotations

WALL_EPOCH_MS = 1_760_000_000_000
"""Where all wall clocks begin; only differences matter."""


class HostClock:
    """A monotonic clock that starts anew at each boot and a wall clock that may jump.

    `rate` is local seconds per true second; `offset_s` is how far the wall clock is ahead at the beginning.
    Times named `at` are true simulated seconds.
    """

    def __init__(self, rate: float = 1.0, offset_s: float = 0.0) -> None:
        self._rate = rate
        self._offset_s = offset_s
        self._booted_at = 0.0
        self._base = 0.0

    def boot(self, at: float, base: float) -> None:
        """Restart the monotonic clock: it shows `base` at `at`."""
        self._booted_at = at
        self._base = base

    def monotonic(self, at: float) -> float:
        """What the monotonic clock shows, in seconds."""
        return self._base + (at - self._booted_at) * self._rate

    def when(self, monotonic: float) -> float:
        """The true time at which the monotonic clock shows `monotonic`."""
        return self._booted_at + (monotonic - self._base) / self._rate

    def bend(self, at: float, rate: float) -> None:
        """Run at another rate from now on, as under a time service that slews; neither clock jumps."""
        self._offset_s += at * (self._rate - rate)
        self.boot(at, self.monotonic(at))
        self._rate = rate

    def wall_ms(self, at: float) -> int:
        """What the wall clock shows, in milliseconds."""
        return WALL_EPOCH_MS + int((at * self._rate + self._offset_s) * 1000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward (or back); the monotonic clock does not notice."""
        self._offset_s += seconds
