"""Suspects: who is accused by whom, is told so, and when it counts as dead."""

from __future__ import annotations

from collections.abc import Callable

from mesh_core.config import Timing, limit
from mesh_core.effects import Outbox, PeerId
from mesh_core.identity.crypto import Crypto, Rng
from mesh_core.identity.statement import sign
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.probe import STALLED_TIMEOUTS
from mesh_core.membership.suspicion import Suspicion, shortest_s
from mesh_core.timers import Timers
from mesh_core.wire.messages import Gossip, Update
from mesh_core.wire.statements import Accusation, Signed

PROVEN_PERIODS = 5
"""Fresh keys cost nothing: a member's accusation counts once it has answered probes for this many periods."""

TELL_AGAIN = 0.3
"""A suspect is told again each time this part of the shortest suspicion has passed."""


class Suspects:
    """Turns failed probes and others' accusations into suspicions, and suspicions into deaths.

    A death is always this node's own verdict. `timeout_s` gives the probe time-out, `confirm` has a member
    probed out of turn.
    """

    def __init__(
        self,
        *,
        me: PeerId,
        network: str,
        timing: Timing,
        crypto: Crypto,
        rng: Rng,
        timers: Timers,
        outbox: Outbox,
        roster: Roster,
        gossiper: Gossiper,
        timeout_s: Callable[[], float],
        confirm: Callable[[float, PeerId], None],
    ) -> None:
        self._me = me
        self._network = network
        self._timing = timing
        self._crypto = crypto
        self._rng = rng
        self._timers = timers
        self._outbox = outbox
        self._roster = roster
        self._gossiper = gossiper
        self._timeout_s = timeout_s
        self._confirm = confirm
        self._suspicions: dict[PeerId, Suspicion] = {}

    def counts(self, now: float, accuser: PeerId) -> bool:
        """Whether accusations by this peer count."""
        member = self._roster.get(accuser)
        if member is None or not member.is_live or member.proven_since is None:
            return False
        return now - member.proven_since >= PROVEN_PERIODS * self._timing.probe_period_s

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
            self._confirm(now, member.peer)

    def accuse(self, now: float, member: Member) -> None:
        """This node's own probe of `member` has failed."""
        signed = member.accusations.get(self._me) or self._sign(member, dead=False)
        self._accuse(now, member, self._me, signed)
        if ("membership", "tell", member.peer) not in self._timers:
            self._attend(now, member)

    def acquit(self, member: Member) -> None:
        """A newer statement of the member's own ends the suspicion."""
        if self._suspicions.pop(member.peer, None) is not None:
            self._timers.clear(("membership", "suspicion", member.peer))
            self._timers.clear(("membership", "tell", member.peer))

    def fire_deadline(self, now: float, peer: PeerId) -> None:
        """The suspicion has lasted long enough: the member is dead, unless this node itself was stalled."""
        member, suspicion = self._roster.get(peer), self._suspicions.get(peer)
        if member is None or suspicion is None:
            return
        late_s = now - suspicion.due
        if late_s > STALLED_TIMEOUTS * self._timeout_s():
            suspicion.hold(now + self._timeout_s())
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
            self._outbox.notify("member_suspected", after_disk=False, peer=member.peer, by=accuser)
        return began

    def _begin(self, now: float, member: Member) -> Suspicion:
        shortest = shortest_s(self._timing, self._roster.size())
        suspicion = self._suspicions[member.peer] = Suspicion(
            started=now,
            shortest_s=shortest,
            longest_s=shortest * self._timing.suspicion_max_factor,
            live=sum(other.state == "alive" for other in self._roster.live() if other is not member),
        )
        return suspicion

    def _is_attended(self) -> bool:
        """Whether this node looks after a suspect that others found: in a large mesh a random few do, so
        that the suspect is not flooded when it wakes up."""
        return self._rng.random() * self._roster.size() < limit("direct_mesh_max")

    def _attend(self, now: float, member: Member) -> None:
        """Tell the suspect what it must refute, directly, and again until it is settled."""
        self._outbox.send(member.peer, Gossip(member.accusing_updates()), after_disk=False)
        again_s = TELL_AGAIN * self._suspicions[member.peer].shortest_s
        self._timers.set(("membership", "tell", member.peer), now + again_s)

    def _set_deadline(self, now: float, member: Member, suspicion: Suspicion) -> None:
        """An accusation may move the deadline into the past: then it is due now, and not late."""
        suspicion.due = max(now, suspicion.deadline(len(member.accusations)))
        self._timers.set(("membership", "suspicion", member.peer), suspicion.due)

    def _confirm_dead(self, now: float, member: Member) -> None:
        accusers = len(member.accusations)
        self.acquit(member)
        signed = member.accusations[self._me] = self._sign(member, dead=True)
        self._gossiper.tell(now, member.peer, self._me, Update("accusation", signed))
        self._roster.enter(now, member, "dead")
        self._outbox.notify("member_dead", after_disk=False, peer=member.peer, accusers=accusers)

    def _sign(self, member: Member, *, dead: bool) -> Signed:
        accusation = Accusation(self._network, self._me, member.peer, member.incarnation, dead)
        return sign(self._crypto, accusation)
