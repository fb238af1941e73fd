"""The recorder, `python -m whisper_tui.recording`: keeps what happens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.service import Service


def recorder_service(argv: Sequence[str], logs: Path, changed: Callable[[ProcessView], None]) -> Service:
    """Keeps it running."""
    return Service("recorder", argv, logs, changed, greets=False)


def recorder_command(run_dir: Path, began_ms: float) -> list[str]:
    """Its argv. `began_ms` names the run, whatever number of recorders it takes."""
    return [
        sys.executable,
        "-P",
        "-m",
        "whisper_tui.recording",
        "--run-dir",
        str(run_dir),
        "--began-ms",
        f"{began_ms:.0f}",
    ]
