"""Hints from AXL: whose links are up, and where a client reads. A hint, never a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mesh_core.effects import Outbox, PeerId
from mesh_core.membership.joins import Joins
from mesh_core.membership.members import Member, Roster


class Neighbours:
    """Compares what `/topology` shows with what it showed before.

    `lost` is called with a member that dropped out or whose client is gone, `back` with a dead member that is
    there again.
    """

    def __init__(
        self,
        *,
        me: PeerId,
        outbox: Outbox,
        roster: Roster,
        joins: Joins,
        lost: Callable[[float, PeerId], None],
        back: Callable[[float, Member], None],
    ) -> None:
        self._me = me
        self._outbox = outbox
        self._roster = roster
        self._joins = joins
        self._lost = lost
        self._back = back
        self._attached: dict[PeerId, bool] = {}

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._attached

    def changed(self, now: float, attached: Mapping[PeerId, bool]) -> None:
        """Take in what `/topology` shows now."""
        before = self._attached
        self._attached = {peer: value for peer, value in attached.items() if peer != self._me}
        for peer in sorted(before.keys() | self._attached.keys()):
            if before.get(peer) != self._attached.get(peer):
                self._link_changed(now, peer, is_new=peer not in before)

    def mark(self, member: Member) -> None:
        """Set a member's link as last seen."""
        member.neighbour = member.peer in self._attached
        member.attached = self._attached.get(member.peer, False)

    def _link_changed(self, now: float, peer: PeerId, *, is_new: bool) -> None:
        is_attached = self._attached.get(peer)
        if is_attached is None:
            self._outbox.notify("neighbour_lost", after_disk=False, peer=peer)
        elif is_new:
            self._outbox.notify("neighbour_found", after_disk=False, peer=peer)
        elif not is_attached:
            self._outbox.notify("client_detached", after_disk=False, peer=peer)
        member = self._roster.get(peer)
        if member is not None:
            self.mark(member)
            self._roster.enter(now, member, member.state)
            if not is_attached:
                self._lost(now, peer)
            elif member.state == "dead":
                self._back(now, member)
        elif is_attached is not None:
            self._joins.again(now, peer)
