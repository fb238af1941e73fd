"""The dead and the departed: contacted so that a healed split merges, and forgotten in the end."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.membership.members import Member, Roster
from mesh_core.wire.messages import Ping

UNTRACKED = 0
"""Number of a ping whose answer nobody waits for."""

_CONTACT = ("membership", "contact")


@dataclass(eq=False)
class Departed:
    """Looks after members that are gone; without any it does nothing and sets no timer."""

    _context: Context
    _roster: Roster

    def departed(self, now: float) -> None:
        """A member has just died or left. Contacts begin at a random phase: both sides of a split start at once."""
        if _CONTACT not in self._context.timers:
            self._context.timers.set(
                _CONTACT, now + self._context.doors.rng.uniform(0.0, self._context.timing.dead_contact_s)
            )

    def fire(self, now: float) -> None:
        """Contact one random dead member, those first that were ever reached; forget who is long gone."""
        for member in self._roster.gone():
            if now - member.since > self._context.timing.dead_memory_s:
                self._roster.forget(member)
        gone = self._roster.gone()
        dead = [member for member in gone if member.state == "dead"]
        reached = [member for member in dead if member.proven_since is not None]
        if dead:
            self.contact(now, self._context.doors.rng.choice(reached or dead))
        if gone:
            self._context.timers.set(_CONTACT, now + self._context.timing.dead_contact_s)

    def contact(self, now: float, member: Member) -> None:
        """Tell a dead member that it is held for dead, at most once per probe time-out: if it lives, it refutes."""
        if now - member.contacted >= self._context.timing.probe_timeout_s:
            member.contacted = now
            self._context.send_at_once(member.peer, Ping(UNTRACKED, member.accusing_updates()))
