"""How a mesh grows: messages, bytes, memory, disk and CPU against the number of members and of jobs.

Simulated in one process with stand-in cryptography: the node, codec and rules are those of production, so that messages,
bytes and rows count as they are; CPU and memory tell slopes, not what a participant takes.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from mesh_core.checkpoint.snapshot import Cut, Snapshot, encoded
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.config import DEFAULT
from mesh_core.effects import JobOptions
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.bench.figures import Figure, at_most, bench
from tests.unit.core.people import People

QUERY_SHARDS = 3
"""A query is so many answer jobs and one that combines them."""

IDLE_S = 5.0
GENEROUS_MICRO = 10**12


@dataclass(frozen=True, slots=True)
class Window:
    """What some jobs cost the whole mesh, and what it holds afterwards. `memory` is what Python holds for it all."""

    jobs: int
    frames: int
    sent_bytes: int
    cpu_s: float
    memory_bytes: int
    disk_bytes: int
    records: int


class Meter:
    """A mesh of `members` with default timers whose operator asks one question after the other."""

    def __init__(self, members: int, **setup: Any) -> None:
        self.sent_bytes = 0
        self.asked = 0
        self.world = World(
            Setup(
                f"growth{members}",
                providers=members - 1,
                timing=DEFAULT,
                credit_micro=GENEROUS_MICRO,
                **setup,
            )
        )
        self.world.tap = self._count
        self.world.start()
        self.met_s = self._meet(members)

    def _count(self, _sender: bytes, _receiver: bytes, frame: bytes) -> None:
        self.sent_bytes += len(frame)

    def _meet(self, members: int) -> float:
        self.world.run_while(
            lambda: any(_knows(host) < members - 1 for host in self.world.hosts.values()), 60.0
        )
        met_s = self.world.now
        self.world.run_for(5.0)
        return met_s

    @property
    def hosts(self) -> list[Host]:
        """Everybody whose process exists."""
        return [host for host in self.world.hosts.values() if host.up]

    @property
    def frames(self) -> int:
        """Frames sent so far."""
        return sum(host.frames_sent for host in self.hosts)

    def idle(self) -> float:
        """Frames per member and second while nothing is asked."""
        before = self.frames
        self.world.run_for(IDLE_S)
        return (self.frames - before) / IDLE_S / len(self.hosts)

    def window(self, queries: int, at_once: int = 10) -> Window:
        """Ask `queries` questions, so many of them at the same time, and wait for the answers."""
        frames, sent, began = self.frames, self.sent_bytes, time.process_time()
        for first in range(0, queries, at_once):
            for _ in range(first, min(first + at_once, queries)):
                self.asked += 1
                self.world.submit(
                    OPERATOR,
                    "why?",
                    range(QUERY_SHARDS),
                    JobOptions(max_price_micro=20_000),
                    f"q{self.asked}",
                )
            self.world.run_while(partial(_unanswered, self.world), 60.0)
        cpu_s = time.process_time() - began
        self.world.run_while(self.diverged, 30.0)
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
        operator = self.world.hosts[OPERATOR]
        assert operator.node is not None
        return Window(
            queries * (QUERY_SHARDS + 1),
            self.frames - frames,
            self.sent_bytes - sent,
            cpu_s,
            memory,
            sum(map(_disk_bytes, self.hosts)),
            len(operator.node.ledger.chains),
        )

    def diverged(self) -> bool:
        """Whether replicas differ."""
        roots = {host.node.ledger.state_root() for host in self.hosts if host.node is not None}
        return len(roots) > 1

    def death_s(self) -> float:
        """How long until a killed member is dead on all others."""
        victim = self.world.hosts["node1"]
        self.world.crash("node1")
        since = self.world.now
        others = [host.node for host in self.hosts if host.node is not None]
        self.world.run_while(lambda: not all(node.membership.is_dead(victim.peer) for node in others), 60.0)
        return self.world.now - since


def _knows(host: Host) -> int:
    return len(host.node.membership.live()) if host.node is not None else 0


def _unanswered(world: World) -> bool:
    node = world.hosts[OPERATOR].node
    assert node is not None
    return any(not query.finished for query in node.queries.queries.values())


def _disk_bytes(host: Host) -> int:
    disk = host.disk
    rows = [row.signed for row in (*disk.statements.values(), *disk.votes.values())]
    return sum(map(len, (*rows, *disk.blobs.values(), *disk.meta.values())))


@bench("growth_members")
def growth_members() -> Iterator[Figure]:
    """What a member costs in meshes of different sizes."""
    for members in (6, 20, 50, 100):
        yield from members_figures(members)


@bench("growth_large", is_long=True)
def growth_large() -> Iterator[Figure]:
    """The same in large meshes: half an hour, and 5 GB of memory for a thousand nodes in one process."""
    for members in (300, 1000):
        yield from members_figures(members)


def members_figures(members: int) -> Iterator[Figure]:
    """The figures of a mesh of `members`."""
    how = f"simulated, {members} members, default timers, no fault"
    began = time.process_time()
    meter = Meter(members)
    yield at_most(f"growth_meet_s_{members}", meter.met_s, "s", None, f"{how}: all know all after the start")
    yield at_most(f"growth_meet_cpu_s_{members}", time.process_time() - began, "s", None, how)
    yield at_most(f"growth_idle_frames_per_node_per_s_{members}", meter.idle(), "frames/s", 5.0, how)
    window = meter.window(5, at_once=5)
    per = members * window.jobs
    yield at_most(f"growth_frames_per_node_per_job_{members}", window.frames / per, "frames", None, how)
    yield at_most(f"growth_bytes_per_node_per_job_{members}", window.sent_bytes / per, "bytes", None, how)
    yield at_most(f"growth_cpu_ms_per_node_per_job_{members}", 1000 * window.cpu_s / per, "ms", None, how)
    yield at_most(f"growth_death_known_to_all_s_{members}", meter.death_s(), "s", None, how)


RETAINED_RECORDS = 400
"""So few that the benches see many checkpoints; participants retain ten times as many."""


@bench("growth_jobs")
def growth_jobs() -> Iterator[Figure]:
    """What a mesh holds after more and more jobs, and how long somebody takes who missed most of them."""
    tracemalloc.start()
    meter = Meter(7, retained_records=RETAINED_RECORDS)
    early, _, late = ([meter.window(10) for _ in range(8)] for _ in range(3))
    tracemalloc.stop()
    meter.world.crash("node6")
    meter.window(50)
    jobs = 2 * sum(window.jobs for window in early)
    how = f"simulated, 7 members retain {RETAINED_RECORDS} records each, {jobs} jobs later; means over 8 windows"
    yield at_most(
        "growth_jobs_records_held_ratio", _mean(late, "records") / _mean(early, "records"), "", 1.3, how
    )
    yield at_most(
        "growth_jobs_frames_per_job_ratio", _mean(late, "frames") / _mean(early, "frames"), "", 1.1, how
    )
    how += ", per member; what grows are results and values of a submitter's newest 2000 jobs"
    disk = (_mean(late, "disk_bytes") - _mean(early, "disk_bytes")) / jobs / 7
    yield at_most("growth_jobs_disk_bytes_per_further_job", disk, "bytes", 1000.0, how)
    memory = (_mean(late, "memory_bytes") - _mean(early, "memory_bytes")) / jobs / 7
    how += "; with the simulated disk, which is in memory too"
    yield at_most("growth_jobs_memory_bytes_per_further_job", memory, "bytes", 3000.0, how)
    since = meter.world.now
    meter.world.start("node6")
    meter.world.run_while(lambda: not meter.world.hosts["node6"].up or meter.diverged(), 60.0, every_s=0.01)
    how = "simulated, default timers, away for 200 jobs whose records the others have dropped"
    yield at_most("growth_jobs_away_catches_up_s", meter.world.now - since, "s", 3.0, how)


def _mean(windows: list[Window], what: str) -> float:
    return sum(getattr(window, what) for window in windows) / len(windows)


@bench("growth_ledger")
def growth_ledger() -> Iterator[Figure]:
    """One replica's ledger through a hundred thousand jobs: memory, and what a root and a checkpoint cost."""
    people = People()
    ledger = people.ledger()
    base: Snapshot | None = None
    memory: list[int] = []
    root_s: list[float] = []
    began = time.process_time()
    for lap in range(LEDGER_JOBS // LEDGER_STEP):
        for number in range(LEDGER_STEP):
            _settle(people, ledger, lap * LEDGER_STEP + number)
            since = time.perf_counter()
            ledger.state_root()
            root_s.append(time.perf_counter() - since)
        heads = {
            author: Base(held.head_seq, held.head_hash) for author, held in ledger.chains.authors.items()
        }
        root = ledger.state_root()
        base = snapshot_at(ledger, base, Cut.of(heads, (people.submitter.peer,)))
        assert base is not None
        ledger.forget(list(ledger.jobs.values()), heads)
        ledger.collapse(base.settled, base.opened_accounts(), base.jobs)
        assert ledger.state_root() == root and ledger.collapsed == (lap + 1) * LEDGER_STEP
        gc.collect()
        memory.append(len(gc.get_objects()))
    cpu_s = time.process_time() - began
    how = f"one ledger, {LEDGER_JOBS} jobs, a checkpoint every {LEDGER_STEP}, stand-in signatures, making the records included"
    yield at_most(
        "growth_ledger_objects_ratio",
        memory[-1] / memory[1],
        "",
        1.1,
        how + "; Python objects, last against second",
    )
    yield at_most("growth_ledger_snapshot_bytes", len(encoded(base)) if base else 0, "bytes", 1 << 20, how)
    fifth = len(root_s) // 5
    slower = sorted(root_s[-fifth:])[fifth // 2] / sorted(root_s[:fifth])[fifth // 2]
    yield at_most(
        "growth_ledger_root_time_ratio", slower, "", 1.5, how + "; median, last fifth against first"
    )
    yield at_most("growth_ledger_cpu_ms_per_job", 1000 * cpu_s / LEDGER_JOBS, "ms", None, how)


LEDGER_JOBS = 100_000
LEDGER_STEP = 2_000


def _settle(people: People, ledger: Ledger, number: int) -> None:
    holder = people.providers[number % 6]
    job = people.submitter.record("job", people.job(label=f"q{number}"))
    ledger.add(job)
    value = people.value(holder, b"%d" % number)
    ledger.add(holder.record("settle", people.settlement(job.hash, value, people.providers[:4])))
