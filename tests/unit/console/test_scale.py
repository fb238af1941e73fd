"""A mesh of hundreds costs in proportion: counted in calls, which are the same on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mesh_core.api.schema import Event
from tests.crowd import Crowd, peer_of
from tests.unit.console.feeder import Feeder
from tests.unit.console.harness import Bench
from whisper_tui.model import selectors
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import JOBS_KEPT, RECORDS_KEPT, State, initial_state

FEW, MANY = 100, 400
TIMES = MANY / FEW
SLACK = 1.3
"""What grows in proportion may grow by this much more: a few more digits, a few more levels."""


def calls(work: Callable[[], Any]) -> int:
    """How many functions were called, Python's own included."""
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def taken_in(state: State, events: Iterable[Event]) -> State:
    for event in events:
        state = reduce(state, event)
    return state


@pytest.fixture(scope="module")
def meshes() -> dict[int, tuple[Crowd, State]]:
    found = {}
    for nodes in (FEW, MANY):
        crowd = Crowd(nodes, observers=nodes)
        found[nodes] = crowd, crowd.state(jobs=nodes * 5, records=nodes)
    return found


EVENTS: dict[str, Callable[[Crowd], list[Event]]] = {
    "member": lambda crowd: [crowd.member(0, number, leases=1) for number in range(1, 21)],
    "job": lambda crowd: [crowd.job(number, tokens=number) for number in range(20)],
    "record": lambda crowd: [crowd.record(10**6 + number) for number in range(20)],
    "settled": lambda crowd: [crowd.settled(observer, 3) for observer in range(20)],
}


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("disturbed", [False, True], ids=["at rest", "during an incident"])
def test_an_event_costs_the_same_however_large_the_mesh_is(
    meshes: dict[int, tuple[Crowd, State]], kind: str, disturbed: bool
) -> None:
    spent = {}
    for nodes, (crowd, state) in meshes.items():
        before = reduce(state, crowd.action("kill", 7, 8)) if disturbed else state
        events = EVENTS[kind](crowd)
        spent[nodes] = calls(lambda before=before, events=events: taken_in(before, events))
    assert spent[MANY] <= spent[FEW] * SLACK, spent


def test_what_has_to_ask_every_observer_grows_no_faster_than_their_number(
    meshes: dict[int, tuple[Crowd, State]],
) -> None:
    spent = {}
    for nodes, (crowd, state) in meshes.items():
        disturbed = reduce(state, crowd.action("kill", 7))
        events = [crowd.replica(observer, root="cd" * 32) for observer in range(20)]
        spent[nodes] = calls(lambda disturbed=disturbed, events=events: taken_in(disturbed, events))
    assert spent[MANY] <= spent[FEW] * TIMES * SLACK, spent


@pytest.mark.parametrize(
    "selector",
    [
        selectors.node_counts,
        selectors.nodes,
        selectors.questions,
        selectors.counters,
        selectors.open_jobs,
        selectors.convergence,
        selectors.cut_off,
    ],
)
def test_a_question_costs_in_proportion(
    meshes: dict[int, tuple[Crowd, State]], selector: Callable[[State], object]
) -> None:
    spent = {nodes: calls(lambda state=state: selector(state)) for nodes, (_, state) in meshes.items()}
    assert spent[MANY] <= spent[FEW] * TIMES * SLACK, spent


FRAME_CALLS_MAX = 160_000
"""Of a frame of any view at 400 nodes and 2,000 jobs; a core of this century makes some ten million a second."""


async def test_a_frame_of_every_view_costs_in_proportion(meshes: dict[int, tuple[Crowd, State]]) -> None:
    spent: dict[int, dict[str, int]] = {}
    for nodes, (crowd, state) in meshes.items():
        bench = Bench(Feeder(1))
        async with bench.console.run_test(size=(120, 40)) as pilot:
            spent[nodes] = {}
            for view in "12345678":
                await pilot.press(view)
                await pilot.pause()
                bench.console._state = reduce(state, crowd.job(1, tokens=int(view)))
                bench.console.draw()  # what is derived from the mesh as a whole is there now
                bench.console._state = reduce(state, crowd.job(2, tokens=int(view)))
                spent[nodes][view] = calls(bench.console.draw)
    for view, many in spent[MANY].items():
        assert many <= spent[FEW][view] * TIMES * SLACK, (view, spent)
        assert many <= FRAME_CALLS_MAX, (view, spent)


def test_what_is_kept_is_bounded_and_what_is_counted_is_not() -> None:
    crowd = Crowd(10, observers=1)
    state = initial_state(primary=peer_of(0))
    state = taken_in(state, map(crowd.job, range(10_000)))
    state = taken_in(state, map(crowd.record, range(100_000)))
    assert selectors.counters(state).jobs_submitted == 10_000
    assert len(state.jobs) <= JOBS_KEPT + 64 and len(state.records) <= RECORDS_KEPT + 64
    assert state.rejected == 0
