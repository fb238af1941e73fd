"""Whether a process has been stopped by a signal: the one state in which it is there and answers nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

PROC = Path("/proc")
_STOPPED = "T"
"""Also the state of one that a debugger holds, in lower case."""


def stopped(pids: Collection[int]) -> set[int]:
    """Those of `pids` that are stopped; one that is gone is not."""
    if (PROC / "self" / "stat").exists():
        return {pid for pid in pids if _state_in_proc(pid).upper() == _STOPPED}
    return _told_by_ps(pids)


def _state_in_proc(pid: int) -> str:
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return ""
    # The name before the state is in parentheses and may hold anything, parentheses too.
    return stat.rpartition(b") ")[2][:1].decode("ascii", "replace")


def _told_by_ps(pids: Collection[int]) -> set[int]:
    if not pids:
        return set()
    argv = ["/bin/ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))]
    told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout  # noqa: S603 - numbers only
    states = (line.split() for line in told.splitlines())
    return {int(pid) for pid, state, *_ in states if state.upper().startswith(_STOPPED)}
