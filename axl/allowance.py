"""How often something may happen: a token bucket."""

from __future__ import annotations


class Allowance:
    """`rate` per second in the long run, at most `burst` at once. Time is handed in, in seconds."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def debt_s(self, count: int, now: float) -> float:
        """Take `count`; by how many seconds that was too early, 0 if it was not."""
        self._refill(now)
        self._left -= count
        return max(0.0, -self._left / self._rate)

    def permits(self, now: float) -> bool:
        """Take one if there is one."""
        self._refill(now)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _refill(self, now: float) -> None:
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
