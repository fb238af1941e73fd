"""Spreading news: piggybacked on probes and acks, and flushed at once when it is fresh."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.broadcast import Broadcast, transmissions_max
from mesh_core.membership.members import Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.wire.messages import Gossip, Update

FANOUT = 3
"""Members told at a time: six are no quicker, and cost a sixth more messages when frames are lost."""

_FLUSH = ("membership", "gossip")


@dataclass(eq=False)
class Gossiper:
    """Owns the broadcast queue. Without news it sends nothing and sets no timer."""

    _context: Context
    _roster: Roster
    _own: OwnStatement

    def __post_init__(self) -> None:
        self._broadcast = Broadcast()

    def tell(self, now: float, subject: PeerId, author: PeerId, update: Update) -> None:
        """Spread what `author` says of `subject`, beginning as soon as the inbox is drained."""
        self._broadcast.put(subject, author, update)
        self._context.timers.set(_FLUSH, now)

    def retract(self, subject: PeerId) -> None:
        """Stop spreading what has been said of `subject`."""
        self._broadcast.drop(subject)

    def urgent(self, to: PeerId) -> tuple[Update, ...]:
        """What `to` must hear from this node whenever it can: who is speaking, and what there is to refute
        (Lifeguard's buddy system)."""
        member = self._roster.get(to)
        if member is None:
            return ()
        introduction = (self._own.update,) if member.proven_since is None else ()
        return introduction + member.accusing_updates()

    def carry(self, to: PeerId) -> tuple[Update, ...]:
        """What rides along to `to`: what is urgent, and news. Suspects get no news: each telling is counted,
        and those told to the dead would be missing among the living."""
        urgent = self.urgent(to)
        member = self._roster.get(to)
        if not self._broadcast or (member is not None and member.state != "alive"):
            return urgent
        room = limit("updates_piggybacked_max") - len(urgent)
        return urgent + self._broadcast.take(room, transmissions_max(self._roster.size()))

    def fire(self, now: float) -> None:
        """Send news to a few random members, and again one period later while there is any left."""
        alive = [member.peer for member in self._roster.live() if member.state == "alive"]
        for peer in self._context.doors.rng.sample(alive, min(FANOUT, len(alive))):
            if not self._broadcast:
                return
            self._context.send_at_once(peer, Gossip(self.carry(peer)))
        if self._broadcast:
            self._context.timers.set(_FLUSH, now + self._context.timing.gossip_period_s)
