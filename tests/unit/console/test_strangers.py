"""What somebody else writes into the mesh never passes for the operator's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.api.schema import Event, JobView
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.console.test_views import frame_of, text_of
from whisper_tui.model import selectors
from whisper_tui.model.impact import impact_of_silencing
from whisper_tui.model.inert import inert
from whisper_tui.model.reducer import reduce
from whisper_tui.model.selectors import Ambiguous, NotFound
from whisper_tui.model.state import State
from whisper_tui.model.views import job_page, jobs, market, question_page
from whisper_tui.model.views.base import fit

STRANGER = peer_of("stranger")


def strange_job(mesh: Feeder, label: str, **changes: Any) -> JobView:
    """A stranger's job, reported by the operator's node, that claims to be part of the operator's q1."""
    job = replace(
        mesh.jobs["q1.2"],
        **{
            "job": peer_of(f"strange {label} {changes}"),
            "label": label,
            "submitter": STRANGER,
            "submitted_ms": mesh.jobs["q1.2"].submitted_ms + 60_000.0,
            **changes,
        },
    )
    mesh.tell("operator", "job", to_builtins(job))
    return job


def member(mesh: Feeder, **changes: Any) -> None:
    """Somebody who was not started from here."""
    view = replace(mesh.members["node1"], **{"peer": STRANGER, "name": "stranger", **changes})
    mesh.tell("operator", "member", to_builtins(view))


@pytest.mark.parametrize("until", ["running", "end"])
@pytest.mark.parametrize("name", ["q1", "q1.c", "q1.2"])
def test_a_strangers_label_is_never_taken_for_the_operators_question(name: str, until: str) -> None:
    mesh = rescue_story(until=until)
    strange_job(mesh, name, index=-1)
    strange_job(mesh, "q1.c", index=0)
    if name == "q1.2":
        assert selectors.find_job(mesh.state(), name).submitter == peer_of("operator")
    else:
        with pytest.raises(NotFound, match="q1 has no combined answer"):
            selectors.find_job(mesh.state(), name)
    mesh._tell_job(replace(mesh.jobs["q1.2"], job=peer_of("combine"), label="q1.c", index=0))
    assert selectors.find_job(mesh.state(), name).submitter == peer_of("operator")


def test_a_part_that_the_operators_question_does_not_have_is_nobody_elses() -> None:
    mesh = rescue_story()
    strange_job(mesh, "q1.7")
    with pytest.raises(NotFound, match=r"no job q1\.7: of q1 there are q1\.1, .*q1\.6"):
        selectors.find_job(mesh.state(), "q1.7")


def test_the_operators_question_stays_the_operators_while_another_node_tells_of_it() -> None:
    mesh = rescue_story()
    strange_job(mesh, "q1.2")
    names = {"name": "operator", "part": "provider", "state": "exited", "pid": 0, "peer": peer_of("operator")}
    picture = State(primary=peer_of("node1"))
    picture = reduce(picture, Event(1, 1.0, "supervisor", "process", names))
    for event in mesh.events:
        if event.kind == "job":
            picture = reduce(picture, replace(event, node=peer_of("node1")))
    assert selectors.find_job(picture, "q1.2").submitter == peer_of("operator")
    with pytest.raises(NotFound, match=r"no job q1: of q1 there are q1\.1, .*q1\.6"):
        selectors.find_job(picture, "q1")


def test_what_only_others_have_is_found_and_marked() -> None:
    mesh = rescue_story()
    job = strange_job(mesh, "q7.1")
    twin = strange_job(mesh, "q1.2")
    state = mesh.state()
    assert selectors.find_job(state, "q7.1").job == job.job
    assert selectors.find_job(state, "~q1.2").job == twin.job
    assert selectors.find_job(state, twin.job[:12]).job == twin.job
    assert selectors.label_of(job, peer_of("operator")) == "~q7.1"
    with pytest.raises(NotFound, match=r"no job q9 \(there are .*q1\.6, ~q7\.1, ~q1\.2\)"):
        selectors.find_job(state, "q9")


def test_a_label_that_several_others_have_is_refused_and_one_that_looks_like_an_id_hides_no_id() -> None:
    mesh = rescue_story()
    strange_job(mesh, "q7.1")
    strange_job(mesh, "q7.1", submitter=peer_of("another"))
    prefix = mesh.jobs["q1.3"].job[:12]
    strange_job(mesh, prefix)
    with pytest.raises(Ambiguous, match=r"several others call a job q7\.1"):
        selectors.find_job(mesh.state(), "q7.1")
    assert selectors.find_job(mesh.state(), prefix).label == "q1.3"


def test_a_question_holds_the_jobs_of_who_asks_it() -> None:
    mesh = rescue_story(until="rescued")
    strange_job(mesh, "q1.c", index=-1, state="settled")
    strange_job(mesh, "q1.3", index=3)
    state = mesh.state()
    own, theirs = selectors.questions(state)
    assert [job.label for job in own.jobs] == [f"q1.{number}" for number in range(1, 7)]
    assert own.view is not None and theirs.view is None
    assert (own.label, theirs.label) == ("q1", "~q1")
    assert selectors.question_of(state, own.id) == own
    assert selectors.question_of(state, theirs.id) == theirs


def test_the_pages_of_a_strangers_job_show_nothing_of_the_operators_question() -> None:
    mesh = rescue_story(until="rescued")
    job = strange_job(mesh, "q1.c", index=0, state="settled")
    frame = frame_of(mesh)
    theirs = selectors.questions(frame.state)[1]
    pages = [*job_page.job_detail(frame, job.job, 100), *question_page.question_detail(frame, theirs.id, 100)]
    told = "\n".join(map(text_of, pages))
    assert mesh.queries["q1"].text not in told
    assert "asked by" not in told.partition("sealed")[0] and STRANGER[:8] in told
    assert job_page.job_title(frame, job.job) == "Job ~q1.c"
    assert question_page.question_title(frame, theirs.id) == "Question ~q1"


