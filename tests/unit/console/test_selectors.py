"""Derived numbers, look-ups and paths."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.api.schema import AnswerView, OpenedView
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from whisper_tui.model import paths, selectors
from whisper_tui.model.selectors import Ambiguous, NotFound

END = rescue_story().state()
RESCUED = rescue_story(until="rescued").state()


def test_nodes_are_counted_by_what_is_seen_and_by_what_runs() -> None:
    killed = rescue_story(until="killed").state()
    counts = selectors.node_counts(killed)
    assert (counts.total, counts.up, counts.alive, counts.dead) == (6, 3, 6, 0)
    counts = selectors.node_counts(END)
    assert (counts.total, counts.up, counts.alive, counts.dead) == (6, 3, 3, 3)


def test_all_agree_only_when_every_live_observer_sees_everyone_alive() -> None:
    mesh = Feeder()
    mesh.start()
    assert selectors.agreed_alive(mesh.state()) == 6
    mesh.tell("node5", "member_suspected", {"peer": peer_of("node1"), "by": peer_of("node5")})
    assert selectors.agreed_alive(mesh.state()) == 5


def test_counters_count_certificates() -> None:
    counters = selectors.counters(END)
    assert (counters.jobs_submitted, counters.jobs_settled, counters.jobs_settled_twice) == (6, 6, 0)
    assert (counters.jobs_lost, counters.executions, counters.rescued) == (0, 9, 3)


def test_a_job_without_a_living_quorum_is_stalled_and_not_lost() -> None:
    mesh = rescue_story(until="running")
    job = replace(next(iter(mesh.jobs.values())), live_weight=3)
    mesh.tell("operator", "job", to_builtins(job))
    state = mesh.state()
    assert job.quorum == 4
    assert [view.job for view in selectors.stalled_jobs(state)] == [job.job]
    assert (paths.read(state, "jobs.stalled"), paths.read(state, "jobs.lost")) == (1, 0)


def test_a_settled_job_whose_result_is_no_answer_is_lost_and_not_stalled() -> None:
    mesh = rescue_story()
    job = mesh.jobs["q1.1"]
    nothing = AnswerView("", "", [], ["not a result this version reads"])
    mesh.tell("operator", "answer", to_builtins(OpenedView(job.job, job.holder, nothing)))
    state = mesh.state()
    assert (paths.read(state, "jobs.stalled"), paths.read(state, "jobs.lost")) == (0, 1)


def test_two_values_for_one_job_are_a_double_settlement() -> None:
    mesh = rescue_story()
    job = mesh.jobs["q1.1"]
    other = {
        "job": job.job,
        "epoch": 2,
        "outcome": "result",
        "holder": peer_of("node3"),
        "price_micro": 1,
        "votes": 4,
    }
    mesh.tell("node3", "job_settled", other)
    assert selectors.counters(mesh.state()).jobs_settled_twice == 1


def test_replicas_converge_when_all_live_roots_are_equal() -> None:
    mesh = Feeder()
    mesh.start()
    assert selectors.convergence(mesh.state()).converged
    mesh.wait(100)
    mesh.replicas("node2", root="55" * 32)
    diverged = selectors.convergence(mesh.state())
    assert not diverged.converged and diverged.roots == 2
    mesh.wait(250)
    mesh.replicas("node2")
    again = selectors.convergence(mesh.state())
    assert again.converged and again.took_ms == 250.0


def test_a_replica_that_cannot_be_heard_does_not_count_against_convergence() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.replicas("node2", root="55" * 32)
    mesh.kill("node2")
    assert selectors.convergence(mesh.state()).converged


def test_nodes_are_found_by_name_by_peer_id_and_by_what_they_hold() -> None:
    assert selectors.find_node(RESCUED, "node3").name == "node3"
    assert selectors.find_node(RESCUED, peer_of("node3")[:8]).name == "node3"
    assert selectors.find_node(RESCUED, "holder:q1.4").name == "node3"
    assert selectors.find_node(RESCUED, "you").name == "operator"
    with pytest.raises(NotFound, match=r"no node node9 .*node1"):
        selectors.find_node(RESCUED, "node9")
    with pytest.raises(NotFound, match=r"nobody holds q1\.1: it is settled"):
        selectors.find_node(END, "holder:q1.1")


def test_a_member_that_borrows_a_name_is_not_taken_for_its_owner() -> None:
    mesh = Feeder()
    mesh.start()
    impostor = {**mesh.events[-1].data}
    member = next(
        event.data for event in mesh.events if event.kind == "member" and event.data["name"] == "node4"
    )
    impostor = {**member, "peer": peer_of("impostor")}
    mesh.tell("operator", "member", impostor)
    state = mesh.state()
    assert selectors.find_node(state, "node4").peer == peer_of("node4")
    assert selectors.name_of(state, peer_of("impostor")) == f"node4~{peer_of('impostor')[:6]}"


def test_an_ambiguous_prefix_is_refused() -> None:
    mesh = Feeder()
    mesh.start()
    member = mesh.events[-1].data
    member = next(event.data for event in mesh.events if event.kind == "member")
    for tail in ("1", "2"):
        mesh.tell("operator", "member", {**member, "peer": "abcdef" + tail * 58, "name": f"x{tail}"})
    with pytest.raises(Ambiguous, match="2 ids start with abcdef"):
        selectors.find_node(mesh.state(), "abcdef")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nodes.up", 3),
        ("nodes.alive", 3),
        ("nodes.dead", 3),
        ("node.node4.state", "dead"),
        ("node.node1.process", "running"),
        ("node.node4.process", "killed"),
        ("query.last", "q1"),
        ("query.last.running", 0),
        ("query.q1.settled", "6/6"),
        ("query.q1.state", "answered"),
        ("query.q1.answer.backend", "llama.cpp SmolLM2-135M"),
        ("query.q1.answer.passages", 3),
        ("query.q7.state", None),
        ("job.q1.4.state", "settled"),
        ("job.q1.4.holder", "node3"),
        ("job.q1.4.epoch", 2),
        ("job.q1.4.tokens", 412),
        ("job.q9.1.state", None),
        ("jobs.settled", 6),
        ("jobs.settled_twice", 0),
        ("jobs.lost", 0),
        ("jobs.open", 0),
        ("jobs.stalled", 0),
        ("ledger.converged", True),
        ("ledger.roots", 1),
        ("incident.last.killed", ["node2", "node4", "node6"]),
    ],
)
def test_paths_read_the_state(path: str, value: object) -> None:
    paths.check(path)
    assert paths.read(END, path) == value


def test_incident_stages_are_read_in_milliseconds() -> None:
    reclaimed = paths.read(END, "incident.last.reclaimed_ms")
    assert isinstance(reclaimed, float) and 500 < reclaimed < 1_500
    assert paths.read(Feeder().state(), "incident.last.reclaimed_ms") is None


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("nodes.upp", "nodes.up"),
        ("query.q1.runing", "query.<name>.running"),
        ("incident.last.reclaimed", "incident.last.reclaimed_ms"),
        ("jobs", "jobs"),
        ("job.state", "job.<name>.state"),
    ],
)
def test_an_unknown_path_names_the_nearest_valid_ones(path: str, nearest: str) -> None:
    with pytest.raises(paths.UnknownPath) as caught:
        paths.read(END, path)
    assert any(valid.startswith(nearest) for valid in caught.value.nearest)
    with pytest.raises(paths.UnknownPath):
        paths.check(path)


def test_every_advertised_path_can_be_read() -> None:
    names = {"node": "node1", "query": "q1"}
    values = {
        pattern: paths.read(END, pattern.replace("<name>", names.get(pattern.partition(".")[0], "q1.1")))
        for pattern in paths.patterns()
    }
    empty = [pattern for pattern, value in values.items() if value is None]
    assert empty == ["query.<name>.answer.text"]  # these answers were found by search, which writes none
