"""Waiting for the answer to a question, and showing it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec

from mesh_core.api.client import ControlClient, ControlUnavailable
from mesh_core.api.schema import FINAL_STATES, AnswerView, JobView, QueryView
from whisper_tui.commands.output import Progress, print_json, print_line
from whisper_tui.errors import ActionError, MeshUnreachable, TimedOut
from whisper_tui.model.inert import inert, inert_lines

GRACE_S = 5.0
"""How long after a question's total time-out its end may still be heard of."""


async def wait_for(control: ControlClient, query: str, total_ms: int | None = None) -> QueryView:
    """The question once it is answered, failed or cancelled; says meanwhile how far it is, and what it waits for.

    ActionError when nobody takes it, TimedOut a little after `total_ms` if that is given, MeshUnreachable when
    `control` goes away.
    """
    waiting = _Waiting()
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
                            return view
                    progress.say(waiting.line())
        except ControlUnavailable as error:
            raise _interrupted(str(error)) from error
        except TimeoutError:
            raise TimedOut(f"no answer within the time-out of {timeout_s:g} s; {waiting.line()}") from None
    raise _interrupted("its stream of events ended")


class _Waiting:
    """What is known of a question while its answer is waited for."""

    def __init__(self) -> None:
        self.view: QueryView | None = None
        self._hindered: dict[str, str] = {}

    def hear_job(self, job: JobView) -> None:
        """Take note of a job's state; ActionError when nobody takes it."""
        _check_taken(job)
        self._hindered.pop(job.job, None)
        if reason := hindrance(job):
            self._hindered[job.job] = f"{inert(job.label)} {reason}"

    def line(self) -> str:
        """How far the question is, and why its first hindered job does not go on."""
        view = self.view
        if view is None:
            return "waiting for the mesh …"
        line = f"{view.label}: {view.settled} of {view.total} settled, {view.running} running"
        return "; ".join([line, *list(self._hindered.values())[:1]])


def hindrance(job: JobView) -> str:
    """What keeps a job from being run at present, in words that follow its name; empty when nothing is known to."""
    if job.state in FINAL_STATES:
        return ""
    if job.live_weight < job.quorum:
        return f"stands still: {job.live_weight} of the {job.quorum} votes it needs are alive"
    refusals = [bid.refused for bid in job.auction.bids if bid.refused]
    if not job.holder and len(refusals) == len(job.auction.bids) > 0:
        return f"has no bid that counts: {inert(refusals[0])}"
    if job.state in ("pending", "open") and job.auction.state == "closed" and not job.auction.bids:
        return "has no bid"
    return ""


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


def show(view: QueryView, as_json: bool) -> None:
    """Print an answered question; ActionError when it came to nothing."""
    if as_json:
        print_json(view)
    if view.state != "answered":
        raise ActionError(f"{view.label} ended as {view.state}")
    if as_json:
        return
    if view.answer is None:
        print_line(f"{view.label} is answered, but the result cannot be opened here")
        return
    for line in answer_lines(view.answer):
        print_line(line)


def answer_lines(answer: AnswerView) -> list[str]:
    """An answer for people: its text, the passages it cites, who wrote it, and what is to be said of it."""
    lines = [*inert_lines(answer.text), ""]
    for number, passage in enumerate(answer.passages, 1):
        lines.append(
            f"[{number}] {inert(passage.source)}, shard {passage.shard}: “{inert(passage.text, 2_048)}”"
        )
    lines.append(f"answered by {inert(answer.backend)}")
    return [*lines, *(f"note: {inert(note)}" for note in answer.notes)]
