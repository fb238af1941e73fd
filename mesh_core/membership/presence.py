"""This node's own presence: what it says of itself, to whom, and how it answers accusations."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.local_health import LocalHealth
from mesh_core.membership.members import NEVER, Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.membership.suspects import Suspects
from mesh_core.wire.messages import Gossip
from mesh_core.wire.statements import Announcement

_REFUTE = ("membership", "refute")


@dataclass(eq=False)
class Presence:
    """Makes new statements of this node's own and tells them directly: to all in a small mesh, to some in a
    large one."""

    _context: Context
    _roster: Roster
    _gossiper: Gossiper
    _health: LocalHealth
    _own: OwnStatement
    _suspects: Suspects

    def __post_init__(self) -> None:
        self.outlived = False
        self._refuted_at = NEVER
        self._accused_by = (self._context.me, self._context.me)

    def announce(self, now: float, announcement: Announcement) -> None:
        """Say something else of this node from now on."""
        self._own.announce(announcement)
        self._publish(now)

    def outbid(self, now: float, incarnation: int) -> None:
        """Others hold a later incarnation of this node's own: its boot counter was lost. Move past it."""
        self.outlived = True
        self._own.outbid(incarnation)
        self._publish(now)

    def leave(self) -> None:
        """Tell every live member that this node goes on purpose."""
        self._own.leave()
        for member in self._roster.live():
            self._context.send_at_once(member.peer, Gossip((self._own.update,)))

    def accused(self, now: float, sender: PeerId, by: PeerId) -> None:
        """Refute an accusation of this incarnation signed `by` a member and passed on by `sender`.

        Not more often than once per probe time-out: a refutation costs everybody a message.
        """
        self._accused_by = (sender, by)
        if now < self._refuted_at + self._context.timing.probe_timeout_s:
            self._context.timers.set(_REFUTE, self._refuted_at + self._context.timing.probe_timeout_s)
        else:
            self.fire(now)

    def fire(self, now: float) -> None:
        """Refute now. Whoever is believed to have accused this node worsens its local health."""
        sender, by = self._accused_by
        self._refuted_at = now
        self._own.outbid(self._own.incarnation)
        if self._suspects.counts(now, by):
            self._health.worsen()
        self._publish(now, sender)
        self._context.outbox.notify("refuted", after_disk=False, incarnation=self._own.incarnation, by=by)

    def _publish(self, now: float, *also: PeerId) -> None:
        self._context.timers.clear(_REFUTE)
        self._gossiper.tell(now, self._context.me, self._context.me, self._own.update)
        live = [member.peer for member in self._roster.live()]
        told = set(self._context.doors.rng.sample(live, min(limit("direct_mesh_max"), len(live)))).union(also)
        for peer in sorted(told):
            self._context.send_at_once(peer, Gossip((self._own.update,)))
