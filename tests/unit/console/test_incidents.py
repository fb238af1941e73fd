"""Incidents: stages counted by the last observer, never merged, None where they do not apply."""

from __future__ import annotations

import pytest

from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from whisper_tui.model import selectors
from whisper_tui.model.incidents import STAGES
from whisper_tui.model.state import Incident, State


def last(state: State) -> Incident:
    incident = selectors.last_incident(state)
    assert incident is not None
    return incident


def test_one_kill_of_three_is_one_incident_with_every_stage_in_order() -> None:
    incident = last(rescue_story().state())
    assert incident.killed == ("node2", "node4", "node6")
    assert len(incident.held) == 3
    stages = [getattr(incident, stage) for stage in STAGES]
    assert None not in stages and stages == sorted(stages)
    assert not incident.open


@pytest.mark.parametrize(
    ("until", "reached"),
    [("killed", 0), ("suspected", 1), ("confirmed", 2), ("rescued", 3), ("end", 6)],
)
def test_stages_are_reached_one_after_the_other(until: str, reached: int) -> None:
    incident = last(rescue_story(until=until).state())
    assert [getattr(incident, stage) is not None for stage in STAGES] == [True] * reached + [False] * (
        6 - reached
    )


def test_a_stage_counts_when_the_last_live_observer_has_reached_it() -> None:
    mesh = rescue_story(until="suspected")
    mesh.wait(500)
    for observer in ("operator", "node1", "node3"):
        mesh.tell(observer, "member_dead", {"peer": peer_of("node2"), "accusers": 3})
        mesh.tell(observer, "member_dead", {"peer": peer_of("node4"), "accusers": 3})
        mesh.tell(observer, "member_dead", {"peer": peer_of("node6"), "accusers": 3})
    assert last(mesh.state()).confirmed_ms is None
    mesh.wait(400)
    for victim in ("node2", "node4", "node6"):
        mesh.tell("node5", "member_dead", {"peer": peer_of(victim), "accusers": 3})
    incident = last(mesh.state())
    assert incident.confirmed_ms == mesh.events[-1].at_ms - incident.at_ms


def test_the_configured_delay_is_left_out_of_finished_and_of_nothing_else() -> None:
    story = rescue_story()
    without = last(story.state())
    delayed = last(story.state(exec_delay_ms=100.0))
    assert without.finished_ms is not None and delayed.finished_ms == pytest.approx(
        without.finished_ms - 100.0, abs=3
    )
    for stage in STAGES:
        if stage != "finished_ms":
            assert getattr(delayed, stage) == getattr(without, stage)
    assert without.finished_ms == without.settled_ms


def test_a_rescuer_that_adopts_a_result_waits_for_no_delay() -> None:
    mesh = rescue_story(until="rescued")
    for number in range(1, 7):
        mesh.settle(f"q1.{number}", outcome="adopted" if number in (2, 4, 6) else "settled")
    finished = last(mesh.state()).finished_ms
    assert finished is not None and finished == last(mesh.state(exec_delay_ms=100.0)).finished_ms


def test_killing_one_who_holds_nothing_leaves_the_job_stages_empty() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.kill("node4")
    mesh.wait(100)
    mesh.suspect("node4")
    mesh.wait(600)
    mesh.confirm("node4")
    incident = last(mesh.state())
    assert incident.confirmed_ms is not None and incident.converged_ms == incident.confirmed_ms
    assert incident.reclaimed_ms is None and incident.finished_ms is None
    assert not incident.open


def test_replicas_that_differ_delay_converged() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.kill("node4")
    mesh.replicas("node5", root="22" * 32)
    mesh.suspect("node4")
    mesh.confirm("node4")
    assert last(mesh.state()).converged_ms is None
    mesh.wait(700)
    mesh.replicas("node5")
    incident = last(mesh.state())
    assert incident.confirmed_ms is not None and incident.converged_ms is not None
    assert incident.converged_ms >= incident.confirmed_ms + 700


def test_a_heal_is_an_incident_of_convergence_only() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.replicas("node1", "node2", "node3", root="33" * 32)
    mesh.wait(1_000)
    mesh.action("heal", [], "whisper-tui heal")
    mesh.wait(900)
    mesh.replicas(root="44" * 32)
    incident = last(mesh.state())
    assert incident.action == "heal" and incident.converged_ms == 900.0
    assert incident.suspected_ms is None and incident.confirmed_ms is None


@pytest.mark.parametrize("until", ["killed", "confirmed", "rescued"])
def test_reviving_the_victims_leaves_an_incident_open_until_what_they_held_is_final(until: str) -> None:
    mesh = rescue_story(until=until)
    for name in ("node2", "node4", "node6"):
        mesh.revive(name)
    incident = last(mesh.state())
    assert incident.open and incident.settled_ms is None and len(incident.held) == 3
    mesh.wait(9_000)
    for number in range(1, 7):
        mesh.settle(f"q1.{number}")
    mesh.replicas(root="55" * 32)
    incident = last(mesh.state())
    assert not incident.open
    assert (incident.confirmed_ms is None) == (until == "killed")
    assert incident.settled_ms is not None and incident.settled_ms > 9_000
    assert incident.converged_ms is not None and incident.converged_ms >= incident.settled_ms


def test_one_of_several_victims_that_comes_back_excuses_nobody_from_confirming_the_others() -> None:
    mesh = rescue_story(until="killed")
    mesh.revive("node2")
    for number in range(1, 7):
        mesh.settle(f"q1.{number}")
    incident = last(mesh.state())
    assert incident.open and incident.settled_ms is None


def test_what_a_revived_victim_is_given_to_do_is_not_held_by_the_dead() -> None:
    mesh = rescue_story(until="rescued")
    for name in ("node2", "node4", "node6"):
        mesh.revive(name)
    mesh.submit("Another question?", "q2")
    mesh.award("q2.1", "node2")
    mesh.lease("q2.1", "node2")
    assert last(mesh.state()).held.keys() == last(rescue_story(until="rescued").state()).held.keys()


def test_reviving_those_who_held_nothing_ends_an_incident_as_it_is() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.kill("node4")
    mesh.suspect("node4")
    mesh.revive("node4")
    incident = last(mesh.state())
    assert not incident.open and incident.confirmed_ms is None and incident.converged_ms is None


def test_the_same_action_told_again_is_not_another_incident() -> None:
    mesh = rescue_story()
    again = next(event for event in mesh.events if event.kind == "action" and event.data["action"] == "kill")
    mesh.events.append(again)
    assert len(mesh.state().incidents) == 1


def test_percentiles_are_taken_over_the_incidents_that_have_the_stage() -> None:
    mesh = Feeder()
    mesh.start()
    for name, took_ms in (("node1", 300), ("node2", 500), ("node3", 900)):
        mesh.kill(name)
        mesh.wait(took_ms)
        mesh.confirm(name)
        mesh.wait(1_000)
    found = selectors.stage_percentiles(mesh.state(), "confirmed_ms")
    assert found.p50 == pytest.approx(507, abs=15) and found.p95 == pytest.approx(907, abs=15)
    assert selectors.stage_percentiles(mesh.state(), "reclaimed_ms") == selectors.Percentiles(None, None)
