"""`python -m whisper_tui.recording --run-dir DIR --began-ms MS`: started by the supervisor once the mesh is up."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from axl.lifeline import LifelineError, end_with_supervisor
from whisper_tui.errors import UserError
from whisper_tui.recording.recorder import record
from whisper_tui.supervisor.rundir import RunDir

NICENESS = 10
"""Whoever works comes first."""


def main() -> int:
    """Record one run until it ends; exit code 0, or the one of the error said on stderr."""
    parser = argparse.ArgumentParser(prog="python -m whisper_tui.recording")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--began-ms", type=float, required=True)
    arguments = parser.parse_args()
    os.nice(NICENESS)
    try:
        end_with_supervisor()
        asyncio.run(_until_ended(RunDir(arguments.run_dir), arguments.began_ms))
    except UserError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    except LifelineError as error:
        sys.stderr.write(f"{error}\n")
        return UserError.exit_code
    return 0


async def _until_ended(run: RunDir, began_ms: float) -> None:
    recording = asyncio.create_task(record(run, began_ms))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, recording.cancel)
    with suppress(asyncio.CancelledError):
        await recording


if __name__ == "__main__":
    sys.exit(main())
