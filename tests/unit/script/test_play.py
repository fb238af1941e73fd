"""Playing scripts on a stand-in mesh: what passes, what fails, and what the report says of it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.script.stand_in import StandIn, plan, proof
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.script import junit, report
from whisper_tui.script.play import Play
from whisper_tui.script.progress import Progress
from whisper_tui.script.reading import parse
from whisper_tui.script.screen import Filming

HEAD = 'name = "x"\ntimeout = "5s"\n[vars]\nquery = "why?"\n'

NOTHING_KEPT = Filming()


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.delenv("CI", raising=False)
    return StandIn(tmp_path)


async def run(
    mesh: StandIn, steps: str, head: str = HEAD, filming: Filming = NOTHING_KEPT
) -> tuple[int, dict[str, Any], Play]:
    script = parse(head + steps, "x.toml", {})
    playing = Play(script, mesh, "7", Progress(), filming)
    code = await playing.play()
    return code, json.loads(report.encoded(playing.report())), playing


async def test_a_script_whose_steps_all_hold_passes(mesh: StandIn) -> None:
    steps = """
[[step]]
about = "everybody is there"
wait = { path = "nodes.up", eq = 6 }
[[step]]
do = "submit"
args = { query = "${query}" }
save = { q = "query.last" }
[[step]]
expect = [{ path = "query.${q}.total", eq = 6 }, { path = "audit.jobs_lost", eq = 0 }]
"""
    code, found, _ = await run(mesh, steps)
    assert code == 0
    assert found["passed"] is True
    assert mesh.actions.done == [("submit", ["why?"])]
    assert [step["outcome"] for step in found["steps"]] == ["passed"] * 3
    assert found["steps"][1]["did"] == "submitted as q1, q = q1"
    assert found["variables"] == {"query": "why?", "q": "q1"}
    assert mesh.ended


async def test_a_report_on_a_terminal_is_inert(mesh: StandIn) -> None:
    steps = '[[step]]\nabout = "a \\u009b31m name"\nexpect = { path = "nodes.up", eq = 6 }\n'
    _, found, playing = await run(mesh, steps)
    assert found["steps"][0]["about"] == "a \x9b31m name"
    assert report.encoded(playing.report()).isascii()


async def test_the_report_has_exactly_the_promised_fields_and_some_more(mesh: StandIn) -> None:
    mesh.actions.then["kill"] = lambda: mesh.feeder.confirm("node4")
    _, found, _ = await run(mesh, '[[step]]\ndo = "kill"\nargs = { nodes = ["node4"] }\n')
    promised = ["name", "source", "clock", "passed", "steps", "counters", "incidents", "backend", "versions"]
    assert list(found)[: len(promised)] == promised
    assert (found["name"], found["source"], found["clock"]) == ("x", "live", "real")
    assert found["counters"] == {
        "jobs_submitted": 7,
        "jobs_settled": 7,
        "jobs_settled_twice": 0,
        "jobs_lost": 0,
        "executions": 10,
        "rescued": 3,
    }
    assert found["jobs_open"] == 0
    incident = found["incidents"][0]
    stages = ["suspected_ms", "confirmed_ms", "reclaimed_ms", "finished_ms", "settled_ms", "converged_ms"]
    assert list(incident) == ["action", "killed", *stages]
    assert incident["killed"] == ["node4"]
    assert incident["confirmed_ms"] > 0
    assert incident["reclaimed_ms"] is None, "node4 held nothing"
    assert found["backend"] is None, "nothing was answered"


async def test_an_expectation_that_fails_ends_the_run_with_one_and_shows_what_was_there(
    mesh: StandIn,
) -> None:
    steps = """
