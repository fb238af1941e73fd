"""The recorder: a child that keeps what happens, and is started again when it dies. Nothing in the mesh waits for it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from whisper_tui.supervisor.child import Child, Command
from whisper_tui.supervisor.schema import ProcessView

RECORDER = "recorder"
BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 60.0

WELL_S = 60.0
"""One that has run for so long is well: should it die after that, it is started again soon."""


class RecorderService:
    """`python -m whisper_tui.recording`, for as long as the mesh runs."""

    def __init__(self, argv: list[str], logs: Path, changed: Callable[[ProcessView], None]) -> None:
        self.child = Child(ProcessView(RECORDER, "recorder", since_ms=time.time() * 1000), changed)
        self._command = Command(argv, logs, logs / "recorder.log")
        self._ending = False

    async def run(self, lifeline: int, env: Mapping[str, str]) -> None:
        """Keep it running until `end`."""
        pause_s = BACKOFF_FIRST_S
        while not self._ending:
            began = time.monotonic()
            self.child.start(self._command, lifeline, env)
            self.child.running()
            await self.child.gone()
            if time.monotonic() - began > WELL_S:
                pause_s = BACKOFF_FIRST_S
            if not self._ending:
                await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    def end(self) -> None:
        """SIGTERM, for good."""
        self._ending = True
        self.child.terminate()


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
