"""Commands that do something to a mesh that runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable

from whisper_tui.actions.actions import Actions, Submission
from whisper_tui.actions.terms import Terms
from whisper_tui.commands import answer, waiting
from whisper_tui.commands.addressee import addressed
from whisper_tui.commands.output import Progress, partition_line, print_json, print_line
from whisper_tui.commands.starting import until_started
from whisper_tui.errors import MeshUnreachable
from whisper_tui.model.numbers import counted
from whisper_tui.program import typed
from whisper_tui.reach import Reach
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Outcome

BY = "command line"
HEALED = "the partition is healed"


def actions(run: RunDir) -> Actions:
    """The actions, in the name of the command line."""
    return Actions(run, BY)


async def report(action: str, done: Awaitable[Outcome], as_json: bool) -> None:
    """Carry out `action`, by waiting for what does it, and say what became of whom."""
    with Progress() as progress:
        progress.say(f"{action} …")
        outcome = await done
    if as_json:
        print_json(outcome)
        return
    if outcome.action.action in ("partition", "heal"):
        replaced = f"in place of the {partition_line(outcome.replaced)}" if outcome.replaced else ""
        for line in filter(None, (partition_line(outcome.sides) if outcome.sides else HEALED, replaced)):
            print_line(line)
        return
    for view in outcome.processes:
        print_line(f"{view.name} {view.part}: {view.state}" + (f", pid {view.pid}" if view.pid else ""))
    for line in outcome.skipped:
        print_line(line)


async def submit(run: RunDir, text: str, terms: Terms, wait: bool, as_json: bool) -> None:
    """Ask a question as the operator, and wait for the answer unless told not to."""
    acting = actions(run)
    await until_started(acting.reach)
    terms = await addressed(acting.reach, terms)
    with Progress() as progress:
        progress.say("asking …")
        taken = await acting.ask(text, terms)
    if wait:
        answer.show(await _answered(run, taken, terms), as_json)
    elif as_json:
        print_json(taken)
    else:
        told = f"{taken.label} {taken.state}: {counted(len(taken.jobs), 'job')}; see whisper-tui job {taken.label}"
        print_line(typed(told, run.root))


async def _answered(run: RunDir, taken: Submission, terms: Terms) -> waiting.Ended:
    reach = Reach(run)
    try:
        control = reach.control(reach.plan().operator)
        return await waiting.wait_for(
            control,
            taken.query,
            terms.total_ms,
            ends=lambda label: typed(f"whisper-tui cancel {label}", run.root),
        )
    except MeshUnreachable as error:
        raise MeshUnreachable(error.message, await waiting.aftermath(reach)) from error
    except asyncio.CancelledError:
        told = f"{taken.label} goes on: `whisper-tui job {taken.label}` shows it, `whisper-tui cancel {taken.label}` ends it"
        sys.stderr.write(typed(told, run.root) + "\n")
        raise


async def cancel(run: RunDir, job: str, as_json: bool) -> None:
    """Ask that a job end as cancelled."""
    acting = actions(run)
    await until_started(acting.reach)
    cancelled = await acting.cancel(job)
    if as_json:
        print_json({"job": cancelled})
    else:
        print_line(f"{job}: asked to end as cancelled; a result that is settled first stays")
