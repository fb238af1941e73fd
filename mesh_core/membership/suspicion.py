"""How long a member stays suspect: Lifeguard's shrinking deadline (Dadgar et al. 2017, §III-B)."""

from __future__ import annotations

import math

from mesh_core.config import Timing

CONFIRMATIONS = 2
"""Independent accusers, besides the first, that bring a suspicion down to its minimum."""


def shortest_s(timing: Timing, size: int) -> float:
    """The minimum in a mesh of `size` members: it grows with the time that news takes to spread."""
    return timing.suspicion_min_s * max(1.0, math.log10(size))


class Suspicion:
    """One suspicion of one incarnation, begun at `started`.

    `live` counts the other members that could confirm it: with none, nothing can shorten it and it begins at
    its minimum.
    """

    def __init__(self, *, started: float, shortest_s: float, longest_s: float, live: int) -> None:
        self.started = started
        self.shortest_s = shortest_s
        self._longest_s = longest_s
        self._wanted = min(CONFIRMATIONS, live)
        self._not_before = started
        self.due = started + self._longest_s
        """When its timer fires: the deadline, but never before the accusation that moved it."""

    def has_room(self, accusers: int) -> bool:
        """Whether one more accuser than `accusers` would still shorten it."""
        return accusers <= self._wanted

    def deadline(self, accusers: int) -> float:
        """When the member is dead, with `accusers` independent accusers in all (at least one)."""
        if self._wanted == 0:
            return max(self._not_before, self.started + self.shortest_s)
        confirmed = min(accusers - 1, self._wanted)
        shrunk = math.log(confirmed + 1) / math.log(self._wanted + 1)
        lasts_s = self._longest_s - (self._longest_s - self.shortest_s) * shrunk
        return max(self._not_before, self.started + lasts_s)

    def hold(self, until: float) -> None:
        """Do not end before `until`: this node was stalled, and a refutation may be on its way."""
        self._not_before = until
