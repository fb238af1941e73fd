"""The action log: one line of JSON for every action taken or refused, in the run directory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One action. `command` is the command line that does the same; `outcome` is `done` or why it was not."""

    at_ms: float
    by: str
    action: str
    args: dict[str, object]
    command: str
    outcome: str


def append(path: Path, by: str, action: str, args: dict[str, object], command: str, outcome: str) -> None:
    """Add a line, unless there is no run directory. One write of O_APPEND: lines of programs that act at once
    do not mix."""
    if not path.parent.is_dir():
        return
    entry = Entry(time.time() * 1000, by, action, args, command, outcome)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(entry) + b"\n")
    finally:
        os.close(descriptor)
