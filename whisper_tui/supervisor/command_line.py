"""The command line that does the same as an action: shown beside it and kept in the action log."""

from __future__ import annotations

import shlex


def command_line(action: str, *words: str, **flags: object) -> str:
    """`whisper-tui ACTION WORD… --flag value`, quoted for a shell; flags that are None are left out."""
    options = [
        part
        for name, value in flags.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return shlex.join(["whisper-tui", action, *words, *options])
