"""Opening the console on a mesh that runs."""

from __future__ import annotations

import asyncio
import sys

from whisper_tui.errors import BadInput
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.rundir import RunDir


def has_terminal() -> bool:
    """Whether the console can be opened here. It draws on standard error, which must not be redirected then."""
    if not sys.stdin.isatty():
        return False
    if sys.stdout.isatty() and not sys.stderr.isatty():
        raise BadInput(
            "the console draws on standard error, which is redirected", "leave out 2>, or add --no-console"
        )
    return sys.stderr.isatty()


def attach(run: RunDir) -> int:
    """The console on a mesh that runs already; it only reads until told otherwise."""
    if not has_terminal():
        raise BadInput("the console needs a terminal", "without one: whisper-tui nodes, jobs, ledger …")
    asyncio.run(SupervisorClient(run).status())  # says so when there is none
    return open_console(run, read_only=True)


def open_console(run: RunDir, *, read_only: bool) -> int:
    """Open the console; returns its exit code."""
    raise BadInput("the console is not there yet")
