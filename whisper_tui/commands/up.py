"""`up`: a mesh that runs, and this terminal in front of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.commands import console, plain
from whisper_tui.commands.act import actions
from whisper_tui.commands.output import Progress, print_json, print_line
from whisper_tui.commands.plain import Lines, unread, until_interrupted
from whisper_tui.config.in_force import Flags
from whisper_tui.contexts import RunDirEntrance
from whisper_tui.errors import MeshUnreachable, TimedOut
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.program import typed
from whisper_tui.reach import Reach
from whisper_tui.settings import Settings
from whisper_tui.supervisor.launch import causes, launched, not_up, until_answered
from whisper_tui.supervisor.plan import OPERATOR
from whisper_tui.supervisor.prepare import Wishes, kept_from_before
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView, Status

CONVERGED_S = 30.0


@dataclass(frozen=True)
class Manner:
    """How `up` behaves once the mesh runs: the console, this terminal's foreground, or neither. `plain` has every event told
    in the foreground; so has a terminal that cannot show the console that was wanted."""

    with_console: bool
    detach: bool
    flags: Flags
    as_json: bool
    plain: bool = False


def up(run: RunDir, wishes: Wishes, settings: Settings, manner: Manner) -> int:
    """Start the mesh of `run`, or find it running, and stay in front of it."""
    wanted = manner.with_console and not manner.detach and not manner.plain
    with_console = wanted and console.has_terminal()
    if wanted and not with_console:
        manner = replace(manner, plain=True)
    with unread():
        started, kept = asyncio.run(_up(run, wishes, settings, manner, foreground=not with_console))
    if not with_console:
        return 0
    return console.open_console(run, manner.flags, read_only=not started, greeting=kept)


async def _up(
    run: RunDir, wishes: Wishes, settings: Settings, manner: Manner, *, foreground: bool
) -> tuple[bool, str]:
    """Whether the mesh was started here, and what it kept from before. In the foreground returns when it has ended,
    unless detached."""
    began = time.monotonic()
    with Progress() as progress:
        progress.say("starting …")
        try:
            async with launched(run, wishes, settings, progress.tell) as started:
                # One that runs already may be partitioned on purpose: whoever comes to look need not wait for it.
                status = await (_until_met(run, progress) if started else until_answered(run))
        except asyncio.CancelledError:
            ended = "" if run.running() is not None else "; what was started is ended again"
            sys.stderr.write(f"interrupted{ended}\n")
            raise
        kept = kept_from_before(status.plan, wishes) if started else ""
        if kept and foreground and not manner.as_json:
            progress.tell(kept)
    if foreground:
        _tell(run, status, manner.as_json, time.monotonic() - began if started else None)
        if started and not manner.detach:
            if not manner.as_json:
                print_line("Ctrl-C ends it all")
            await stay(run, _told_plainly(run, manner) if manner.plain else _follow(run, manner.as_json))
    return started, kept


async def _until_met(run: RunDir, progress: Progress) -> Status:
    """Wait until all participants have come up and met. The mesh goes on without one that cannot."""
    status = await until_answered(run)
    lost = not_up(status)
    if OPERATOR in lost or len(lost) >= status.plan.count:
        raise MeshUnreachable(f"the mesh did not come up: {'; '.join(causes(status))}", f"see {run.root}")
    for line in causes(status):
        progress.tell(f"{line}; the others go on without it")
    try:
        async with asyncio.timeout(CONVERGED_S):
            await Reach(run).until_met()
    except TimeoutError:
        raise TimedOut(
            f"the participants did not find each other in {CONVERGED_S:g} s", f"see {run.root}"
        ) from None
    return status


def _tell(run: RunDir, status: Status, as_json: bool, took_s: float | None) -> None:
    if as_json:
        print_json({"started": took_s is not None, "took_s": took_s, "status": status})
        return
    how = "running already" if took_s is None else f"up and converged in {took_s:.2f} s"
    lost = not_up(status)
    up = status.plan.count - len(lost.keys() - {OPERATOR})
    operator = "the operator" if OPERATOR not in lost else "no operator"
    print_line(f"{counted(up, 'provider')} and {operator} {how}: {status.run_dir}")
    question = "How does a network learn from its mistakes?"
    print_line(typed(f'ask something:  whisper-tui submit "{question}"', run.root))
    print_line(
        typed("look around:    whisper-tui nodes", run.root) + ", and in its place jobs, bids, leases, ledger"
    )


async def stay(run: RunDir, following: Awaitable[None]) -> None:
    """Stay until `following` ends, with the mesh, or Ctrl-C ends it here; MeshUnreachable when it breaks off."""
    if await until_interrupted(following):
        await actions(run).down()


async def _told_plainly(run: RunDir, manner: Manner) -> None:
    mesh = await RunDirEntrance(run).mesh()
    await plain.following(mesh, Lines(as_json=manner.as_json, ascii_only=manner.flags.ascii))


async def _follow(run: RunDir, as_json: bool) -> None:
    ended_by = ""
    try:
        async with aclosing(Reach(run).supervisor.events()) as events:
            async for event in events:
                if event.kind == "action" and event.data["action"] == "down":
                    ended_by = "a signal" if event.data["by"] == "signal" else "`whisper-tui down`"
                if not as_json:
                    for line in _lines(run, event):
                        print_line(line)
    except MeshUnreachable:
        if not ended_by:
            raise
    if ended_by and not as_json:
        print_line(f"ended by {ended_by}")


def _lines(run: RunDir, event: Event) -> list[str]:
    """What people want to read of an event: actions, and what was not asked for."""
    if event.kind == "action":
        return [f"{typed(inert(event.data['command']), run.root)}  (by {inert(event.data['by'])})"]
    if event.kind != "process":
        return []
    view = msgspec.convert(event.data, ProcessView)
    if view.state in {"exited", "absent"}:
        return [f"{view.name} {view.part} {view.state}: {inert(view.note)}"]
    return []
