"""Whose turn it is to be probed: round robin in shuffled order (SWIM §4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mesh_core.crypto import Rng
from mesh_core.effects import PeerId


class Rotation:
    """Everybody is probed once per round, so the time to notice a death is bounded, not only likely."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._left: list[PeerId] = []

    def add(self, peer: PeerId) -> None:
        """Give a newcomer a random place in this round."""
        self._left.insert(self._rng.randrange(len(self._left) + 1), peer)

    def next(
        self, everyone: Callable[[], Iterable[PeerId]], wanted: Callable[[PeerId], bool]
    ) -> PeerId | None:
        """The next peer that is `wanted`, or None; a new round is made of `everyone`."""
        peer = self._draw(wanted)
        if peer is None:
            self._left = list(everyone())
            self._rng.shuffle(self._left)
            peer = self._draw(wanted)
        return peer

    def _draw(self, wanted: Callable[[PeerId], bool]) -> PeerId | None:
        while self._left:
            peer = self._left.pop()
            if wanted(peer):
                return peer
        return None
