"""Where several die together, survivors stand as far apart as there are survivors, whomever they found dead first."""

from mesh_core.config import FAST
from mesh_core.effects import JobOptions
from mesh_core.node import Node
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import Setup, World
from mesh_core.standing.succession import Succession

VICTIMS = ("node1", "node2", "node6")
SURVIVORS = ("node3", "node4", "node5")


def six_jobs_run() -> World:
    world = World(Setup(seed="three at once", timing=FAST, appetite=Appetite(shortest_s=5.0, longest_s=5.0)))
    world.start()
    world.run_for(3.0)
    world.submit("operator", "what is attention?", range(6), JobOptions(), "q1")
    world.run_for(0.5)
    return world


def node_of(world: World, name: str) -> Node:
    node = world.hosts[name].node
    assert node is not None
    return node


def knows_all_dead(node: Node, world: World) -> bool:
    return all(node.membership.is_dead(world.hosts[name].peer) for name in VICTIMS)


def places_waited_for(world: World, name: str) -> list[tuple[float, int]]:
    """For how many places a survivor still waits at each job of the dead, and how many live candidates are before it."""
    node, now = node_of(world, name), world.hosts[name].clock.monotonic(world.now)
    order = Succession(node.context, node.ledger, node.membership)
    found = []
    for job in node.ledger.open_jobs.values():
        deadline = node.context.timers.deadline(("candidate", "go", job.id))
        rank = order.rank(job, node.context.me)
        if deadline is not None and rank is not None:
            found.append(((deadline - now) / FAST.rank_step_s, rank))
    return found


def test_survivors_of_three_that_died_together_wait_for_each_other_only() -> None:
    world = six_jobs_run()
    for name in VICTIMS:
        world.kill(name)
    found: list[tuple[float, int]] = []
    for name in SURVIVORS:
        node = node_of(world, name)
        assert world.run_while(lambda node=node: not knows_all_dead(node, world), 3.0, every_s=0.001)  # type: ignore[misc]
        found += places_waited_for(world, name)
    assert len(found) > len(SURVIVORS), "each waits for its turn at some job"
    full = 1.5  # one that has taken a job besides its own lets one more go first
    assert [places for places, rank in found if places > rank + full * (rank == 0)] == []