[[step]]
expect = [{ path = "nodes.up", eq = 6 }, { path = "nodes.dead", eq = 3 }]
[[step]]
do = "heal"
"""
    code, found, _ = await run(mesh, steps)
    assert code == 1
    assert mesh.actions.done == [], "the steps after it are not played"
    assert [step["outcome"] for step in found["steps"]] == ["failed", "not reached"]
    assert [check["passed"] for check in found["steps"][0]["checks"]] == [True, False]
    failure = found["failure"]
    assert failure["step"] == 1
    assert "expected nodes.dead = 3, but it is 0" in failure["message"]
    assert any(line.startswith("node1 alive") for line in failure["mesh"])
    assert found["counters"] is not None, "stores are read whatever came before"


async def test_a_failure_shows_the_last_fifty_events(mesh: StandIn) -> None:
    for number in range(60):
        mesh.feeder.wait(6_000)
        mesh.feeder.tell("node1", "problem", {"text": f"trouble {number}"})
    _, found, _ = await run(mesh, '[[step]]\nexpect = { path = "nodes.dead", eq = 3 }\n')
    events = found["failure"]["events"]
    assert len(events) == 50
    assert "trouble 59" in events[-1]


async def test_a_failure_shows_the_overview_also_without_a_console(mesh: StandIn) -> None:
    mesh.feeder.submit()
    mesh.feeder.award("q1.1", "node1")
    mesh.feeder.lease("q1.1", "node1")
    _, found, _ = await run(mesh, '[[step]]\nexpect = { path = "nodes.dead", eq = 3 }\n')
    screen = "\n".join(found["failure"]["screen"])
    assert "6/6 up" in screen
    assert re.search(r"q1\.1 .*running .*node1", screen)
    assert all(len(line) <= 120 for line in screen.splitlines())


async def test_what_does_not_come_in_time_ends_the_run_with_four(mesh: StandIn) -> None:
    steps = '[[step]]\nwait = { path = "nodes.dead", eq = 3 }\nwithin = "20ms"\n'
    code, found, _ = await run(mesh, steps)
    assert code == 4
    assert found["steps"][0]["outcome"] == "timed out"
    assert "not within 0.02 s: nodes.dead = 3, but it is 0" in found["failure"]["message"]


async def test_the_time_out_of_the_script_bounds_every_step(mesh: StandIn) -> None:
    steps = '[[step]]\nwait = { path = "nodes.dead", eq = 3 }\nwithin = "1m"\n'
    code, found, _ = await run(mesh, steps, 'name = "x"\ntimeout = "20ms"\n')
    assert code == 4
    assert "the time-out of the script" in found["failure"]["message"]


async def test_waiting_ends_with_the_event_that_makes_it_true(mesh: StandIn) -> None:
    steps = '[[step]]\nwait = { path = "nodes.dead", eq = 2 }\n'
    playing = asyncio.create_task(run(mesh, steps))
    await mesh.picture.awaited.wait()
    mesh.feeder.confirm("node1", "node2")
    mesh.tell()
    code, _, _ = await playing
    assert code == 0


async def test_a_step_whose_condition_does_not_hold_is_skipped(mesh: StandIn) -> None:
    steps = """
