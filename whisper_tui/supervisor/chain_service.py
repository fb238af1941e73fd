"""The chain that names are on, when it is this machine's own: `python -m mesh_core.chain.local`, or an `anvil` instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from whisper_tui.supervisor.chain_choice import ANVIL, LOCAL
from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.service import Service

PROGRAMS = {LOCAL: "mesh_core.chain.local", ANVIL: "mesh_core.chain.anvil"}

MISSING = 3
"""Exit code of the second when no `anvil` is installed."""


def chain_service(argv: Sequence[str], logs: Path, changed: Callable[[ProcessView], None]) -> Service:
    """Keeps it running."""
    return Service("chain", argv, logs, changed, greets=True, done_without={MISSING: "no names are kept"})


def chain_command(chain: str, folder: Path, port: int) -> list[str]:
    """argv of one of `PROGRAMS`, which keeps its files in `folder`."""
    return [sys.executable, "-P", "-m", PROGRAMS[chain], "--dir", str(folder), "--port", str(port)]
