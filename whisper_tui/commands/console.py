"""Opening the console on a mesh that runs."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from whisper_tui.actions.actions import Actions
from whisper_tui.commands.output import print_line
from whisper_tui.errors import BadInput
from whisper_tui.program import typed
from whisper_tui.reach import Reach, live_source
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.terminal.ability import HELP, plain


def has_terminal() -> bool:
    """Whether the console can be opened here. It draws on standard error, which must not be redirected then; BadInput
    if it is, or if the terminal takes text only."""
    if not sys.stdin.isatty():
        return False
    if sys.stdout.isatty() and not sys.stderr.isatty():
        raise BadInput(
            "the console draws on standard error, which is redirected", "leave out 2>, or add --no-console"
        )
    if sys.stderr.isatty() and (name := plain()):
        raise BadInput(f"this terminal cannot show the console: it says TERM={name}", HELP)
    return sys.stderr.isatty()


def attach(run: RunDir, *, ascii_only: bool) -> int:
    """The console on a mesh that runs already; it only reads until told otherwise."""
    if not has_terminal():
        raise BadInput("the console needs a terminal", "without one: whisper-tui nodes, jobs, ledger …")
    asyncio.run(SupervisorClient(run).status())  # says so when there is none
    return open_console(run, read_only=True, ascii_only=ascii_only)


def open_console(run: RunDir, *, read_only: bool, ascii_only: bool, greeting: str = "") -> int:
    """The console until the operator leaves it, and the mesh taken down if that was the wish. It says `greeting` first.

    A terminal that is not told to take UTF-8 gets ASCII without being asked.
    """
    from whisper_tui.app import ConsoleOptions, run_console  # noqa: PLC0415 - Textual takes its time
    from whisper_tui.screens.quit import ExitChoice  # noqa: PLC0415

    plan = Reach(run).plan()
    in_shell = partial(typed, run_dir=run.root)
    options = ConsoleOptions(
        primary=plan.operator.peer,
        exec_delay_ms=plan.exec_delay * 1000,
        greeting=greeting,
        read_only=read_only,
        ascii=ascii_only or "utf" not in sys.stderr.encoding.lower(),
        typed=in_shell,
    )

    async def session() -> None:
        choice = await run_console(live_source(run, plan), Actions(run, "console"), options=options)
        if choice is ExitChoice.STOP:
            await Actions(run, "console").down()
            print_line(in_shell("the mesh is down; `whisper-tui up` brings it back as it was"))
        elif run.running() is not None:
            print_line(
                in_shell("the mesh stays up: `whisper-tui attach` shows it, `whisper-tui down` ends it")
            )

    asyncio.run(session())
    return 0
