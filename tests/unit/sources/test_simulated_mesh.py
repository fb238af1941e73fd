"""A simulated mesh as the console sees it: the same reducer, the same questions, no process and no clock."""

from __future__ import annotations

import random

import pytest

from mesh_core.api.schema import Event
from whisper_tui.actions.simulated import SimulatedActions
from whisper_tui.errors import ActionError
from whisper_tui.model import selectors
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.sources.simulation import Simulated, SimulatedMesh


class Watched:
    """A simulated mesh and what its events come to."""

    def __init__(self, **made_of: object) -> None:
        self.mesh = SimulatedMesh(Simulated(**made_of))  # type: ignore[arg-type]
        self.state: State = initial_state(primary=self.mesh.primary, exec_delay_ms=self.mesh.exec_delay_ms)
        self.events: list[Event] = []
        self.actions = SimulatedActions(self.mesh, lambda: self.state, "test", random.Random(1))

    def pass_s(self, seconds: float) -> None:
        for event in self.mesh.advance(seconds):
            self.events.append(event)
            self.state = reduce(self.state, event)


@pytest.fixture
def met() -> Watched:
    watched = Watched()
    watched.pass_s(1.0)
    return watched


def test_all_participants_meet_and_agree(met: Watched) -> None:
    assert selectors.agreed_alive(met.state) == 6
    assert selectors.convergence(met.state).reporting == 7
    assert met.state.rejected == 0


def test_the_same_seed_tells_the_same() -> None:
    one, other = Watched(seed="again"), Watched(seed="again")
    for watched in (one, other):
        watched.pass_s(1.0)
        watched.mesh.submit("what is a lease")
        watched.pass_s(2.0)
    assert one.events == other.events


async def test_a_question_is_answered_although_its_holder_dies(met: Watched) -> None:
    label = await met.actions.submit("how does a network learn")
    met.pass_s(0.2)
    outcome = await met.actions.kill([f"holder:{label}.1", "random"])
    met.pass_s(6.0)
    assert len(outcome.action.targets) == 2
    assert selectors.find_query(met.state, label).state == "answered"
    incident = selectors.last_incident(met.state)
    assert incident is not None and incident.targets == tuple(outcome.action.targets)
    assert incident.reclaimed_ms is not None and incident.converged_ms is not None
    assert selectors.counters(met.state).jobs_lost == 0
    answer = selectors.find_query(met.state, label).answer
    assert answer is not None and "how does a network learn" in answer.text


async def test_who_is_killed_is_seen_down_and_comes_back(met: Watched) -> None:
    await met.actions.kill(["node2"])
    met.pass_s(2.0)
    node = selectors.find_node(met.state, "node2")
    assert (node.state, node.process) == ("dead", "killed")
    await met.actions.revive(["node2"])
    met.pass_s(3.0)
    node = selectors.find_node(met.state, "node2")
    assert (node.state, node.process) == ("alive", "running")
    assert selectors.agreed_alive(met.state) == 6


async def test_a_pause_is_seen_and_ends(met: Watched) -> None:
    await met.actions.pause(["node3"])
    met.pass_s(3.0)
    assert selectors.find_node(met.state, "node3").process == "paused"
    assert selectors.find_node(met.state, "node3").state == "dead"
    await met.actions.revive(["node3"])
    met.pass_s(3.0)
    assert selectors.agreed_alive(met.state) == 6


async def test_a_partition_stands_until_it_is_healed(met: Watched) -> None:
    await met.actions.partition([], ["node5", "node6"])
    met.pass_s(3.0)
    assert set(selectors.cut_off(met.state)) == {"node5", "node6"}
    assert selectors.node_counts(met.state).dead == 2
    await met.actions.heal()
    met.pass_s(5.0)
    assert selectors.cut_off(met.state) == []
    assert selectors.agreed_alive(met.state) == 6


async def test_who_comes_back_during_a_partition_is_on_its_side(met: Watched) -> None:
    await met.actions.partition([], ["node6"])
    await met.actions.kill(["node6"])
    met.pass_s(1.0)
    await met.actions.revive(["node6"])
    met.pass_s(3.0)
    assert selectors.node_counts(met.state).up == 5


async def test_one_more_joins(met: Watched) -> None:
    await met.actions.add()
    met.pass_s(3.0)
    assert selectors.agreed_alive(met.state) == 7


async def test_a_job_is_cancelled() -> None:
    watched = Watched(exec_delay_s=5.0)
    watched.pass_s(1.0)
    await watched.actions.submit("long")
    watched.pass_s(0.3)
    await watched.actions.cancel("q1.1")
    watched.pass_s(10.0)
    assert selectors.find_job(watched.state, "q1.1").state == "cancelled"


@pytest.mark.parametrize(
    ("names", "said"),
    [(["node9"], "node9"), ([], "nobody"), (["holder:q9.1"], "q9.1")],
)
async def test_who_is_nobody_is_said(met: Watched, names: list[str], said: str) -> None:
    with pytest.raises(ActionError, match=said):
        await met.actions.kill(names)


async def test_what_makes_no_sense_is_refused(met: Watched) -> None:
    with pytest.raises(ActionError, match="nothing to revive"):
        await met.actions.revive(["node1"])
    with pytest.raises(ActionError, match="no partition"):
        await met.actions.heal()
    with pytest.raises(ActionError, match="no job"):
        await met.actions.cancel("q7.1")
    await met.actions.kill(["operator"])
    with pytest.raises(ActionError, match="does not run"):
        await met.actions.submit("anybody there")


async def test_it_is_a_source_for_a_console() -> None:
    mesh = SimulatedMesh(Simulated())
    slept: list[float] = []

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if mesh.now_s > 1.0:
            raise Enough

    kinds: set[str] = set()
    with pytest.raises(Enough):
        async for event in mesh.events(sleep, pace=10.0):
            kinds.add(event.kind)
    assert {"process", "source", "node", "member", "replica"} <= kinds
    assert sum(slept) == pytest.approx(0.1, abs=0.02)
