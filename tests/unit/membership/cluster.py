"""A mesh of `Membership` machines on a virtual clock: seeded latency, loss, stalls, partitions, hints."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mesh_core.config import FAST, Timing
from mesh_core.context import Context, Doors, NodeConfig
from mesh_core.crypto import SecrecyError
from mesh_core.effects import Notify, Outbox, PeerId, Send
from mesh_core.membership import Membership, MemberState
from mesh_core.timers import Timers
from mesh_core.wire.statements import Announcement

NETWORK = "test"
LATENCY_S = (0.001, 0.006)
HINT_DELAY_S = (0.005, 0.05)


def key(name: object) -> PeerId:
    """The public key of whoever is called `name`."""
    return hashlib.blake2b(str(name).encode(), digest_size=32).digest()


class Signer:
    """Signatures that only their owner makes, as long as nobody cheats inside a test."""

    def __init__(self, peer: PeerId) -> None:
        self._peer = peer
        self.verified = 0

    def sign(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=64, key=self._peer).digest()

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        self.verified += 1
        return hashlib.blake2b(data, digest_size=64, key=peer).digest() == signature

    def __getattr__(self, name: str) -> Any:
        raise SecrecyError(f"membership has no use for {name}")


def announcement(name: str, price_micro: int = 1) -> Announcement:
    """What a test member says of itself."""
    return Announcement(name, "provider", ("search",), price_micro, (), (), "")


def context(
    name: str, peer: PeerId, signer: Signer, rng: random.Random, timing: Timing = FAST, boot: int = 1
) -> Context:
    """What the machines of a test member share."""
    config = NodeConfig(NETWORK, peer, timing, announcement(name), executes=False, credit={})
    return Context(config, Doors(signer, rng, wall_ms=lambda: 0), boot=boot)


@dataclass
class Host:
    """One node of the cluster and everything around it."""

    name: int
    peer: PeerId
    signer: Signer
    rng: random.Random
    membership: Membership = field(init=False)
    timers: Timers = field(init=False)
    outbox: Outbox = field(init=False)
    boot: int = 0
    up: bool = False
    stalled_until: float = 0.0
    inbox: list[tuple[PeerId, list[Any]]] = field(default_factory=list)
    attached: dict[PeerId, bool] = field(default_factory=dict)
    moments: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    changes: list[tuple[float, PeerId, MemberState | None, MemberState]] = field(default_factory=list)

    def boot_up(self, now: float, timing: Timing) -> None:
        """Start, or start again, with nothing remembered but the boot counter."""
        self.boot += 1
        self.up = True
        self.inbox = []
        shared = context(f"node{self.name}", self.peer, self.signer, self.rng, timing, self.boot)
        self.timers, self.outbox = shared.timers, shared.outbox
        self.membership = Membership(shared, lambda *change: self.changes.append(change))
        self.membership.start(now)

    def step(self, now: float) -> list[Send]:
        """Drain the inbox, then judge the timers, as the runtime does; what is to be sent."""
        inbox, self.inbox = self.inbox, []
        for sender, messages in inbox:
            self.membership.heard_from(now, sender)
            for message in messages:
                self.membership.handle(now, sender, message)
        for timer in self.timers.due(now):
            assert isinstance(timer, tuple) and timer[0] == "membership"
            self.membership.fire(now, timer)
        sends = []
        for effect in self.outbox.take():
            if isinstance(effect, Send):
                assert not effect.after_disk
                sends.append(effect)
            elif isinstance(effect, Notify):
                self.moments.append((now, effect.kind, effect.fields))
        return sends


class Cluster:
    """`size` nodes; `stalls` is (rate per second and node, shortest, longest) of pauses of a whole node."""

    def __init__(
        self,
        size: int,
        *,
        timing: Timing = FAST,
        seed: int = 0,
        loss: float = 0.0,
        latency_s: tuple[float, float] = LATENCY_S,
        stalls: tuple[float, float, float] | None = None,
    ) -> None:
        self.now = 0.0
        self.timing = timing
        self.rng = random.Random(seed)
        self.loss = loss
        self.latency_s = latency_s
        self.messages: Counter[str] = Counter()
        self.frames = 0
        self.steps = 0
        self._stalls = stalls
        self._sides: dict[PeerId, int] = {}
        self._cuts: set[frozenset[PeerId]] = set()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._wakes: dict[int, float] = {}
        self.hosts = [Host(i, key(i), Signer(key(i)), random.Random(self.rng.random())) for i in range(size)]
        self.by_peer = {host.peer: host for host in self.hosts}
        for host in self.hosts:
            host.boot_up(0.0, timing)
            self._schedule_wake(host)
            if stalls:
                self._schedule_stall(host)

    # ------------------------------------------------------------------------------------------- driving

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a later time."""
        self._serial += 1
        heapq.heappush(self._agenda, (time, self._serial, action))

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        self.now = end

    def run_until(self, condition: Callable[[], bool], within: float) -> float | None:
        """Let time pass until the condition holds; the seconds it took, or None."""
        began = self.now
        while not condition():
            if not self._agenda or self._agenda[0][0] > began + within:
                return None
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        return self.now - began

    def settle(self) -> None:
        """Make everybody neighbours and let them get to know each other well enough to be believed."""
        self.connect()
        self.run_for(20 * self.timing.probe_period_s)

    # ------------------------------------------------------------------------------------------- the world

    def connect(self, links: Mapping[int, Iterable[int]] | None = None) -> None:
        """Show every node its neighbours: all others unless told."""
        for host in self.hosts:
            if host.up:
                names = range(len(self.hosts)) if links is None else links.get(host.name, ())
                self.show(host, {key(name): True for name in names if self.hosts[name].up})

    def show(self, host: Host, attached: dict[PeerId, bool]) -> None:
        """What `/topology` shows this node from now on."""
        host.attached = {peer: value for peer, value in attached.items() if peer != host.peer}
        host.membership.neighbours_changed(self.now, host.attached)
        self.step(host)

    def kill(self, names: Iterable[int], *, hints: bool = False) -> None:
        """Kill nodes at once; with hints, the others' links to them end within milliseconds."""
        victims = [self.hosts[name] for name in names]
        for victim in victims:
            victim.up = False
        for host in self.hosts if hints else ():
            for victim in victims:
                self.at(self.now + self.rng.uniform(*HINT_DELAY_S), partial(self._hint, host, victim))

    def restart(self, name: int) -> None:
        """Start a killed node again."""
        host = self.hosts[name]
        host.boot_up(self.now, self.timing)
        self._schedule_wake(host)
        self.connect()

    def stall(self, name: int, seconds: float) -> None:
        """Stop a node for a while; what arrives meanwhile waits in its inbox."""
        self.hosts[name].stalled_until = self.now + seconds
        self.at(self.now + seconds, lambda: self.step(self.hosts[name]))

    def partition(self, *sides: Iterable[int]) -> None:
        """Nothing passes between the sides."""
        self._sides = {key(name): number for number, side in enumerate(sides) for name in side}

    def cut(self, one: int, other: int) -> None:
        """Nothing passes between two nodes."""
        self._cuts.add(frozenset({key(one), key(other)}))

    def heal(self) -> None:
        """Everything passes again."""
        self._sides = {}

    # ------------------------------------------------------------------------------------------- questions

    def state(self, viewer: int, subject: int) -> str:
        """How one node sees another: a state, or "unknown"."""
        member = self.hosts[viewer].membership.members.get(key(subject))
        return member.state if member else "unknown"

    def views(self, subject: int) -> set[str]:
        """How all living nodes see one."""
        return {self.state(h.name, subject) for h in self.hosts if h.up and h.name != subject}

    def all_see(self, state: str, subjects: Iterable[int]) -> bool:
        """Whether every living node sees every subject in this state."""
        return all(self.views(subject) <= {state} for subject in subjects)

    def converged(self) -> bool:
        """Whether everybody living sees everybody living alive."""
        return self.all_see("alive", [host.name for host in self.hosts if host.up])

    def moments(self, kind: str) -> list[tuple[float, int, dict[str, Any]]]:
        """(time, node, fields) of every moment of this kind."""
        found = [(t, h.name, f) for h in self.hosts for t, k, f in h.moments if k == kind]
        return sorted(found, key=lambda moment: moment[:2])

    def false_deaths(self) -> int:
        """How often a living node was declared dead by another."""
        return sum(self.by_peer[fields["peer"]].up for _, _, fields in self.moments("member_dead"))

    # ------------------------------------------------------------------------------------------- machinery

    def _hint(self, host: Host, victim: Host) -> None:
        if host.up and host is not victim:
            self.show(host, {peer: value for peer, value in host.attached.items() if peer != victim.peer})

    def step(self, host: Host) -> None:
        """Let a node drain its inbox, judge its timers and send."""
        if not host.up or self.now < host.stalled_until:
            return
        self.steps += 1
        frames: dict[PeerId, list[Any]] = {}
        for send in host.step(self.now):
            self.messages[type(send.message).__name__] += 1
            frames.setdefault(send.to, []).append(send.message)
        self.frames += len(frames)
        for to, messages in frames.items():
            self._transmit(host, to, messages)
        self._schedule_wake(host)

    def _transmit(self, host: Host, to: PeerId, messages: list[Any]) -> None:
        target = self.by_peer.get(to)
        is_cut = self._sides.get(host.peer) != self._sides.get(to) or frozenset({host.peer, to}) in self._cuts
        if target is None or is_cut or self.rng.random() < self.loss:
            return

        def arrive() -> None:
            if target.up:
                target.inbox.append((host.peer, messages))
                self.step(target)

        self.at(self.now + self.rng.uniform(*self.latency_s), arrive)

    def _schedule_wake(self, host: Host) -> None:
        deadline = host.timers.next_deadline()
        if deadline is None:
            return
        deadline = max(deadline, self.now)
        if self._wakes.get(host.name) == deadline:
            return
        self._wakes[host.name] = deadline

        def wake() -> None:
            if self._wakes.get(host.name) == deadline:
                del self._wakes[host.name]
                self.step(host)

        self.at(deadline, wake)

    def _schedule_stall(self, host: Host) -> None:
        assert self._stalls is not None
        rate, shortest, longest = self._stalls
        seconds = self.rng.uniform(shortest, longest)

        def begin() -> None:
            if host.up:
                self.stall(host.name, max(seconds, host.stalled_until - self.now))
                self._schedule_stall(host)

        self.at(max(self.now, host.stalled_until) + self.rng.expovariate(rate), begin)
