"""Work asked for at a control API, wherever its mesh runs."""

from __future__ import annotations

import asyncio
import sys

from whisper_tui.actions.terms import Terms
from whisper_tui.commands import answer, waiting
from whisper_tui.commands.act import BY
from whisper_tui.commands.output import Progress, print_json, print_line
from whisper_tui.contexts import ControlEntrance
from whisper_tui.model.numbers import counted


async def submit(entrance: ControlEntrance, text: str, terms: Terms, wait: bool, as_json: bool) -> None:
    """Ask a question in the name of whoever serves the API, and wait for the answer unless told not to."""
    with Progress() as progress:
        progress.say("asking …")
        taken = await entrance.actions(BY).ask(text, terms)
    if wait:
        try:
            ended = await waiting.wait_for(
                entrance.client(),
                taken.query,
                terms.total_ms,
                ends=lambda label: entrance.typed(f"whisper-tui cancel {label}"),
            )
        except asyncio.CancelledError:
            sys.stderr.write(
                entrance.typed(f"{taken.label} goes on: `whisper-tui cancel {taken.label}` ends it\n")
            )
            raise
        answer.show(ended, as_json)
    elif as_json:
        print_json(taken)
    else:
        print_line(f"{taken.label} {taken.state}: {counted(len(taken.jobs), 'job')}")


async def cancel(entrance: ControlEntrance, job: str, as_json: bool) -> None:
    """Ask that a job end as cancelled."""
    cancelled = await entrance.actions(BY).cancel(job)
    if as_json:
        print_json({"job": cancelled})
    else:
        print_line(f"{job}: asked to end as cancelled; a result that is settled first stays")
