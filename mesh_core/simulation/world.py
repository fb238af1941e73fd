"""A whole mesh in one process under virtual time: hosts, the network between them, and what befalls them.

A world is a pure function of its `Setup` and of the calls made on it: the same calls give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from mesh_core.config import FAST, LOCAL_NETWORK, MICRO_PER_AXL, Timing
from mesh_core.context import NodeConfig
from mesh_core.effects import CancelJob, Input, JobId, JobOptions, Leave, Partition, PeerId, SubmitQuery
from mesh_core.simulation.clock import HostClock
from mesh_core.simulation.crypto import Keys, Vault
from mesh_core.simulation.host import Host, HostSpec, Surroundings, Watcher
from mesh_core.simulation.network import CALM, Network, Weather
from mesh_core.simulation.schedule import Schedule
from mesh_core.simulation.trace import Trace
from mesh_core.simulation.workload import QUICK, Appetite, Workload
from mesh_core.wire.statements import Announcement

OPERATOR = "operator"
HINT_S = (0.005, 0.05)
"""How long an AXL node takes to notice that a link came or went, and to tell its client."""


@dataclass(frozen=True, slots=True)
class ClockError:
    """How wrong hosts' clocks may be: monotonic rates within ±`rate`, wall clocks off by ±`offset_s`."""

    rate: float = 0.0
    offset_s: float = 0.0


