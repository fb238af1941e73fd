"""Full-state exchange: all one knows for all the other knows (SWIM leaves it out; Serf and memberlist have it)."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.wire.messages import Exchange
from mesh_core.wire.portions import portions


@dataclass(eq=False)
class Exchanger:
    """Sends the whole table. Only members that this node has reached itself are passed on: neither an invented
    member nor one that all others have forgotten can live on by hearsay."""

    _context: Context
    _roster: Roster
    _own: OwnStatement

    def ask(self, now: float, peer: PeerId) -> None:
        """Send everything to `peer`, member or not, and ask for the same."""
        self._send(now, peer, reply=True)

    def answer(self, now: float, member: Member) -> None:
        """Answer a member that asked, at most once per probe time-out: the answer may be much larger."""
        if now - member.exchanged >= self._context.timing.probe_timeout_s:
            member.exchanged = now
            self._send(now, member.peer, reply=False)

    def _send(self, now: float, to: PeerId, *, reply: bool) -> None:
        gone_since = now - self._context.timing.dead_memory_s / 2
        updates = [self._own.update]
        for member in self._roster.by_id.values():
            if member.proven_since is not None and (member.is_live or member.since > gone_since):
                updates.extend(member.updates())
        parts = list(portions(updates, lambda update: len(update.signed), limit("updates_per_message_max")))
        for part in parts:
            self._context.send_at_once(to, Exchange(part, reply and part is parts[-1]))
