"""Trouble at the worst moment: right when a vote, a proposal or a lease has become durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from mesh_core.effects import Notify, PutVote, Write
from mesh_core.simulation.host import Host

PHASES = ("promise", "propose", "propose", "accept", "accept", "release")
"""What an ambush may wait for; proposals and accept votes are where a rescuer must adopt."""


class Ambush:
    """A watcher that strikes up to `strikes` times; `odds` is the chance at each vote of `phase`."""

    def __init__(
        self, rng: Random, *, phase: str, strikes: int, odds: float, strike: Callable[[str], None]
    ) -> None:
        self._rng = rng
        self._phase = phase
        self._strikes = strikes
        self._odds = odds
        self._strike = strike

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """Strike `host`, perhaps, for it has voted."""
        for write in writes:
            voted = isinstance(write, PutVote) and write.phase == self._phase
            if voted and self._strikes > 0 and self._rng.random() < self._odds:
                self._strikes -= 1
                self._strike(host.name)

    def notified(self, host: Host, notify: Notify) -> None:
        """Reports are no occasion."""
