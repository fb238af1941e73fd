"""Waiting for the answer to a question: how far it is, what it waits for, and why it ended without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import FINAL_STATES, JobView, QueryView
from mesh_core.config import MICRO_PER_AXL
from mesh_core.effects import JobOptions
from whisper_tui.commands.output import Progress
from whisper_tui.errors import ActionError, MeshUnreachable, TimedOut
from whisper_tui.model.inert import inert
from whisper_tui.model.views.events import clock
from whisper_tui.reach import Reach
from whisper_tui.supervisor.plan import OPERATOR
from whisper_tui.supervisor.schema import GONE, WORKING

GRACE_S = 5.0
"""How long after a question's total time-out its end may still be heard of."""

AFTERMATH_S = 3.0
"""How long after the operator's node has gone its supervisor may take to say why."""

TOO_DEAR = "over the maximum price"
TIMED_OUT = "timed out"
"""Words of the market: why a bid is refused, and why a job was ended."""


class Ended(NamedTuple):
    """A question that has ended. `how` is a word for people; `why` one line, empty where there is nothing to say."""

    view: QueryView
    how: str
    why: str


async def wait_for(
    control: ControlClient,
    query: str,
    total_ms: int | None = None,
    *,
    ends: Callable[[str], str] | None = None,
) -> Ended:
    """The question once it is answered, failed or cancelled; says meanwhile how far it is, what it waits for, until when,
    and what `ends` the question of a label before that, if anything does.

    ActionError when nobody takes it, TimedOut a little after `total_ms` if that is given, MeshUnreachable when
    `control` goes away.
    """
    waiting = _Waiting(JobOptions().total_ms if total_ms is None else total_ms, ends)
    timeout_s = None if total_ms is None else total_ms / 1000
    with Progress() as progress:
        try:
            async with (
                asyncio.timeout(None if timeout_s is None else timeout_s + GRACE_S),
                aclosing(control.events()) as events,
            ):
                async for event in events:
                    if event.data.get("query") != query:
                        continue
                    if event.kind == "job" and event.data["submitter"] == event.node:
                        waiting.hear_job(msgspec.convert(event.data, JobView))
                    elif event.kind == "query":
                        view = waiting.view = msgspec.convert(event.data, QueryView)
                        if view.state != "running":
                            return await _ended(control, view, waiting)
                    if news := waiting.news():
                        progress.warn(news)
                    progress.say(waiting.line())
        except ControlUnavailable as error:
            raise _interrupted(str(error)) from error
        except TimeoutError:
            raise TimedOut(f"no answer within the time-out of {timeout_s:g} s; {waiting.line()}") from None
    raise _interrupted("its stream of events ended")


async def _ended(control: ControlClient, view: QueryView, waiting: _Waiting) -> Ended:
    if view.state == "answered":
        return Ended(view, view.state, "")
    try:
        state = await control.state()
    except (ControlError, ControlUnavailable):
        return Ended(view, view.state, "")
    jobs = [job for job in state.jobs if job.query == view.query and job.submitter == state.node.peer]
    return how_it_ended(view, jobs, waiting.last)


class _Waiting:
    """What is known of a question while its answer is waited for. `last` is what each job waited for last, by id."""

    def __init__(self, total_ms: int, ends: Callable[[str], str] | None) -> None:
        self._total_ms = total_ms
        self._ends = ends
        self.view: QueryView | None = None
        self.last: dict[str, str] = {}
        self._hindered: dict[str, str] = {}
        self._told: set[str] = set()

    def hear_job(self, job: JobView) -> None:
        """Take note of a job's state; ActionError when nobody takes it."""
        _check_taken(job)
        self._hindered.pop(job.job, None)
        if reason := hindrance(job):
            self.last[job.job] = reason
            self._hindered[job.job] = f"{inert(job.label)} waits: {reason}"

    def line(self) -> str:
        """How far the question is, and what its first hindered job waits for."""
        view = self.view
        if view is None:
            return "waiting for the mesh …"
        line = f"{view.label}: {view.settled} of {view.total} settled, {view.running} running"
        return "; ".join([line, *list(self._hindered.values())[:1]])

    def news(self) -> str:
        """What a job waits for that was not told before, whichever job it is, and until when; empty when there is nothing
        new."""
        for job, told in self._hindered.items():
            if self.view is not None and self.last[job] not in self._told:
                self._told.add(self.last[job])
                return f"{told}; {self._until(self.view)}"
        return ""

    def _until(self, view: QueryView) -> str:
        until = f"until {clock(view.submitted_ms + self._total_ms)[:8]}"
        return f"{until}, unless `{self._ends(view.label)}` ends it" if self._ends else until