def test_strangers_jobs_are_marked_wherever_jobs_are_listed() -> None:
    mesh = rescue_story(until="rescued")
    job = strange_job(mesh, "q1.2", epoch=1)
    frame = frame_of(mesh)
    table = jobs.jobs_table(frame, 120)
    assert "~q1.2" in text_of(table.row(job.job)[0])
    listed = [*market.auction_lines(frame, 20, 100), *market.lease_lines(frame, 20)]
    assert sum("~q1.2" in text_of(line) for line in listed) == 2
    assert table.keys[0] == mesh.queries["q1"].query, "others' questions are shown after one's own"


@pytest.mark.parametrize("name", ["all", "random", "3", "holder:q1.1", "you", "operator"])
async def test_only_participants_of_ones_own_can_be_killed_whatever_others_are_called(name: str) -> None:
    mesh = rescue_story(until="running")
    member(mesh, name=name)
    for number in range(1, 7):
        mesh._tell_job(replace(mesh.jobs[f"q1.{number}"], holder=STRANGER))
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "tab", "g", "X", "k")
        assert f"{selectors.name_of(mesh.state(), STRANGER)}: not started from here" in bench.text()
    assert bench.deeds.done == []


def test_two_certificates_of_a_strangers_job_are_no_alarm_unless_the_mesh_trusts_its_submitter() -> None:
    mesh = rescue_story()
    job = strange_job(mesh, "q7.1", state="settled")
    for price in (1, 2):
        settled = {"job": job.job, "epoch": 1, "outcome": "result", "holder": STRANGER, "price_micro": price}
        mesh.tell("operator", "job_settled", {**settled, "votes": 1})
    assert selectors.counters(mesh.state()).jobs_settled_twice == 0
    mesh.tell("operator", "job", to_builtins(replace(job, contradiction="forged by its own submitter")))
    assert selectors.counters(mesh.state()).jobs_settled_twice == 0
    mesh.tell("operator", "job", to_builtins(replace(job, contradiction="settled twice")))
    assert selectors.counters(mesh.state()).jobs_settled_twice == 1


def test_participants_of_ones_own_are_listed_before_any_number_of_others() -> None:
    mesh = rescue_story(until="running")
    for number in range(500):
        member(mesh, peer=peer_of(f"ghost {number}"), name=f"a{number}")
    listed = [node.name for node in selectors.nodes(mesh.state())]
    assert listed[:7] == [*mesh.names, "operator"]
    assert len(listed) == 507


def test_nobody_becomes_the_operator_or_a_participant_by_their_name() -> None:
    mesh = rescue_story(until="running")
    member(mesh, name="you")
    state = mesh.state()
    assert selectors.find_node(state, "you").peer == peer_of("operator")
    assert selectors.name_of(state, STRANGER) == f"you~{STRANGER[:6]}"
    assert not selectors.node_of(state, STRANGER).seated
    assert selectors.node_of(state, peer_of("node1")).seated
    member(mesh, name=peer_of("node3")[:8])
    assert selectors.find_node(mesh.state(), peer_of("node3")[:8]).name == "node3"


LOOK_ALIKES = (
    "node1\u034f",
    "\u115fnode1",
    "no\u1160de1",
    "node1\u3164",
    "node1\uffa0",
    "node1\u2800",
    "node1\ufe0f",
    "node1 ",
    " node1",
    "no de1",
    "node1\u2003",
    "NODE1",
    "ｎｏｄｅ1",
    "n\u043ede1",
    "node1\u200b",
    "operator" + " " * 30 + "x",
    " you",
    "Operator",
)


@pytest.mark.parametrize("name", LOOK_ALIKES, ids=ascii)
def test_nobodys_name_looks_like_a_participants(name: str) -> None:
    mesh = rescue_story(until="running")
    member(mesh, name=name)
    told = selectors.name_of(mesh.state(), STRANGER)
    taken = {"you", *mesh.names, "operator"}
    for shown in (inert(told, 20), fit(inert(told, 20), 8)):
        assert shown.strip().casefold() not in taken
    assert told == "operator x" or told.endswith(f"~{STRANGER[:6]}")


@given(some.text(max_size=20))
def test_what_others_call_themselves_is_shown_plainly_or_marked(name: str) -> None:
    told = selectors.told_name(STRANGER, name, ["node1", "operator"])
    assert told == inert(told) == " ".join(told.split())
    if not told.endswith(f"~{STRANGER[:6]}") and told != STRANGER[:8]:
        assert told.isascii() and told.casefold() not in ("node1", "operator", "you")


def test_a_plain_name_is_shown_as_it_is_and_one_that_nobody_can_see_is_none() -> None:
    assert selectors.told_name(STRANGER, "ada's box-2", ["node1"]) == "ada's box-2"
    for name in ("", " ", "\u3164", "\u200b \u2800"):
        assert selectors.told_name(STRANGER, name, ["node1"]) == STRANGER[:8]


def test_a_job_without_a_quorum_loses_none_when_somebody_is_killed() -> None:
    mesh = rescue_story(until="running")
    strange_job(mesh, "q7.1", committee=[STRANGER], quorum=1, weight=1)
    impact = impact_of_silencing(mesh.state(), [peer_of("node1")])
    assert not impact.grave
