"""Suspects: who is accused by whom, is told so, and when it counts as dead."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import sign
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.probe import STALLED_TIMEOUTS, Prober
from mesh_core.membership.suspicion import Suspicion, shortest_s
from mesh_core.wire.messages import Gossip, Update
from mesh_core.wire.statements import Accusation, Signed

PROVEN_PERIODS = 5
"""Fresh keys cost nothing: a member's accusation counts once it has answered probes for this many periods."""

TELL_AGAIN = 0.3
"""A suspect is told again each time this part of the shortest suspicion has passed."""


@dataclass(eq=False)
class Suspects:
    """Turns failed probes and others' accusations into suspicions, and suspicions into deaths.

    A death is always this node's own verdict.
    """

    _context: Context
    _roster: Roster
    _gossiper: Gossiper
    _prober: Prober

    def __post_init__(self) -> None:
        self._suspicions: dict[PeerId, Suspicion] = {}

    def counts(self, now: float, accuser: PeerId) -> bool:
        """Whether accusations by this peer count."""
        member = self._roster.get(accuser)
        if member is None or not member.is_live or member.proven_since is None:
            return False
        return now - member.proven_since >= PROVEN_PERIODS * self._context.timing.probe_period_s

    def would_count(self, member: Member, accuser: PeerId) -> bool:
        """Whether an accusation of `member` by `accuser` would be news that shortens its suspicion."""
        if accuser in member.accusations:
            return False
        suspicion = self._suspicions.get(member.peer)
        return suspicion is None or suspicion.has_room(len(member.accusations))

    def accused(self, now: float, member: Member, accuser: PeerId, signed: Signed) -> None:
        """Another member says that `member` does not answer; the statement is verified and counts.

        Whoever hears a suspicion looks for itself: the deadline shrinks with independent accusers only.
        """
        if self._accuse(now, member, accuser, signed) and self._is_attended():
            self._attend(now, member)
            self._prober.probe(now, member.peer)

    def accuse(self, now: float, member: Member) -> None:
        """This node's own probe of `member` has failed."""
        signed = member.accusations.get(self._context.me) or self._sign(member, dead=False)
        self._accuse(now, member, self._context.me, signed)
        if ("membership", "tell", member.peer) not in self._context.timers:
            self._attend(now, member)

    def acquit(self, member: Member) -> None:
        """A newer statement of the member's own ends the suspicion."""
        if self._suspicions.pop(member.peer, None) is not None:
            self._context.timers.clear(("membership", "suspicion", member.peer))
            self._context.timers.clear(("membership", "tell", member.peer))

    def fire_deadline(self, now: float, peer: PeerId) -> None:
        """The suspicion has lasted long enough: the member is dead, unless this node itself was stalled."""
        member, suspicion = self._roster.get(peer), self._suspicions.get(peer)
        if member is None or suspicion is None:
            return
        late_s = now - suspicion.due
        if late_s > STALLED_TIMEOUTS * self._prober.timeout_s:
            suspicion.hold(now + self._prober.timeout_s)
            self._set_deadline(now, member, suspicion)
            return
        self._confirm_dead(now, member)

    def fire_tell(self, now: float, peer: PeerId) -> None:
        """Tell the suspect again what it must refute."""
        member = self._roster.get(peer)
        if member is not None and peer in self._suspicions:
            self._attend(now, member)

    def _accuse(self, now: float, member: Member, accuser: PeerId, signed: Signed) -> bool:
        """Enter an accusation; True when it began the suspicion."""
        suspicion = self._suspicions.get(member.peer)
        began = suspicion is None
        if suspicion is None:
            suspicion = self._begin(now, member)
        is_new = accuser not in member.accusations
        member.accusations[accuser] = signed
        self._gossiper.tell(now, member.peer, accuser, Update("accusation", signed))
        if is_new:
            self._set_deadline(now, member, suspicion)
            self._roster.enter(now, member, "suspect")
        if began:
            self._context.outbox.notify("member_suspected", after_disk=False, peer=member.peer, by=accuser)
        return began

    def _begin(self, now: float, member: Member) -> Suspicion:
        shortest = shortest_s(self._context.timing, self._roster.size())
        suspicion = self._suspicions[member.peer] = Suspicion(
            started=now,
            shortest_s=shortest,
            longest_s=shortest * self._context.timing.suspicion_max_factor,
            live=sum(other.state == "alive" for other in self._roster.live() if other is not member),
        )
        return suspicion

    def _is_attended(self) -> bool:
        """Whether this node looks after a suspect that others found: in a large mesh a random few do, so
        that the suspect is not flooded when it wakes up."""
        return self._context.doors.rng.random() * self._roster.size() < limit("direct_mesh_max")

    def _attend(self, now: float, member: Member) -> None:
        """Tell the suspect what it must refute, directly, and again until it is settled."""
        self._context.send_at_once(member.peer, Gossip(member.accusing_updates()))
        again_s = TELL_AGAIN * self._suspicions[member.peer].shortest_s
        self._context.timers.set(("membership", "tell", member.peer), now + again_s)

    def _set_deadline(self, now: float, member: Member, suspicion: Suspicion) -> None:
        """An accusation may move the deadline into the past: then it is due now, and not late."""
        suspicion.due = max(now, suspicion.deadline(len(member.accusations)))
        self._context.timers.set(("membership", "suspicion", member.peer), suspicion.due)

    def _confirm_dead(self, now: float, member: Member) -> None:
        accusers = len(member.accusations)
        self.acquit(member)
        signed = member.accusations[self._context.me] = self._sign(member, dead=True)
        self._gossiper.tell(now, member.peer, self._context.me, Update("accusation", signed))
        self._roster.enter(now, member, "dead")
        self._context.outbox.notify("member_dead", after_disk=False, peer=member.peer, accusers=accusers)

    def _sign(self, member: Member, *, dead: bool) -> Signed:
        accusation = Accusation(
            self._context.config.network, self._context.me, member.peer, member.incarnation, dead
        )
        return sign(self._context.crypto, accusation)