def hindrance(job: JobView) -> str:
    """What a job waits for before it can be run, empty when nothing is known to keep it from that."""
    if job.state in FINAL_STATES:
        return ""
    if job.live_weight < job.quorum:
        return f"{job.live_weight} of the {job.quorum} votes it needs are alive"
    refusals = [bid.refused for bid in job.auction.bids if bid.refused]
    is_over = job.auction.state == "closed"  # before that a lower bid may come
    if is_over and not job.holder and len(refusals) == len(job.auction.bids) > 0:
        if set(refusals) == {TOO_DEAR}:
            least = min(bid.price_micro for bid in job.auction.bids)
            asked = f"{_price(least)} AXL is the lowest that is asked"
            return f"no bid within the maximum price of {_price(job.max_price_micro)}, {asked}"
        return f"no bid that counts: {inert(refusals[0])}"
    if job.state in ("pending", "open") and job.auction.state == "closed" and not job.auction.bids:
        return "no bid"
    return ""


def _price(micro: int) -> str:
    """Micro-AXL as AXL, with as many decimals as it has."""
    return f"{micro / MICRO_PER_AXL:.6f}".rstrip("0").rstrip(".")


def how_it_ended(view: QueryView, jobs: Iterable[JobView], waited_for: dict[str, str]) -> Ended:
    """A question without an answer: what became of the first of its jobs that came to nothing."""
    for job in sorted(jobs, key=lambda job: job.index):
        if job.state not in FINAL_STATES or job.state == "settled":
            continue
        if job.reason == TIMED_OUT:
            return Ended(view, TIMED_OUT, waited_for.get(job.job, ""))
        return Ended(view, view.state, inert(job.reason))
    return Ended(view, view.state, "")


def _check_taken(job: JobView) -> None:
    """Raise ActionError when everybody has answered that they will not take the job."""
    refusals = [bid.refused for bid in job.auction.bids if bid.refused]
    if (
        job.state == "pending"
        and job.auction.state == "closed"
        and len(refusals) == len(job.auction.bids) > 0
    ):
        raise ActionError(
            f"{inert(job.label)}: nobody takes it: {inert(refusals[0])}",
            f"its providers can grant it: whisper-tui up --credit {job.submitter}=10"
            if "credit" in refusals[0]
            else "",
        )


def _interrupted(reason: str) -> MeshUnreachable:
    return MeshUnreachable(
        f"the submitter's node went away ({reason})", "what was accepted goes on without it"
    )


async def aftermath(reach: Reach) -> str:
    """What becomes of a question of the operator's now that its node has gone: does anybody go on with it?"""
    stopped = "the mesh was stopped: what was accepted goes on when it is started again: whisper-tui up"
    try:
        async with (
            asyncio.timeout(AFTERMATH_S),
            aclosing(reach.supervisor.events()) as events,
        ):
            async for event in events:
                data = event.data
                if event.kind == "process" and (data["name"], data["part"]) == (OPERATOR, "provider"):
                    if data["state"] == "stopped":
                        return stopped
                    if data["state"] in GONE:
                        break
        status = await reach.status()
    except MeshUnreachable:
        return stopped  # or about to be: the supervisor closes its port before it drops its lock
    except TimeoutError:
        return stopped if reach.run.running() is None else _GOES_ON
    if any(view.state in WORKING for view in status.processes if view.part == "provider"):
        return _GOES_ON
    return "everybody is down: what was accepted goes on with `whisper-tui revive all`"


_GOES_ON = "what was accepted goes on without it; `whisper-tui revive operator` brings it back"
