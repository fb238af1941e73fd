"""An outsider on the network: it holds no key of the mesh, but records, replays, alters and invents frames."""

from __future__ import annotations

from collections import deque
from random import Random

from mesh_core.effects import PeerId
from mesh_core.simulation.world import World

_RECORDED = 64


class Outsider:
    """Sends about `per_second` hostile frames to random hosts until `until`."""

    def __init__(self, world: World, rng: Random, *, per_second: float, until: float) -> None:
        self._world = world
        self._rng = rng
        self._gap_s = 1.0 / per_second
        self._until = until
        self._recorded: deque[bytes] = deque(maxlen=_RECORDED)
        world.tap = self._record
        self._next()

    def _record(self, _sender: PeerId, _receiver: PeerId, frame: bytes) -> None:
        self._recorded.append(frame)

    def _next(self) -> None:
        self._world.schedule.after(self._rng.expovariate(1.0) * self._gap_s, self._strike)

    def _strike(self) -> None:
        if self._world.now > self._until:
            return
        name = self._rng.choice(list(self._world.hosts))
        self._world.inject(name, self._frame())
        self._next()

    def _frame(self) -> bytes:
        """A frame seen before, the same with one bit flipped or its end cut off, or noise."""
        kind = self._rng.randrange(4)
        if kind == 0 or not self._recorded:
            return self._rng.randbytes(self._rng.randrange(200))
        frame = self._rng.choice(self._recorded)
        if kind == 1:
            return frame
        place = self._rng.randrange(len(frame))
        if kind == 2:
            return frame[:place]
        return frame[:place] + bytes([frame[place] ^ 1 << self._rng.randrange(8)]) + frame[place + 1 :]
