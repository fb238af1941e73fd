"""This node's own presence: what it says of itself, to whom, and how it answers accusations."""

from __future__ import annotations

from collections.abc import Callable

from mesh_core.config import Timing, limit
from mesh_core.effects import Outbox, PeerId
from mesh_core.identity.crypto import Rng
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.local_health import LocalHealth
from mesh_core.membership.members import NEVER, Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.timers import Timers
from mesh_core.wire.messages import Gossip
from mesh_core.wire.statements import Announcement

_REFUTE = ("membership", "refute")


class Presence:
    """Makes new statements of this node's own and tells them directly: to all in a small mesh, to some in a
    large one. `counts` says whether an accuser is to be taken seriously."""

    def __init__(
        self,
        *,
        me: PeerId,
        timing: Timing,
        rng: Rng,
        timers: Timers,
        outbox: Outbox,
        roster: Roster,
        gossiper: Gossiper,
        health: LocalHealth,
        own: OwnStatement,
        counts: Callable[[float, PeerId], bool],
    ) -> None:
        self._me = me
        self._timing = timing
        self._rng = rng
        self._timers = timers
        self._outbox = outbox
        self._roster = roster
        self._gossiper = gossiper
        self._health = health
        self._own = own
        self._counts = counts
        self.outlived = False
        self._refuted_at = NEVER
        self._accused_by = (me, me)

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
            self._outbox.send(member.peer, Gossip((self._own.update,)), after_disk=False)

    def accused(self, now: float, sender: PeerId, by: PeerId) -> None:
        """Refute an accusation of this incarnation signed `by` a member and passed on by `sender`.

        Not more often than once per probe time-out: a refutation costs everybody a message.
        """
        self._accused_by = (sender, by)
        if now < self._refuted_at + self._timing.probe_timeout_s:
            self._timers.set(_REFUTE, self._refuted_at + self._timing.probe_timeout_s)
        else:
            self.fire(now)

    def fire(self, now: float) -> None:
        """Refute now. Whoever is believed to have accused this node worsens its local health."""
        sender, by = self._accused_by
        self._refuted_at = now
        self._own.outbid(self._own.incarnation)
        if self._counts(now, by):
            self._health.worsen()
        self._publish(now, sender)
        self._outbox.notify("refuted", after_disk=False, incarnation=self._own.incarnation, by=by)

    def _publish(self, now: float, *also: PeerId) -> None:
        self._timers.clear(_REFUTE)
        self._gossiper.tell(now, self._me, self._me, self._own.update)
        live = [member.peer for member in self._roster.live()]
        told = set(self._rng.sample(live, min(limit("direct_mesh_max"), len(live)))).union(also)
        for peer in sorted(told):
            self._outbox.send(peer, Gossip((self._own.update,)), after_disk=False)
