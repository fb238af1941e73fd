"""A provider that is asked for by its submitter comes first if it bids, and is not waited for when it dies."""

from __future__ import annotations

import pytest

from mesh_core.effects import JobOptions
from mesh_core.market.intake import Refusal
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World


def outcomes(world: World) -> list[tuple[str, str]]:
    """(outcome, holder) of every job that the operator's node knows."""
    node = world.hosts[OPERATOR].node
    assert node is not None
    names = {host.peer: name for name, host in world.hosts.items()}
    return [
        (job.value.outcome if job.value else "", names.get(job.value.holder, "") if job.value else "")
        for job in node.ledger.jobs.values()
    ]


@pytest.mark.parametrize("name", ["node2", "node6"])
def test_all_jobs_of_a_question_go_to_whom_it_is_addressed(name: str) -> None:
    world = World(Setup(seed="addressed"))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", range(3), JobOptions(preferred=world.hosts[name].peer), "q1")
    world.run_for(20.0)
    assert outcomes(world) == [("result", name)] * 4


def test_in_a_mesh_of_many_whoever_is_addressed_has_a_seat() -> None:
    world = World(Setup(seed="many", providers=14))
    world.start()
    world.run_for(3.0)
    for number in range(1, 15):
        peer = world.hosts[f"node{number}"].peer
        world.submit(OPERATOR, "why?", [0], JobOptions(preferred=peer), f"q{number}")
    world.run_for(30.0)
    holders = sorted(holder for outcome, holder in outcomes(world) if outcome == "result")
    assert holders == sorted(f"node{number}" for number in range(1, 15) for _ in range(2))


def test_when_it_dies_others_answer_in_its_place() -> None:
    world = World(Setup(seed="dies", appetite=Appetite(3.0, 3.0)))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", range(2), JobOptions(preferred=world.hosts["node3"].peer), "q1")
    world.run_for(1.5)
    world.crash("node3")
    world.run_for(60.0)
    found = outcomes(world)
    assert len(found) == 3 and all(outcome == "result" and holder != "node3" for outcome, holder in found)


def test_whoever_is_not_there_cannot_be_asked() -> None:
    world = World(Setup(seed="nobody"))
    world.start()
    world.run_for(2.0)
    with pytest.raises(Refusal, match="not known here, or not alive"):
        world.submit(OPERATOR, "why?", [0], JobOptions(preferred=b"\x07" * 32), "q1")
