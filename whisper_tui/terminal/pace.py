"""How much is sent to the terminal before it is asked whether it has come: as much as a slow link carries while nobody
notices, so that the answer to a key never waits behind more than that."""

from __future__ import annotations

from collections import deque
from typing import Final

PIECE_S: Final = 0.02
"""A piece is meant to be under way for so long, beside what the way there and back takes anyway."""

SLACK_S: Final = 0.015
"""A piece that took no longer than this beside the shortest one says nothing against larger ones."""

BYTES_MIN: Final = 160
BYTES_MAX: Final = 64 << 10

WINDOW_S: Final = 30.0
"""The shortest round trip of this time is taken for what the way takes anyway."""


class Pace:
    """Learns from pieces that have arrived how large the next may be. Before the first has, all goes at once: there is
    nothing on the screen that somebody could have pressed a key for."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """Bytes of the next piece; None for all there is."""
        self._rounds: deque[tuple[float, float]] = deque(maxlen=1_024)

    def late(self) -> None:
        """The first answer has come when nobody waited for it any more: the link is slow."""
        self.limit = BYTES_MIN

    def arrived(self, now: float, size: int, took: float) -> None:
        """A piece of `size` bytes has been answered for at `now` (s), after `took` seconds."""
        while self._rounds and now - self._rounds[0][0] > WINDOW_S:
            self._rounds.popleft()
        if self.limit is None:
            self.limit = _within(size * PIECE_S / took) if took > PIECE_S else BYTES_MAX
            return
        self._rounds.append((now, took))
        beyond = took - min(earlier for _, earlier in self._rounds)
        if beyond > SLACK_S:
            self.limit = _within(size * PIECE_S / beyond)
        elif 2 * size >= self.limit and took < 2 * PIECE_S + 2 * beyond:
            self.limit = _within(2 * self.limit)
        elif 2 * size >= self.limit and len(self._rounds) > 1:
            self.limit = _within(self.limit * 1.25)  # a long way, or a slow one: gently


def _within(size: float) -> int:
    return int(min(BYTES_MAX, max(BYTES_MIN, size)))
