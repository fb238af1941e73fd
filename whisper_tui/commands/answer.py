"""Waiting for the answer to a question, and showing it."""

from __future__ import annotations

from contextlib import aclosing

import msgspec

from mesh_core.api.client import ControlClient, ControlUnavailable
from mesh_core.api.schema import AnswerView, JobView, QueryView
from whisper_tui.commands.output import Progress, print_json, print_line
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.model.inert import inert, inert_lines


async def wait_for(control: ControlClient, query: str) -> QueryView:
    """The question once it is answered, failed or cancelled; says meanwhile how far it is.

    ActionError when nobody takes it, MeshUnreachable when `control` goes away.
    """
    with Progress() as progress:
        try:
            async with aclosing(control.events()) as events:
                async for event in events:
                    if event.data.get("query") != query:
                        continue
                    if event.kind == "job":
                        _check_taken(msgspec.convert(event.data, JobView))
                    if event.kind != "query":
                        continue
                    view = msgspec.convert(event.data, QueryView)
                    if view.state != "running":
                        return view
                    progress.say(
                        f"{view.label}: {view.settled} of {view.total} settled, {view.running} running"
                    )
        except ControlUnavailable as error:
            raise _interrupted(str(error)) from error
    raise _interrupted("its stream of events ended")


def _check_taken(job: JobView) -> None:
    """Raise ActionError when everybody has answered that they will not take the job."""
    refusals = [bid.refused for bid in job.auction.bids if bid.refused]
    if (
        job.state == "pending"
        and job.auction.state == "closed"
        and len(refusals) == len(job.auction.bids) > 0
    ):
        raise ActionError(f"{inert(job.label)}: nobody takes it: {inert(refusals[0])}")


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
