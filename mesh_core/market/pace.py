"""How quickly a node's own jobs end: when to come back, for whoever is turned away."""

from __future__ import annotations

import math
from collections import deque

_REMEMBERED = 64


class Pace:
    """The newest ends of jobs. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_REMEMBERED)

    def ended(self, now: float) -> None:
        """One more job is decided."""
        self._ends.append(now)

    def wait_s(self, now: float, jobs: int) -> int | None:
        """Whole seconds in which so many jobs more should have ended; None when too few have to tell.

        The time since the last one counts as well: a mesh that stands still is not quick.
        """
        if len(self._ends) < 2 or now <= self._ends[0]:
            return None
        return math.ceil(jobs * (now - self._ends[0]) / len(self._ends))
