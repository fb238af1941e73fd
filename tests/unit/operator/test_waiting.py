"""Waiting for an answer: what is said of a job that does not go on, and when it is waited for no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
import pytest

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import AuctionView, BidView, Event, JobView
from tests.unit.console.feeder import Feeder, peer_of
from whisper_tui.commands import answer
from whisper_tui.errors import TimedOut


def job(**changes: Any) -> JobView:
    feeder = Feeder()
    feeder.start()
    feeder.submit("why?", "q1")
    return msgspec.structs.replace(feeder.jobs["q1.1"], **changes)


def auction(*refused: str) -> AuctionView:
    bids = [BidView("ab", 9, 0.0, 1, "m", 1.0, {}, rank, why) for rank, why in enumerate(refused, 1)]
    return AuctionView("closed", 0.0, 1.0, 400, bids, [])


def test_a_job_that_goes_on_is_hindered_by_nothing() -> None:
    assert answer.hindrance(job()) == ""
    assert answer.hindrance(job(auction=auction("too dear", ""))) == ""
    assert answer.hindrance(job(state="settled", live_weight=0)) == ""


def test_a_job_without_a_quorum_says_so() -> None:
    assert answer.hindrance(job(live_weight=2)) == "stands still: 2 of the 4 votes it needs are alive"


def test_a_job_whose_bids_are_all_refused_says_why() -> None:
    refused = job(auction=auction("above the maximum price", "above the maximum price"))
    assert answer.hindrance(refused) == "has no bid that counts: above the maximum price"
    assert answer.hindrance(job(auction=auction())) == "has no bid"


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
    monkeypatch.setattr(answer, "GRACE_S", 0.05)
    with pytest.raises(TimedOut, match=r"within the time-out of 0.05 s; q1: 0 of .* q1.1 stands still: 2 of"):
        await answer.wait_for(cast(ControlClient, StuckControl()), "Q", 50)
