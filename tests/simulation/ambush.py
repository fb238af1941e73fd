"""Trouble at the worst moment: right when a vote, a proposal or a lease has become durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from mesh_core.effects import Notify, PutMeta, PutVote, Write
from mesh_core.simulation.host import Host

QUERY = "query"
"""A query has changed, as when it is submitted."""

PHASES = ("promise", "propose", "propose", "accept", "accept", "settle", "release", QUERY)
"""What an ambush may wait for; proposals and accept votes are where a rescuer must adopt."""


class Ambush:
    """A watcher that strikes up to `strikes` times; `odds` is the chance at each write of `phase`.

    It strikes while that is being written when `early`, else once it is durable.
    """

    def __init__(
        self,
        rng: Random,
        *,
        phase: str,
        strikes: int,
        odds: float,
        early: bool,
        strike: Callable[[str], None],
    ) -> None:
        self._rng = rng
        self._phase = phase
        self._strikes = strikes
        self._odds = odds
        self._early = early
        self._strike = strike

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        """Strike `host`, perhaps, for it is voting."""
        if self._early:
            self._look(host, writes)

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """Strike `host`, perhaps, for it has voted."""
        if not self._early:
            self._look(host, writes)

    def notified(self, host: Host, notify: Notify) -> None:
        """Reports are no occasion."""

    def _look(self, host: Host, writes: Sequence[Write]) -> None:
        for write in writes:
            if self._strikes > 0 and _phase(write) == self._phase and self._rng.random() < self._odds:
                self._strikes -= 1
                self._strike(host.name)


def _phase(write: Write) -> str:
    match write:
        case PutVote(phase=phase):
            return phase
        case PutMeta(key=key) if key.startswith("query:"):
            return QUERY
    return ""
