"""Hints from AXL: whose links are up, and where a client reads. A hint, never a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.departed import Departed
from mesh_core.membership.joins import Joins
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.probe import Prober


@dataclass(eq=False)
class Neighbours:
    """Compares what `/topology` shows with what it showed before.

    A member that dropped out or whose client is gone is probed every way; a dead one that is there again is told that
    it is held for dead.
    """

    _context: Context
    _roster: Roster
    _joins: Joins
    _prober: Prober
    _departed: Departed

    def __post_init__(self) -> None:
        self._attached: dict[PeerId, bool] = {}

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._attached

    def changed(self, now: float, attached: Mapping[PeerId, bool]) -> None:
        """Take in what `/topology` shows now."""
        before = self._attached
        self._attached = {peer: value for peer, value in attached.items() if peer != self._context.me}
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
            self._context.outbox.notify("neighbour_lost", after_disk=False, peer=peer)
        elif is_new:
            self._context.outbox.notify("neighbour_found", after_disk=False, peer=peer)
        elif not is_attached:
            self._context.outbox.notify("client_detached", after_disk=False, peer=peer)
        member = self._roster.get(peer)
        if member is not None:
            self.mark(member)
            self._roster.enter(now, member, member.state)
            if not is_attached:
                self._prober.probe_every_way(now, peer)
            elif member.state == "dead":
                self._departed.contact(now, member)
            elif member.proven_since is None:
                self._prober.probe(now, peer)
        elif is_attached is not None:
            self._joins.again(now, peer)
