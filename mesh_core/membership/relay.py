"""Probing for others: SWIM's indirect probe with Lifeguard's NACK."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.members import Roster
from mesh_core.wire.messages import Ack, Nack, Ping

NACK_AFTER = 0.8
"""Part of the probe time-out after which a relay says that it is alive itself."""


@dataclass(frozen=True, slots=True)
class _Errand:
    origin: PeerId
    number: int
    target: PeerId


@dataclass(eq=False)
class Relays:
    """Probes on behalf of others. An answer after the NACK is still passed on; the oldest errand is forgotten."""

    _context: Context
    _roster: Roster
    _gossiper: Gossiper
    _numbers: Iterator[int]

    def __post_init__(self) -> None:
        self._errands: OrderedDict[int, _Errand] = OrderedDict()

    def accept(self, now: float, origin: PeerId, number: int, target: PeerId, timeout_s: float) -> None:
        """Probe `target` for `origin`; a target unknown here is answered with a NACK at once."""
        if self._roster.get(target) is None:
            self._context.send_at_once(origin, Nack(number))
            return
        own = next(self._numbers)
        self._errands[own] = _Errand(origin, number, target)
        if len(self._errands) > limit("relays_max"):
            oldest, _ = self._errands.popitem(last=False)
            self._context.timers.clear(("membership", "relay", oldest))
        self._context.timers.set(("membership", "relay", own), now + NACK_AFTER * timeout_s)
        self._context.send_at_once(target, Ping(own, self._gossiper.urgent(target)))

    def on_ack(self, sender: PeerId, number: int) -> bool:
        """Pass the target's answer on; False when this is no answer to an errand."""
        errand = self._errands.get(number)
        if errand is None or errand.target != sender:
            return False
        del self._errands[number]
        self._context.timers.clear(("membership", "relay", number))
        self._context.send_at_once(errand.origin, Ack(errand.number, self._gossiper.carry(errand.origin)))
        return True

    def fire(self, number: int) -> None:
        """The target has not answered in time."""
        errand = self._errands.get(number)
        if errand is not None:
            self._context.send_at_once(errand.origin, Nack(errand.number))
