"""What happens to a frame between two hosts: lost, late, twice, overtaken, stuck in a queue, cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TypeAlias

from mesh_core.effects import PeerId

Link: TypeAlias = tuple[PeerId, PeerId]
"""One direction: from a sender to a receiver."""

QUEUE_S = 5.0
"""What would wait longer than this on a clogged link is dropped."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is. Shares are probabilities per frame, times are seconds.

    A frame takes `delay_s` plus an exponential time with mean `jitter_s`; `straggling` of the frames take up
    to `straggle_s` longer, which is how frames overtake each other by far.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay_s: float = 0.0005
    jitter_s: float = 0.001
    straggling: float = 0.0
    straggle_s: float = 1.5


CALM = Weather()


@dataclass(slots=True)
class _Clogged:
    """A link with little bandwidth: frames leave it one after the other, the next from `free_at` on."""

    bytes_per_s: float
    free_at: float = 0.0

    def wait_s(self, now: float, size: int) -> float | None:
        """How long a frame of `size` bytes takes through the queue; None when the queue is full."""
        free_at = max(now, self.free_at)
        if free_at - now > QUEUE_S:
            return None
        self.free_at = free_at + size / self.bytes_per_s
        return self.free_at - now


class Network:
    """Decides the fate of each frame, by a generator of its own.

    A link may be cut for several reasons at once: it works again when each of them is mended.
    """

    def __init__(self, rng: Random, weather: Weather = CALM) -> None:
        self.weather = weather
        self._rng = rng
        self._cut: Counter[Link] = Counter()
        self._cuts: dict[int, tuple[Link, ...]] = {}
        self._serials = count(1)
        self._clogged: dict[Link, _Clogged] = {}

    def connected(self, sender: PeerId, receiver: PeerId) -> bool:
        """Whether frames can pass from `sender` to `receiver` at all."""
        return (sender, receiver) not in self._cut

    def cut(self, links: Iterable[Link]) -> int:
        """Let nothing pass on these links; returns the number by which to `mend` them."""
        number = next(self._serials)
        self._cuts[number] = tuple(links)
        self._cut.update(self._cuts[number])
        return number

    def mend(self, number: int) -> bool:
        """Undo one `cut`; False when `heal` has done so meanwhile."""
        links = self._cuts.pop(number, None)
        for link in links or ():
            self._cut[link] -= 1
            if not self._cut[link]:
                del self._cut[link]
        return links is not None

    def clog(self, link: Link, bytes_per_s: float) -> None:
        """Give a link little bandwidth: a queue builds up in front of it."""
        self._clogged[link] = _Clogged(bytes_per_s)

    def unclog(self, link: Link) -> None:
        """Give a link its bandwidth back; what is in its queue still takes its time."""
        self._clogged.pop(link, None)

    def heal(self) -> None:
        """Mend all links."""
        self._cut.clear()
        self._cuts.clear()
        self._clogged.clear()

    def arrivals(self, now: float, sender: PeerId, receiver: PeerId, size: int) -> list[float]:
        """Delays after which copies of a frame of `size` bytes arrive; empty when it is lost."""
        weather, rng = self.weather, self._rng
        if (sender, receiver) in self._cut or rng.random() < weather.loss:
            return []
        clogged = self._clogged.get((sender, receiver))
        queued_s = clogged.wait_s(now, size) if clogged else 0.0
        if queued_s is None:
            return []
        delays = [queued_s + self._delay()]
        if weather.duplication and rng.random() < weather.duplication:
            delays.append(queued_s + self._delay())
        return delays

    def _delay(self) -> float:
        weather, rng = self.weather, self._rng
        delay = weather.delay_s + rng.expovariate(1.0) * weather.jitter_s
        if weather.straggling and rng.random() < weather.straggling:
            delay += rng.random() * weather.straggle_s
        return delay


def between(groups: Sequence[Iterable[PeerId]]) -> list[Link]:
    """Every link between two different groups, in both directions; inside a group nothing changes."""
    sides = [list(group) for group in groups]
    return [
        link
        for index, side in enumerate(sides)
        for other in sides[index + 1 :]
        for a in side
        for b in other
        for link in ((a, b), (b, a))
    ]
