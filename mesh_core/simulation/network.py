"""What happens to a frame between two hosts: lost, late, twice, overtaken, cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from mesh_core.effects import PeerId

Links: TypeAlias = set[tuple[PeerId, PeerId]]


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


class Network:
    """Decides the fate of each frame, by a generator of its own."""

    def __init__(self, rng: Random, weather: Weather = CALM) -> None:
        self.weather = weather
        self._rng = rng
        self._cut: Links = set()

    def connected(self, sender: PeerId, receiver: PeerId) -> bool:
        """Whether frames can pass from `sender` to `receiver` at all."""
        return (sender, receiver) not in self._cut

    def split(self, groups: Sequence[Iterable[PeerId]]) -> None:
        """Cut all links between different groups; inside a group nothing changes."""
        sides = [list(group) for group in groups]
        for index, side in enumerate(sides):
            for other in sides[index + 1 :]:
                for a in side:
                    for b in other:
                        self.cut(a, b)
                        self.cut(b, a)

    def cut(self, sender: PeerId, receiver: PeerId) -> None:
        """Cut one direction of a link."""
        self._cut.add((sender, receiver))

    def heal(self) -> None:
        """Mend all links."""
        self._cut.clear()

    def arrivals(self, sender: PeerId, receiver: PeerId) -> list[float]:
        """Delays after which copies of a frame arrive; empty when it is lost."""
        weather, rng = self.weather, self._rng
        if (sender, receiver) in self._cut or rng.random() < weather.loss:
            return []
        delays = [self._delay()]
        if weather.duplication and rng.random() < weather.duplication:
            delays.append(self._delay())
        return delays

    def _delay(self) -> float:
        weather, rng = self.weather, self._rng
        delay = weather.delay_s + rng.expovariate(1.0) * weather.jitter_s
        if weather.straggling and rng.random() < weather.straggling:
            delay += rng.random() * weather.straggle_s
        return delay
