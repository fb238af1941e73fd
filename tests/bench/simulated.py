"""Figures from the simulator: the same node, codec and rules, with a network that can be counted and made lossy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesh_core.config import DEFAULT, FAST, Timing
from mesh_core.effects import JobOptions
from mesh_core.node import Node
from mesh_core.simulation.network import Weather
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.bench.figures import Figure, at_least, at_most, bench, percentile

IDLE_S = 20.0


def node_of(world: World, name: str) -> Node:
    """The running node of a host."""
    node = world.hosts[name].node
    assert node is not None
    return node


def started(setup: Setup, settle_s: float) -> World:
    """A world in which everybody is up and has had time to meet."""
    world = World(setup)
    world.start()
    world.run_for(settle_s)
    return world


@bench("idle_traffic")
def idle_traffic() -> Iterator[Figure]:
    """Frames per node and second when nothing happens."""
    for label, timing, target in (("default", DEFAULT, 5.0), ("fast", FAST, 10.0)):
        for members in (6, 20, 100):
            rate = _idle_rate(timing, members)
            yield at_most(
                f"idle_frames_per_node_per_s_{label}_{members}",
                rate,
                "frames/s",
                target,
                f"simulated, {members} members, {IDLE_S:g} s after the mesh has met; one frame is one AXL send",
            )


def _idle_rate(timing: Timing, members: int) -> float:
    world = started(Setup(seed=f"idle{members}", providers=members - 1, timing=timing), 20.0)
    before = sum(host.frames_sent for host in world.hosts.values())
    world.run_for(IDLE_S)
    return (sum(host.frames_sent for host in world.hosts.values()) - before) / IDLE_S / members


@bench("dissemination")
def dissemination() -> Iterator[Figure]:
    """How long a new record takes to reach every one of 20 nodes."""
    for loss, target in ((0.0, 1.0), (0.2, 3.0)):
        times, reached, records = _spread(loss)
        how = f"simulated, 20 nodes, {loss:.0%} of frames lost, {records} records, time until the last node holds it"
        yield at_least(f"record_reaches_all_20_loss_{loss:.0%}_share", reached, "%", 100.0, how)
        yield at_most(
            f"record_reaches_all_20_loss_{loss:.0%}_p99_s", percentile(times, 0.99), "s", target, how
        )


def _spread(loss: float) -> tuple[list[float], float, int]:
    world = started(Setup(seed=f"spread{loss}", providers=19, weather=Weather(loss=loss)), 5.0)
    times: list[float] = []
    records = 60
    for number in range(records):
        author = node_of(world, f"node{number % 19 + 1}")
        world.run_for(0.2)
        since = world.now
        entry = author.replication.append(
            world.hosts[f"node{number % 19 + 1}"].clock.monotonic(since), "note", number
        )
        world.hosts[f"node{number % 19 + 1}"].act(author.context.outbox.take())
        if world.run_while(partial(_missing_somewhere, world, entry.hash), 20.0, every_s=0.01):
            times.append(world.now - since)
    return times or [float("inf")], 100.0 * len(times) / records, records


def _missing_somewhere(world: World, record: bytes) -> bool:
    return any(host.node is None or record not in host.node.ledger.chains for host in world.hosts.values())


def _unanswered(world: World) -> bool:
    return not all(query.finished for query in node_of(world, OPERATOR).queries.queries.values())


def _diverged(world: World) -> bool:
    return len({host.node.ledger.state_root() for host in world.live() if host.node is not None}) > 1


@bench("never_ran")
def jobs_that_never_ran() -> Iterator[Figure]:
    """Jobs without a result although nothing failed."""
    for members in (6, 20, 50):
        world = started(Setup(seed=f"calm{members}", providers=members - 1), 3.0)
        for number in range(10):
            world.submit(OPERATOR, "why?", [1, 2, 3], JobOptions(), f"q{number}")
        node = node_of(world, OPERATOR)
        world.run_while(partial(_unanswered, world), 60.0)
        lost = sum(not job.final for job in node.ledger.jobs.values())
        share = 100.0 * lost / max(1, len(node.ledger.jobs))
        yield at_most(
            f"jobs_never_ran_{members}", share, "%", 0.0, f"simulated, {members} members, 40 jobs, no fault"
        )


@bench("late_joiner")
def late_joiner() -> Iterator[Figure]:
    """What a member that joins afterwards learns of earlier jobs."""
    world = World(Setup(seed="late"))
    world.start(*(name for name in world.hosts if name != "node6"))
    world.run_for(1.0)
    for number in range(4):
        world.submit(OPERATOR, "why?", [1, 2, 3, 4], JobOptions(), f"q{number}")
    world.run_while(partial(_unanswered, world), 60.0)
    world.start("node6")
    world.run_for(3.0)
    known = len(node_of(world, "node6").ledger.jobs)
    yield at_least(
        "late_joiner_learns_jobs", known, "jobs", 20.0, "simulated, joins 3 s before counting; 20 jobs before"
    )


@bench("healing")
def healing() -> Iterator[Figure]:
    """From the end of a 3|3 split until all replicas have equal roots."""
    times = []
    for seed in range(20):
        world = started(Setup(seed=f"heal{seed}"), 2.0)
        world.submit(OPERATOR, "why?", [1, 2, 3, 4, 5, 6], JobOptions(), "q1")
        world.split([["node1", "node2", "node3", OPERATOR], ["node4", "node5", "node6"]])
        world.run_for(8.0)
        world.heal()
        since = world.now
        equal = world.run_while(partial(_diverged, world), 30.0, every_s=0.02)
        times.append(world.now - since if equal else 30.0)
    yield at_most(
        "healed_split_equal_roots_max_s",
        max(times),
        "s",
        3.0,
        "simulated, FAST, 3|3 for 8 s with a query open, worst of 20",
    )
