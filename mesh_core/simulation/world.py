"""A whole mesh in one process under virtual time: hosts, the network between them, and what befalls them.

A world is a pure function of its `Setup` and of the calls made on it: the same calls give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from mesh_core.effects import CancelJob, Input, JobId, JobOptions, Leave, Partition, PeerId, SubmitQuery
from mesh_core.market.intake import Refusal
from mesh_core.simulation.crypto import Keys, Vault
from mesh_core.simulation.disk import Backup
from mesh_core.simulation.host import Host, Surroundings, Watcher
from mesh_core.simulation.network import Link, Network, between
from mesh_core.simulation.schedule import Schedule
from mesh_core.simulation.setup import OPERATOR_INDEX, Setup, make_spec
from mesh_core.simulation.trace import Trace
from mesh_core.simulation.workload import Workload
from mesh_core.wire.messages import Message

__all__ = ["OPERATOR", "Refusal", "Setup", "World"]

OPERATOR = "operator"
HINT_S = (0.005, 0.05)
"""How long an AXL node takes to notice that a link came or went, and to tell its client."""


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
        self.restored: dict[PeerId, frozenset[bytes]] = {}
        """Whose disk was replaced by an old backup, and which records of its own it lacks since."""

        self.hints = setup.hints
        self._mended: dict[int, str] = {}
        self.tap: Callable[[PeerId, PeerId, bytes], None] | None = None
        self._around = Surroundings(
            schedule=self.schedule,
            network=self.network,
            workload=Workload(setup.seed, setup.appetite, setup.result),
            trace=self.trace,
            watchers=[],
            deliver=self._deliver,
            came_up=self._topology_changed,
        )
        names = [f"node{number}" for number in range(1, setup.providers + 1)]
        trusted = (OPERATOR,) if setup.earners else (*names, OPERATOR)
        self._credit = {self.keys.key(name): setup.credit_micro for name in trusted}
        for number, name in enumerate(names, start=1):
            self._add(name, number, (number - 1) % setup.shards)
        self._add(OPERATOR, OPERATOR_INDEX, 0)

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

    def listen(self, sending: Callable[[Host, Message], None]) -> None:
        """Let `sending` hear of every message that leaves a node for its transport."""
        self._around.sending = sending

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
            if not host.up and not host.booting and not host.lost:
                self.trace.tell(self.now, name, "starts")
                host.boot()

    def crash(self, name: str, *, axl_too: bool = True) -> None:
        """SIGKILL; the host may be started again."""
        host = self.hosts[name]
        if host.up or host.booting:
            damage = host.crash(axl_too=axl_too)
            words = "crashes" if axl_too else "crashes, its AXL node stays"
            if damage.lost:
                words += f"; {damage.lost} unsynced batches are lost" + (
                    ", one is torn" if damage.torn else ""
                )
            self.trace.tell(self.now, name, words)
            self._topology_changed()

    def kill(self, name: str) -> None:
        """SIGKILL, and the disk is gone: this host never comes back."""
        host = self.hosts[name]
        if not host.lost:
            self.trace.tell(self.now, name, "is killed for good")
            host.lost = True
            if host.up or host.booting:
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

    def bend_clock(self, name: str, rate: float) -> None:
        """A host's clocks run at another rate from now on."""
        self.trace.tell(self.now, name, f"has clocks that run at {rate:.3f} from now on")
        self.hosts[name].bend_clock(rate)

    def slow_down(self, name: str, loop_s: float) -> None:
        """A host's process takes `loop_s` on average for each frame; 0 for no time."""
        how = f"takes {1000 * loop_s:.1f} ms for each frame" if loop_s else "keeps up again"
        self.trace.tell(self.now, name, how)
        self.hosts[name].loop_s = loop_s

    def fill_disk(self, name: str, *, full: bool) -> None:
        """A host's disk is full and refuses to write, or has room again."""
        self.trace.tell(self.now, name, "has a full disk" if full else "has room on its disk again")
        self.hosts[name].disk.full = full

    def restore(self, name: str, backup: Backup) -> None:
        """A host comes back with an old copy of its disk."""
        host = self.hosts[name]
        if host.up or host.booting:
            host.crash(axl_too=False)
        self.trace.tell(self.now, name, "gets an old backup for its disk")
        before = {name for (author, _, name) in host.disk.statements if author == host.peer}
        host.disk.restore(backup)
        after = {name for (author, _, name) in host.disk.statements if author == host.peer}
        self.restored[host.peer] = (self.restored.get(host.peer, frozenset()) | before) - after
        self.start(name)

    def recover(self, name: str) -> None:
        """End everything that is wrong with a host which is not lost, and start it if it is down."""
        host = self.hosts[name]
        host.loop_s, host.fsync_s = 0.0, self.setup.fsync_s
        if host.disk.full:
            self.fill_disk(name, full=False)
        self.resume(name)
        self.start(name)
        if host.node is not None and host.node.hidden:
            self.hide(name, ())

    def join(self, name: str) -> None:
        """Somebody new turns up, under a key that nobody knows."""
        number = len(self.hosts)
        self._add(name, number, (number - 1) % self.setup.shards)
        self.start(name)

    def step(self, name: str, event: Input) -> None:
        """Hand one input to a host's node, once it runs if it is paused."""
        self.hosts[name].command(event)

    # ------------------------------------------------------------------------------------------ network

    def split(self, groups: Sequence[Iterable[str]]) -> int:
        """Cut the mesh into groups that cannot reach each other; returns the number by which to `mend` it."""
        named = [list(group) for group in groups]
        sides = " | ".join(" ".join(group) for group in named)
        self.trace.tell(self.now, "network", f"splits: {sides}")
        number = self.network.cut(between([[self.hosts[name].peer for name in group] for group in named]))
        self._mended[number] = f"has no split any more: {sides}"
        self._topology_changed()
        return number

    def cut(self, senders: Iterable[str], receivers: Iterable[str]) -> int:
        """Frames from `senders` no longer reach `receivers`; the other way is untouched and nobody notices.

        Returns the number by which to `mend` it.
        """
        here, there = list(senders), list(receivers)
        way = f"from {' '.join(here)} to {' '.join(there)}"
        self.trace.tell(self.now, "network", f"loses everything {way}")
        number = self.network.cut(
            (self.hosts[a].peer, self.hosts[b].peer) for a in here for b in there if a != b
        )
        self._mended[number] = f"carries again what goes {way}"
        return number

    def mend(self, number: int) -> None:
        """Undo one `split` or `cut`, unless all has been healed since."""
        if self.network.mend(number):
            self.trace.tell(self.now, "network", self._mended[number])
            self._topology_changed()

    def heal(self) -> None:
        """Mend the network."""
        self.trace.tell(self.now, "network", "is whole again")
        self.network.heal()
        self._topology_changed()

    def clog(self, sender: str, receiver: str, bytes_per_s: float) -> Link:
        """Give the link from `sender` to `receiver` little bandwidth, until the network's `unclog`."""
        self.trace.tell(
            self.now, "network", f"has {bytes_per_s:.0f} bytes/s left from {sender} to {receiver}"
        )
        link = (self.hosts[sender].peer, self.hosts[receiver].peer)
        self.network.clog(link, bytes_per_s)
        return link

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

    def _add(self, name: str, number: int, shard: int) -> None:
        host = Host(make_spec(self.setup, self.keys, self._credit, name, number, shard), self._around)
        self.hosts[name] = host
        self.by_peer[host.peer] = host
        self.trace.name(host.peer, name)

    def _deliver(self, sender: PeerId, receiver: PeerId, frame: bytes) -> None:
        if self.tap is not None:
            self.tap(sender, receiver, frame)
        host = self.by_peer.get(receiver)
        if host is None:
            return
        for delay in self.network.arrivals(self.schedule.now, sender, receiver, len(frame)):
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
