"""Paths that only scripts have, and the console's own through the same door."""

import msgspec
import pytest

from tests.unit.console.feeder import Feeder, rescue_story
from tests.unit.script.stand_in import proof
from whisper_tui.script.looking import BadPath, View, check, read


def view(feeder: Feeder, **changes: object) -> View:
    fields: dict[str, object] = {"model_expected": False, "model_starts": False, "audit": None}
    return View(feeder.state(), **(fields | changes))  # type: ignore[arg-type]


def test_the_consoles_paths_are_read_as_the_console_reads_them() -> None:
    story = view(rescue_story())
    assert read(story, "query.q1.settled") == "6/6"
    assert read(story, "incident.last.killed") == ["node2", "node4", "node6"]
    assert read(story, "job.q9.1.state") is None


def test_streaming_counts_jobs_whose_present_holder_has_produced_text() -> None:
    assert read(view(rescue_story(until="started")), "run.streaming") == 0
    assert read(view(rescue_story(until="running")), "run.streaming") == 6
    assert read(view(rescue_story(until="rescued")), "run.streaming") == 3
    assert read(view(rescue_story()), "run.streaming") == 0


def test_streamed_counts_what_an_incident_took_from_holders_that_had_streamed() -> None:
    assert read(view(rescue_story(until="running")), "run.streamed") is None
    assert read(view(rescue_story()), "run.streamed") == 3


@pytest.mark.parametrize(
    ("state", "ready"), [("starting", False), ("running", True), ("absent", True), ("exited", False)]
)
def test_a_model_is_ready_when_its_server_answers_or_will_never_be_there(state: str, ready: bool) -> None:
    feeder = Feeder()
    feeder.start()
    feeder.tell("supervisor", "process", {"name": "model", "part": "model", "state": state})
    assert read(view(feeder, model_starts=True), "run.model_ready") is ready
    assert read(view(feeder), "run.model_ready") is True


def test_what_the_stores_prove_is_there_only_once_they_were_read() -> None:
    feeder = rescue_story()
    assert read(view(feeder), "audit.jobs_lost") is None
    found = proof(jobs_lost=2, open=1, balance_micro=-5)
    assert read(view(feeder, audit=found), "audit.jobs_lost") == 2
    assert read(view(feeder, audit=found), "audit.jobs_open") == 1
    assert read(view(feeder, audit=found), "audit.balance_micro") == -5
    assert read(view(feeder, audit=found), "audit.node4.settled") == 7
    assert read(view(feeder, audit=found), "audit.nobody.settled") is None


def test_results_by_a_model_are_those_that_search_did_not_write() -> None:
    found = proof(writers={"search": 2, "llama_cpp": 4, "ollama": 1})
    assert read(view(rescue_story(), audit=found), "audit.results_by_search") == 2
    assert read(view(rescue_story(), audit=found), "audit.results_by_model") == 5


def test_replicas_of_the_dead_do_not_count_as_different_roots() -> None:
    found = proof()
    first, second, *rest = found.replicas
    odd = msgspec.structs.replace(second, root="cd")
    both = msgspec.structs.replace(found, replicas=[first, odd, *rest])
    assert read(view(rescue_story(), audit=both), "audit.roots") == 2
    dead = msgspec.structs.replace(found, replicas=[first, msgspec.structs.replace(odd, live=False), *rest])
    assert read(view(rescue_story(), audit=dead), "audit.roots") == 1


@pytest.mark.parametrize(
    "path", ["run.nothing", "audit.nothing", "audit.node4.nothing", "nodes.nothing", "nothing"]
)
def test_a_path_at_which_nothing_can_stand_is_refused(path: str) -> None:
    with pytest.raises(BadPath, match="no such path"):
        check(path, waiting=False)