[[step]]
when = { path = "nodes.up", eq = 5 }
expect = { path = "nodes.dead", eq = 3 }
"""
    code, found, _ = await run(mesh, steps)
    assert code == 0
    assert found["passed"] is True
    assert found["steps"][0]["outcome"] == "skipped"


@pytest.mark.parametrize(
    ("backend", "ci", "expected"),
    [({}, "", False), ({}, "true", True), ({"llama_cpp_url": "http://127.0.0.1:9"}, "", True)],
)
async def test_a_model_is_expected_where_one_is_installed_and_always_in_ci(
    mesh: StandIn, monkeypatch: pytest.MonkeyPatch, backend: dict[str, str], ci: str, expected: bool
) -> None:
    mesh.plan = plan(**backend)
    monkeypatch.setenv("CI", ci)
    code, _, _ = await run(
        mesh, f'[[step]]\nexpect = {{ path = "run.model_expected", eq = {str(expected).lower()} }}\n'
    )
    assert code == 0


async def test_an_action_that_is_refused_fails_its_step(mesh: StandIn) -> None:
    mesh.actions.refusal = ActionError("there is no partition to heal")
    code, found, _ = await run(mesh, '[[step]]\ndo = "heal"\n')
    assert code == 1
    assert "there is no partition to heal" in found["failure"]["message"]


async def test_a_mesh_that_cannot_be_reached_any_more_ends_the_run_with_three(mesh: StandIn) -> None:
    mesh.actions.refusal = MeshUnreachable("the supervisor has ended")
    code, _, _ = await run(mesh, '[[step]]\ndo = "heal"\n')
    assert code == 3


async def test_a_job_settled_twice_fails_any_script(mesh: StandIn) -> None:
    mesh.proof = proof(jobs_settled_twice=1)
    code, found, _ = await run(mesh, '[[step]]\nwait = { path = "nodes.up", eq = 6 }\n')
    assert code == 1
    assert found["passed"] is False
    assert found["failure"]["message"] == "1 jobs settled twice"


async def test_stores_are_read_only_for_expectations_that_ask_and_once_at_the_end(mesh: StandIn) -> None:
    steps = '[[step]]\nexpect = { path = "nodes.up", eq = 6 }\n'
    await run(mesh, steps)
    assert mesh.audits == 1
    await run(
        mesh,
        steps
        + '[[step]]\nexpect = [{ path = "audit.roots", eq = 1 }, { path = "audit.node4.settled", eq = 7 }]\n',
    )
    assert mesh.audits == 3


async def test_a_killed_holder_that_had_streamed_is_told_from_one_that_had_not(mesh: StandIn) -> None:
    feeder = mesh.feeder
    feeder.submit()
    for number in (1, 2):
        feeder.award(f"q1.{number}", f"node{number}")
        feeder.lease(f"q1.{number}", f"node{number}")
    feeder.stream("q1.1", 40)
    steps = """
[[step]]
do = "kill"
args = { nodes = ["NAMES"] }
[[step]]
expect = { path = "run.streamed", eq = EXPECTED }
"""
    code, _, _ = await run(mesh, steps.replace("NAMES", "node2").replace("EXPECTED", "0"))
    assert code == 0
    code, _, _ = await run(mesh, steps.replace("NAMES", "streaming").replace("EXPECTED", "1"))
    assert code == 0
    assert mesh.actions.done[-1] == ("kill", ["node1"])


async def test_nobody_streams_is_said(mesh: StandIn) -> None:
    code, found, _ = await run(mesh, '[[step]]\ndo = "kill"\nargs = { nodes = ["streaming"] }\n')
    assert code == 1
    assert "no participant holds a job and has streamed tokens" in found["failure"]["message"]


async def test_an_interrupted_run_has_ended_its_mesh_and_says_so(mesh: StandIn) -> None:
    script = parse(HEAD + '[[step]]\nwait = { path = "nodes.dead", eq = 3 }\n', "x.toml", {})
    playing = Play(script, mesh, "7", Progress(), NOTHING_KEPT)
    task = asyncio.create_task(playing.play())
    await mesh.picture.awaited.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    playing.interrupted("SIGINT")
    found = playing.report()
    assert mesh.ended
    assert not found.passed
    assert found.failure is not None
    assert found.failure.message == "interrupted by SIGINT"
    assert found.counters is None


async def test_answers_are_in_the_report_with_their_passages(mesh: StandIn) -> None:
    mesh.feeder.submit()
    mesh.feeder.answer()
    _, found, _ = await run(mesh, '[[step]]\nexpect = { path = "query.q1.answer.passages", gt = 0 }\n')
    assert found["backend"] == "llama.cpp SmolLM2-135M"
    assert found["answers"][0]["label"] == "q1"
    assert len(found["answers"][0]["passages"]) == 3


async def test_junit_has_a_case_per_step_and_the_failure_in_its_place(mesh: StandIn) -> None:
    from xml.etree import ElementTree as xml

    steps = """
[[step]]
expect = { path = "nodes.up", eq = 6 }
[[step]]
about = "a name with \\u001b[2J in it"
expect = { path = "nodes.dead", eq = 3 }
[[step]]
do = "heal"
"""
    _, _, playing = await run(mesh, steps)
    suite = xml.fromstring(junit.encoded(playing.report()))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    cases = suite.findall("testcase")
    assert [len(case) for case in cases] == [0, 1, 1]
    failure = cases[1].find("failure")
    assert failure is not None
    assert "nodes.dead" in (failure.get("message") or "")
