"""Probing: directly, then through relays, then a verdict on the probe (SWIM §3.1, Lifeguard §III)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.local_health import LocalHealth
from mesh_core.membership.members import NEVER, Member, Roster
from mesh_core.membership.rotation import Rotation
from mesh_core.membership.round_trip import RoundTrips
from mesh_core.wire.messages import Ping, PingRequest, Update

RELAYS = 3
"""Members asked to probe a silent one: enough that one of them is alive when half the mesh has gone."""

SHOWN_PERIODS_MAX = 8
"""A probe from a member counts for itself no longer than this, so that large meshes notice deaths no later."""

OWN_PROBE_ROUNDS = 4
"""A member that keeps probing this node is still probed by it once in so many rounds."""

BURST = 6
"""Others probed out of turn after a direct time-out."""

STALLED_TIMEOUTS = 2.0
"""A timer this many probe time-outs late tells that this node was stalled, not that others are silent."""


@dataclass(slots=True)
class _Probe:
    """One outstanding probe; `judged_s` is how long after the direct time-out it is judged."""

    target: PeerId
    sent: float
    deadline: float
    judged_s: float
    relays: frozenset[PeerId] = frozenset()
    indirect: bool = False
    nacked: set[PeerId] = field(default_factory=set)


@dataclass(eq=False)
class Prober:
    """Sends probes; `failed` is called with a live member that none reached. A member has at most one outstanding probe."""

    _context: Context
    _roster: Roster
    _health: LocalHealth
    _gossiper: Gossiper
    _numbers: Iterator[int]
    _failed: Callable[[float, Member], None]

    def __post_init__(self) -> None:
        self._probes: dict[int, _Probe] = {}
        self._number_of: dict[PeerId, int] = {}
        self._judged: OrderedDict[int, tuple[PeerId, float]] = OrderedDict()
        self._round_trips = RoundTrips(self._context.timing.probe_timeout_s)
        self._last_burst = NEVER
        self._newcomers: deque[PeerId] = deque(maxlen=limit("members_max"))
        self._rotation = Rotation(self._context.doors.rng)

    @property
    def timeout_s(self) -> float:
        """How long an answer may take: adapted to the network, not stretched by local health."""
        return self._round_trips.timeout_s

    def next_in_turn(self, now: float) -> None:
        """Probe the member whose turn it is, if there is any that has not just shown by itself that it is there."""
        peer = self._rotation.next(self._everyone, self._may_probe)
        if peer is not None and not self._shows_itself(now, peer):
            self._send(now, peer)

    def greet(self, now: float, peer: PeerId) -> None:
        """Probe a newcomer soon: hearsay is checked before it is repeated. Few at a time, whatever is claimed; but one with
        a link to this node is there, and need not stand in line behind what somebody has made up."""
        self._rotation.add(peer)
        if self._roster.by_id[peer].attached:
            self.probe(now, peer)
        else:
            self._newcomers.append(peer)
            self._greet_more(now)

    def probe(self, now: float, peer: PeerId) -> None:
        """Probe a live member directly now; nothing happens while a probe of it is outstanding."""
        if self._may_probe(peer):
            self._send(now, peer)

    def probe_every_way(self, now: float, peer: PeerId) -> None:
        """Probe directly and through relays at once: a hint says that the member may be gone.

        With that much reason the probe is judged after the plain time-out, however slow the network has been.
        """
        outstanding = self._probes.get(self._number_of.get(peer, 0))
        if outstanding is not None and outstanding.indirect:
            return
        if outstanding is not None:
            self._drop(self._number_of[peer])
        member = self._roster.get(peer)
        if member is not None and member.is_live:
            number = self._send(now, peer)
            self._ask_relays(now, number)
            plain_s = self._context.timing.probe_timeout_s * self._health.stretch
            self._wait(number, self._probes[number], now + plain_s)

    def on_ack(self, now: float, sender: PeerId, number: int) -> None:
        """An answer, from the target itself or from a relay that was asked; others' acks mean nothing."""
        probe = self._probes.get(number)
        if probe is None:
            self._on_late_ack(now, sender, number)
            return
        if sender == probe.target:
            self._round_trips.add(now - probe.sent)
        elif sender not in probe.relays:
            return
        self._drop(number)
        self._health.improve()
        member = self._roster.get(probe.target)
        if member is not None:
            self._reached(now, member, itself=sender == probe.target)
        self._greet_more(now)

    def on_nack(self, sender: PeerId, number: int) -> None:
        """A relay is alive but got no answer in time."""
        probe = self._probes.get(number)
        if probe is not None and sender in probe.relays:
            probe.nacked.add(sender)

    def fire(self, now: float, number: int) -> None:
        """The deadline of a probe has passed: ask relays, or judge it."""
        probe = self._probes.get(number)
        if probe is None:
            return
        if now - probe.deadline > STALLED_TIMEOUTS * self.timeout_s:
            self._wait(number, probe, now + self.timeout_s * self._health.stretch)
        elif probe.indirect:
            self._judge(now, number, probe)
        else:
            self._ask_relays(now, number)
            self._burst(now)

    def _everyone(self) -> list[PeerId]:
        return [member.peer for member in self._roster.live()]

    def _greet_more(self, now: float) -> None:
        while self._newcomers and len(self._probes) < limit("greetings_max"):
            self.probe(now, self._newcomers.popleft())

    def _may_probe(self, peer: PeerId) -> bool:
        member = self._roster.get(peer)
        return member is not None and member.is_live and peer not in self._number_of

    def _shows_itself(self, now: float, peer: PeerId) -> bool:
        """Whether probing this member would tell nothing new: it has probed this node within a round.

        One probe then serves both directions, which halves the traffic of an idle mesh. Only for members whose
        death the link would tell at once, and not for ever: the way there has to be tried, too.
        """
        member = self._roster.by_id[peer]
        round_s = self._context.timing.probe_period_s * len(self._roster.live())
        return (
            member.attached
            and member.state == "alive"
            and member.proven_since is not None
            and now - member.asked < min(round_s, SHOWN_PERIODS_MAX * self._context.timing.probe_period_s)
            and now - member.answered < OWN_PROBE_ROUNDS * round_s
        )

    def _send(self, now: float, peer: PeerId) -> int:
        number = next(self._numbers)
        timeout_s = self.timeout_s
        stretch = self._health.stretch
        judged_s = max(self._context.timing.probe_period_s - timeout_s, timeout_s) * stretch
        probe = _Probe(peer, now, now + timeout_s * stretch, judged_s)
        self._probes[number] = probe
        self._number_of[peer] = number
        self._context.timers.set(("membership", "probe", number), probe.deadline)
        self._context.send_at_once(peer, Ping(number, self._gossiper.carry(peer)))
        return number

    def _ask_relays(self, now: float, number: int) -> None:
        probe = self._probes[number]
        able = [m.peer for m in self._roster.live() if m.state == "alive" and m.peer != probe.target]
        probe.relays = frozenset(self._context.doors.rng.sample(able, min(RELAYS, len(able))))
        probe.indirect = True
        for relay in sorted(probe.relays):
            request = PingRequest(number, probe.target, self._gossiper.carry(relay))
            self._context.send_at_once(relay, request)
        self._wait(number, probe, now + probe.judged_s)

    def _burst(self, now: float) -> None:
        """One member does not answer: look at others too, half the mesh may have gone at once."""
        if now - self._last_burst < self._context.timing.probe_burst_gap_s:
            return
        self._last_burst = now
        others = [m.peer for m in self._roster.live() if m.state == "alive" and m.peer not in self._number_of]
        for peer in self._context.doors.rng.sample(others, min(BURST, len(others))):
            self.probe(now, peer)

    def _reached(self, now: float, member: Member, *, itself: bool) -> None:
        """What a member says of itself is told from the moment on that it has been reached and has answered itself:
        a relay may answer for an invention."""
        member.answered = now
        if itself and member.proven_since is None:
            member.proven_since = now
            self._gossiper.tell(now, member.peer, member.peer, Update("alive", member.signed))

    def _judge(self, now: float, number: int, probe: _Probe) -> None:
        self._drop(number)
        self._judged[number] = (probe.target, probe.sent)
        if len(self._judged) > limit("late_answers_max"):
            self._judged.popitem(last=False)
        if probe.relays and not probe.nacked:
            self._health.worsen()
        member = self._roster.get(probe.target)
        if member is not None and member.is_live:
            self._failed(now, member)
        self._greet_more(now)

    def _on_late_ack(self, now: float, sender: PeerId, number: int) -> None:
        """Too late for the verdict, but it tells how long a round trip takes."""
        target, sent = self._judged.get(number, (b"", 0.0))
        if sender == target:
            del self._judged[number]
            self._round_trips.add(now - sent)

    def _wait(self, number: int, probe: _Probe, until: float) -> None:
        probe.deadline = until
        self._context.timers.set(("membership", "probe", number), until)

    def _drop(self, number: int) -> None:
        del self._number_of[self._probes.pop(number).target]
        self._context.timers.clear(("membership", "probe", number))
