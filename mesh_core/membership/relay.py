"""Probing for others: SWIM's indirect probe with Lifeguard's NACK."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.effects import Outbox, PeerId
from mesh_core.membership.members import Roster
from mesh_core.timers import Timers
from mesh_core.wire.messages import Ack, Nack, Ping, Update

NACK_AFTER = 0.8
"""Part of the probe time-out after which a relay says that it is alive itself."""


@dataclass(frozen=True, slots=True)
class _Errand:
    origin: PeerId
    number: int
    target: PeerId


class Relays:
    """Probes on behalf of others. An answer after the NACK is still passed on; the oldest errand is forgotten.

    `urgent` and `carry` give the updates that ride along, to a target that may be dead and to who asked.
    """

    def __init__(
        self,
        *,
        timers: Timers,
        outbox: Outbox,
        roster: Roster,
        numbers: Iterator[int],
        urgent: Callable[[PeerId], tuple[Update, ...]],
        carry: Callable[[PeerId], tuple[Update, ...]],
    ) -> None:
        self._timers = timers
        self._outbox = outbox
        self._roster = roster
        self._numbers = numbers
        self._urgent = urgent
        self._carry = carry
        self._errands: OrderedDict[int, _Errand] = OrderedDict()

    def accept(self, now: float, origin: PeerId, number: int, target: PeerId, timeout_s: float) -> None:
        """Probe `target` for `origin`; a target unknown here is answered with a NACK at once."""
        if self._roster.get(target) is None:
            self._outbox.send(origin, Nack(number), after_disk=False)
            return
        own = next(self._numbers)
        self._errands[own] = _Errand(origin, number, target)
        if len(self._errands) > limit("relays_max"):
            oldest, _ = self._errands.popitem(last=False)
            self._timers.clear(("membership", "relay", oldest))
        self._timers.set(("membership", "relay", own), now + NACK_AFTER * timeout_s)
        self._outbox.send(target, Ping(own, self._urgent(target)), after_disk=False)

    def on_ack(self, sender: PeerId, number: int) -> bool:
        """Pass the target's answer on; False when this is no answer to an errand."""
        errand = self._errands.get(number)
        if errand is None or errand.target != sender:
            return False
        del self._errands[number]
        self._timers.clear(("membership", "relay", number))
        self._outbox.send(errand.origin, Ack(errand.number, self._carry(errand.origin)), after_disk=False)
        return True

    def fire(self, number: int) -> None:
        """The target has not answered in time."""
        errand = self._errands.get(number)
        if errand is not None:
            self._outbox.send(errand.origin, Nack(errand.number), after_disk=False)
