"""Waiting for an answer: what is said of a job that does not go on, and when it is waited for no longer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import AuctionView, BidView, Event, JobView, QueryView
from mesh_core.ledger.award import bid_problem
from mesh_core.wire.statements import Bid, Job
from tests.unit.console.feeder import Feeder, peer_of
from tests.unit.operator.conftest import Running
from whisper_tui.commands import answer, output, waiting
from whisper_tui.errors import ActionError, TimedOut
from whisper_tui.model.views.events import clock
from whisper_tui.reach import Reach


def job(**changes: Any) -> JobView:
    feeder = Feeder()
    feeder.start()
    feeder.submit("why?", "q1")
    return msgspec.structs.replace(feeder.jobs["q1.1"], **changes)


def auction(*refused: str) -> AuctionView:
    bids = [BidView("ab", 9, 0.0, 1, "m", 1.0, {}, rank, why) for rank, why in enumerate(refused, 1)]
    return AuctionView("closed", 0.0, 1.0, 400, bids, [])


def test_a_job_that_goes_on_is_hindered_by_nothing() -> None:
    assert waiting.hindrance(job()) == ""
    assert waiting.hindrance(job(auction=auction("too dear", ""))) == ""
    assert waiting.hindrance(job(state="settled", live_weight=0)) == ""


def test_a_job_without_a_quorum_says_so() -> None:
    assert waiting.hindrance(job(live_weight=2)) == "2 of the 4 votes it needs are alive"


def test_a_job_whose_bids_are_all_refused_says_why() -> None:
    too_dear = bid_problem(Bid("", b"", b"", 2, 0.0, 1, ""), cast(Job, SimpleNamespace(max_price_micro=1)))
    dear = job(auction=auction(too_dear, too_dear), max_price_micro=10)
    asked = "0.000009 AXL is the lowest that is asked"
    assert waiting.hindrance(dear) == f"no bid within the maximum price of 0.00001, {asked}"
    still_open = msgspec.structs.replace(dear.auction, state="open")
    assert waiting.hindrance(msgspec.structs.replace(dear, auction=still_open)) == ""
    assert waiting.hindrance(job(auction=auction(too_dear, "full"))) == f"no bid that counts: {too_dear}"
    assert waiting.hindrance(job(auction=auction())) == "no bid"


class StuckControl:
    """Tells of one question that waits for its quorum, of somebody else's job that claims to be part of it and that
    nobody takes, and then of nothing more."""

    async def events(self) -> AsyncGenerator[Event, None]:
        feeder = Feeder()
        feeder.start()
        feeder.submit("why?", "q1")
        query = msgspec.to_builtins(feeder.queries["q1"])
        stuck = msgspec.structs.replace(feeder.jobs["q1.1"], query="Q", live_weight=2)
        refused = auction("this customer has no credit left")
        theirs = msgspec.structs.replace(stuck, job="00", submitter="ee", state="pending", auction=refused)
        operator = peer_of("operator")
        yield Event(1, 0.0, operator, "query", {**query, "query": "Q"})
        yield Event(2, 0.0, operator, "job", msgspec.to_builtins(theirs))
        yield Event(3, 0.0, operator, "job", msgspec.to_builtins(stuck))
        await asyncio.Event().wait()


async def test_a_question_is_waited_for_a_little_longer_than_its_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "GRACE_S", 0.05)
    with pytest.raises(TimedOut, match=r"within the time-out of 0.05 s; q1: 0 of .* q1.1 waits: 2 of the 4"):
        await waiting.wait_for(cast(ControlClient, StuckControl()), "Q", 50)


async def test_what_a_question_waits_for_is_said_once_where_nobody_sees_the_line_that_is_written_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "GRACE_S", 0.05)
    with pytest.raises(TimedOut):
        await waiting.wait_for(cast(ControlClient, StuckControl()), "Q", 50)
    assert capsys.readouterr().err.startswith("q1.1 waits: 2 of the 4 votes it needs are alive; until ")


@pytest.mark.parametrize("in_terminal", [False, True])
async def test_who_waits_hears_until_when_and_how_to_end_it_on_a_line_that_stays(
    in_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "GRACE_S", 0.05)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: in_terminal)
    feeder = Feeder()
    feeder.start()
    until = clock(feeder.submit("why?", "q1").submitted_ms + 50)[:8]
    with pytest.raises(TimedOut):
        await waiting.wait_for(
            cast(ControlClient, StuckControl()), "Q", 50, ends=lambda label: f"whisper-tui cancel {label}"
        )
    told = f"q1.1 waits: 2 of the 4 votes it needs are alive; until {until}, unless `whisper-tui cancel q1` ends it"
    assert capsys.readouterr().err.count(f"{told}\n") == 1


def question(**changes: Any) -> QueryView:
    feeder = Feeder()
    feeder.start()
    return msgspec.structs.replace(feeder.submit("why?", "q1"), **changes)


@pytest.mark.parametrize(
    ("reason", "waited_for", "told"),
    [
        ("timed out", "no bid within the maximum price", "timed out: no bid within the maximum price"),
        ("timed out", "", "timed out"),
        ("cancelled by its submitter", "no bid", "cancelled: cancelled by its submitter"),
    ],
)
def test_a_question_without_an_answer_says_how_it_ended_and_why(
    reason: str, waited_for: str, told: str
) -> None:
    ended = job(state="cancelled", reason=reason)
    jobs = [msgspec.structs.replace(ended, job="00", index=2, reason="something else"), ended]
    how = waiting.how_it_ended(question(state="cancelled"), jobs, {ended.job: waited_for})
    with pytest.raises(ActionError, match=f"^q1 ended as {told}$"):
        answer.show(how, as_json=False)


async def test_who_waits_when_the_operator_goes_is_told_what_becomes_of_the_question(
    running: Running,
) -> None:
    await running.ready()
    reach = Reach(running.run)
    await running.client.command("kill", names=["operator"], by="test")
    assert "goes on without it" in await waiting.aftermath(reach)
    await running.client.command("kill", names=["node1", "node2"], by="test")
    assert "whisper-tui revive all" in await waiting.aftermath(reach)
    await running.client.command("down", by="test")
    assert "goes on when it is started again" in await waiting.aftermath(reach)


def test_an_answer_is_broken_between_words_where_a_terminal_shows_it_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    text = "A bee colony has one queen and thousands of workers."
    output.print_text(text)
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_text(text)
    assert capsys.readouterr().out.splitlines() == [
        "A bee colony has one",
        "queen and thousands",
        "of workers.",
    ]
