"""A probe time-out that fits the network: the 99th percentile of recent round trips (Lifeguard §III)."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 128
QUANTILE = 0.99
LONGEST = 3.0
"""The time-out grows to this multiple at most: who answers late on purpose cannot blind the others."""


class RoundTrips:
    """The last 128 round trips of direct probes, late ones included. `shortest_s` is the time-out to begin with."""

    def __init__(self, shortest_s: float) -> None:
        self._shortest_s = shortest_s
        self._samples_s: deque[float] = deque(maxlen=WINDOW)
        self._timeout_s: float | None = shortest_s

    def add(self, seconds: float) -> None:
        """One more round trip."""
        self._samples_s.append(seconds)
        self._timeout_s = None

    @property
    def timeout_s(self) -> float:
        """How long an answer may take."""
        if self._timeout_s is None:
            ordered = sorted(self._samples_s)
            quantile_s = ordered[math.ceil(QUANTILE * len(ordered)) - 1]
            self._timeout_s = min(max(self._shortest_s, quantile_s), LONGEST * self._shortest_s)
        return self._timeout_s
