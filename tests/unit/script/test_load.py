"""Many questions at once, and the figures that come of them."""

from pathlib import Path

import pytest

from tests.unit.script.stand_in import StandIn
from tests.unit.script.test_play import run
from whisper_tui.errors import ActionError, BadInput
from whisper_tui.script.load import Load, load
from whisper_tui.script.load_report import report_of
from whisper_tui.script.reading import load as read_script


@pytest.fixture
def mesh(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


async def test_so_many_questions_are_asked_and_each_has_its_number(mesh: StandIn) -> None:
    said = await load(mesh.stage(), Load("40", "why?"))
    assert said.startswith("asked 40 questions in ")
    assert [names for action, names in mesh.actions.done if action == "submit"] == [
        [f"why? ({number})"] for number in range(1, 41)
    ]


async def test_a_question_that_is_refused_fails_the_load(mesh: StandIn) -> None:
    mesh.actions.refusal = ActionError("there is no room")
    with pytest.raises(ActionError, match="a question of 3 was refused: there is no room"):
        await load(mesh.stage(), Load("3", "why?"))


async def test_waiting_is_counted_from_the_question_to_its_answer(mesh: StandIn) -> None:
    stage = mesh.stage()
    assert report_of(stage.picture.state) is None, "nothing was answered"
    for _ in range(4):
        mesh.feeder.submit(label=f"q{len(mesh.feeder.queries) + 1}")
    for number in (2, 3, 4, 1):
        mesh.feeder.wait(100 * number)
        mesh.feeder.answer(f"q{number}")
    mesh.tell()
    found = report_of(stage.picture.state)
    assert found is not None
    assert (found.questions, found.answered) == (4, 4)
    waits = sorted(view.finished_ms - view.submitted_ms for view in mesh.feeder.queries.values())
    p50, last = pytest.approx(waits[1], abs=0.1), pytest.approx(waits[3], abs=0.1)
    assert (found.p50_ms, found.p99_ms, found.longest_ms) == (p50, last, last)
    assert found.took_ms == last, "the first that was asked is the last to be answered"
    assert found.jobs_per_s == pytest.approx(found.jobs / found.took_ms * 1000, abs=0.1)


async def test_figures_can_be_waited_for_and_are_reported(mesh: StandIn) -> None:
    def answer_all() -> None:
        for label in list(mesh.feeder.queries):
            if mesh.feeder.queries[label].state == "running":
                mesh.feeder.wait(50)
                mesh.feeder.answer(label)

    mesh.actions.then["submit"] = answer_all
    steps = """
[[step]]
do = "load"
args = { questions = "5", query = "${query}" }
[[step]]
wait = { path = "load.answered", eq = 5 }
[[step]]
expect = { path = "load.p99_ms", gt = 0 }
"""
    code, found, _ = await run(mesh, steps)
    assert found["failure"] is None
    assert code == 0
    assert found["load"]["answered"] == 5


@pytest.mark.parametrize("questions", ["0", "201", "many", "-1"])
def test_a_number_of_questions_that_is_none_is_refused_before_anything_starts(questions: str) -> None:
    with pytest.raises(BadInput, match="questions: expected 1…200, not "):
        read_script("load", {"questions": questions})