EXACT = ClockError()


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that defines a world. Without `hints` a lost link stays in `/topology`, as after SIGSTOP."""

    seed: str
    providers: int = 6
    shards: int = 6
    timing: Timing = FAST
    weather: Weather = CALM
    appetite: Appetite = QUICK
    clocks: ClockError = EXACT
    fsync_s: tuple[float, float] = (0.0005, 0.004)
    hints: bool = True
    credit_micro: int = 100 * MICRO_PER_AXL
    telling: bool = False
    alter: Callable[[HostSpec], HostSpec] | None = None
    """Lets a control replace a part of a host before it is built."""

    keys: Keys | None = None
    """Where keys come from; None for the seeded stand-ins."""


class World:
    """Hosts `node1` … `nodeN` and `operator`, connected each to each."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.schedule = Schedule()
        self.rng = Random(f"{setup.seed}/world")
        self.trace = Trace(setup.telling)
        self.keys: Keys = setup.keys or Vault(setup.seed)
        self.network = Network(Random(f"{setup.seed}/network"), setup.weather)
        self.hosts: dict[str, Host] = {}
        self.by_peer: dict[PeerId, Host] = {}
        self.hints = setup.hints
        self.tap: Callable[[PeerId, PeerId, bytes], None] | None = None
        self._around = Surroundings(
            schedule=self.schedule,
            network=self.network,
            workload=Workload(setup.seed, setup.appetite),
            trace=self.trace,
            watchers=[],
            deliver=self._deliver,
            came_up=self._topology_changed,
        )
        names = [f"node{number}" for number in range(1, setup.providers + 1)]
        self._credit = {self.keys.key(name): setup.credit_micro for name in (*names, OPERATOR)}
        for number, name in enumerate(names, start=1):
            self._add(name, number)
        self._add(OPERATOR, 0)

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return self.schedule.now

    @property
    def workload(self) -> Workload:
        """The workload model all hosts share."""
        return self._around.workload

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` hear of everything from now on."""
        self._around.watchers.append(watcher)

    def live(self) -> list[Host]:
        """Hosts whose process runs."""
        return [host for host in self.hosts.values() if host.up and not host.paused]

    # --------------------------------------------------------------------------------------------- time

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.schedule.run_until(self.schedule.now + seconds)

    def run_until(self, when: float) -> None:
        """Let time pass until `when`."""
        self.schedule.run_until(when)

    def run_while(self, going: Callable[[], bool], limit_s: float, every_s: float = 0.05) -> bool:
        """Let time pass while `going()`, for at most `limit_s`; whether it ended in time."""
        end = self.now + limit_s
        while going():
            if self.now >= end:
                return False
            self.run_for(every_s)
        return True

    # -------------------------------------------------------------------------------------------- hosts

    def start(self, *names: str) -> None:
        """Boot these hosts, all when none is named."""
        for name in names or tuple(self.hosts):
            host = self.hosts[name]
            if not host.up and not host.lost:
                self.trace.tell(self.now, name, "starts")
                host.boot()

    def crash(self, name: str, *, axl_too: bool = True) -> None:
        """SIGKILL; the host may be started again."""
        host = self.hosts[name]
        if host.up:
            self.trace.tell(self.now, name, "crashes" if axl_too else "crashes, its AXL node stays")
            host.crash(axl_too=axl_too)
            self._topology_changed()

    def kill(self, name: str) -> None:
        """SIGKILL, and the disk is gone: this host never comes back."""
        host = self.hosts[name]
        if not host.lost:
            self.trace.tell(self.now, name, "is killed for good")
            host.lost = True
            if host.up:
                host.crash(axl_too=True)
            host.axl_up = False
            self._topology_changed()

    def pause(self, name: str) -> None:
        """SIGSTOP of the provider; its AXL node goes on."""
        host = self.hosts[name]
        if host.up and not host.paused:
            self.trace.tell(self.now, name, "is paused")
            host.pause()

    def resume(self, name: str) -> None:
        """SIGCONT."""
        host = self.hosts[name]
        if host.paused:
            self.trace.tell(self.now, name, "goes on")
            host.resume()

    def stall(self, name: str, seconds: float) -> None:
        """The event loop is busy elsewhere for a while."""
        host = self.hosts[name]
        if host.up and not host.paused:
            host.pause()
            self.schedule.after(seconds, host.resume)

    def jump_clock(self, name: str, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.trace.tell(self.now, name, f"has its wall clock set by {seconds:+.1f} s")
        self.hosts[name].clock.jump(seconds)

    def step(self, name: str, event: Input) -> None:
        """Hand one input to a host's node, once it runs if it is paused."""
        self.hosts[name].command(event)

    # ------------------------------------------------------------------------------------------ network

    def split(self, groups: Sequence[Iterable[str]]) -> None:
        """Cut the mesh into groups that cannot reach each other."""
        named = [list(group) for group in groups]
        self.trace.tell(self.now, "network", "splits: " + " | ".join(" ".join(group) for group in named))
        self.network.split([[self.hosts[name].peer for name in group] for group in named])
        self._topology_changed()

    def cut(self, sender: str, receiver: str) -> None:
        """Frames from `sender` no longer reach `receiver`; the other way is untouched and nobody notices."""
        self.trace.tell(self.now, "network", f"loses everything from {sender} to {receiver}")
        self.network.cut(self.hosts[sender].peer, self.hosts[receiver].peer)

    def heal(self) -> None:
        """Mend the network."""
        self.trace.tell(self.now, "network", "is whole again")
        self.network.heal()
        self._topology_changed()

    def hide(self, name: str, others: Iterable[str]) -> None:
        """The partition command: `name` drops everything to and from `others`; none of them heals."""
        hidden = frozenset(self.hosts[other].peer for other in others)
        shown = " ".join(sorted(others)) if hidden else "nobody"
        self.trace.tell(self.now, name, f"is told to hide {shown}")
        self.hosts[name].command(Partition(hidden))

    def inject(self, name: str, frame: bytes) -> None:
        """Bytes from nowhere reach a host."""
        self.hosts[name].receive(frame)

    # --------------------------------------------------------------------------------------------- work

    def submit(
        self, name: str, text: str, shards: Sequence[int], options: JobOptions, label: str
    ) -> bytes | None:
        """Submit a query at a host; its id, or None when the host is down. Raises Refusal."""
        host = self.hosts[name]
        if host.node is None or host.paused:
            return None
        self.trace.tell(self.now, name, f"is asked {text!r} over {len(shards)} shards")
        request = SubmitQuery(text, label, "corpus", tuple(shards), options)
        query, effects = host.node.submit(host.clock.monotonic(self.now), request)
        host.act(effects)
        return query

    def cancel(self, name: str, job: JobId, reason: str = "changed my mind") -> None:
        """The submitter asks to end a job."""
        self.trace.tell(self.now, name, f"asks to cancel {self.trace.called(job)}")
        self.hosts[name].command(CancelJob(job, reason))

    def leave(self, name: str) -> None:
        """A host says goodbye."""
        self.trace.tell(self.now, name, "leaves")
        self.hosts[name].command(Leave())

    # ------------------------------------------------------------------------------------------ private

    def _add(self, name: str, number: int) -> None:
        setup = self.setup
        peer = self.keys.key(name)
        operator = number == 0
        rng = Random(f"{setup.seed}/{name}")
        rate = 1.0 + rng.uniform(-setup.clocks.rate, setup.clocks.rate)
        announcement = Announcement(
            name=name,
            role="operator" if operator else "provider",
            capabilities=() if operator else ("answer", "combine"),
            price_micro=0 if operator else 9_000 + 250 * rng.randrange(8),
            shards=() if operator else ((number - 1) % setup.shards,),
            models=() if operator else ("simulated",),
            ens_name="",
        )
        spec = HostSpec(
            name=name,
            index=number,
            config=NodeConfig(
                network=LOCAL_NETWORK,
                peer=peer,
                timing=setup.timing,
                announcement=announcement,
                executes=not operator,
                credit=self._credit,
            ),
            crypto=self.keys.crypto(name),
            rng=rng,
            clock=HostClock(rate, rng.uniform(-setup.clocks.offset_s, setup.clocks.offset_s)),
            fsync_s=setup.fsync_s,
        )
        if setup.alter is not None:
            spec = setup.alter(spec)
        host = Host(spec, self._around)
        self.hosts[name] = host
        self.by_peer[peer] = host
        self.trace.name(peer, name)

    def _deliver(self, sender: PeerId, receiver: PeerId, frame: bytes) -> None:
        if self.tap is not None:
            self.tap(sender, receiver, frame)
        host = self.by_peer.get(receiver)
        if host is None:
            return
        for delay in self.network.arrivals(sender, receiver):
            self.schedule.after(delay, self._arrive, host, sender, frame)

    def _arrive(self, host: Host, sender: PeerId, frame: bytes) -> None:
        # A frame under way when the link is cut is lost with it, as on a TCP connection.
        if self.network.connected(sender, host.peer):
            host.receive(frame)

    def _topology_changed(self) -> None:
        for host in self.hosts.values():
            if host.up:
                self.schedule.after(self.rng.uniform(*HINT_S), self._show_topology, host)

    def _show_topology(self, host: Host) -> None:
        others = [other for other in self.hosts.values() if other is not host]
        if self.hints:
            host.neighbours({other.peer: other.up for other in others if self._linked(host, other)})
        else:
            host.neighbours({other.peer: True for other in others if other.started})

    def _linked(self, host: Host, other: Host) -> bool:
        return (
            other.axl_up
            and self.network.connected(host.peer, other.peer)
            and self.network.connected(other.peer, host.peer)
        )
