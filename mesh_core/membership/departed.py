"""The dead and the departed: contacted so that a healed split merges, and forgotten in the end."""

from __future__ import annotations

from mesh_core.config import Timing
from mesh_core.effects import Outbox
from mesh_core.identity.crypto import Rng
from mesh_core.membership.members import Member, Roster
from mesh_core.timers import Timers
from mesh_core.wire.messages import Ping

UNTRACKED = 0
"""Number of a ping whose answer nobody waits for."""

_CONTACT = ("membership", "contact")


class Departed:
    """Looks after members that are gone; without any it does nothing and sets no timer."""

    def __init__(self, *, timing: Timing, rng: Rng, timers: Timers, outbox: Outbox, roster: Roster) -> None:
        self._timing = timing
        self._rng = rng
        self._timers = timers
        self._outbox = outbox
        self._roster = roster

    def departed(self, now: float) -> None:
        """A member has just died or left. Contacts begin at a random phase: both sides of a split start at once."""
        if _CONTACT not in self._timers:
            self._timers.set(_CONTACT, now + self._rng.uniform(0.0, self._timing.dead_contact_s))

    def fire(self, now: float) -> None:
        """Contact one random dead member, those first that were ever reached; forget who is long gone."""
        for member in self._roster.gone():
            if now - member.since > self._timing.dead_memory_s:
                self._roster.forget(member)
        gone = self._roster.gone()
        dead = [member for member in gone if member.state == "dead"]
        reached = [member for member in dead if member.proven_since is not None]
        if dead:
            self.contact(now, self._rng.choice(reached or dead))
        if gone:
            self._timers.set(_CONTACT, now + self._timing.dead_contact_s)

    def contact(self, now: float, member: Member) -> None:
        """Tell a dead member that it is held for dead, at most once per probe time-out: if it lives, it refutes."""
        if now - member.contacted >= self._timing.probe_timeout_s:
            member.contacted = now
            self._outbox.send(member.peer, Ping(UNTRACKED, member.accusing_updates()), after_disk=False)
