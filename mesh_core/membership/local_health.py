"""How well this node itself keeps up: Lifeguard's local health multiplier (Dadgar et al. 2017, §III-A)."""

from __future__ import annotations

WORST = 7


class LocalHealth:
    """0 is well, 7 is worst: this node then probes at an eighth of its pace and waits eight times as long.

    It is worsened by probes to which no relay answered either, and by having to refute; not by every failed
    probe: with half the mesh dying, that would slow down those who are left.
    """

    def __init__(self) -> None:
        self.score = 0

    def worsen(self) -> None:
        """Something suggests that this node, not the others, is slow."""
        self.score = min(WORST, self.score + 1)

    def improve(self) -> None:
        """A probe succeeded."""
        self.score = max(0, self.score - 1)

    @property
    def stretch(self) -> int:
        """What own probe periods and time-outs are multiplied with."""
        return 1 + self.score
