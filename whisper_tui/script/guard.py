"""Nothing of a run outlives its script, not even when the script is killed.

A shell holds the read end of a pipe whose write end only the script has. A script that ends as it should says
so; when the pipe just closes, the shell becomes `python -m whisper_tui.script.guard DIR`, which ends the mesh.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from whisper_tui.actions.actions import Actions
from whisper_tui.errors import UserError
from whisper_tui.script import folder
from whisper_tui.supervisor.rundir import RunDir

_SHELL = 'read -r _ && exit 0; exec "$@"'

STARTING_S = 3.0
"""A supervisor that was being started when its script died may need so long to be found."""

PAUSE_S = 0.1


@contextlib.contextmanager
def guarding(run: RunDir, *, temporary: bool) -> Iterator[None]:
    """While the block runs, the death of this process means the end of the mesh in `run`."""
    command = [sys.executable, "-P", "-m", "whisper_tui.script.guard", str(run.root)]
    shell = subprocess.Popen(  # noqa: S603 - the argv is ours
        ["/bin/sh", "-c", _SHELL, "sh", *command, *(["--remove"] if temporary else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert shell.stdin is not None
    with shell, contextlib.suppress(BrokenPipeError):
        yield
        shell.stdin.write(b"over\n")


def main() -> int:
    """End the mesh in a directory and, with `--remove`, delete the directory."""
    parser = argparse.ArgumentParser(prog="python -m whisper_tui.script.guard")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--remove", action="store_true")
    chosen = parser.parse_args()
    run = RunDir(chosen.directory)
    with contextlib.suppress(UserError):
        asyncio.run(_end(run))
    if chosen.remove:
        folder.remove(run)
    return 0


async def _end(run: RunDir) -> None:
    patience = time.monotonic() + STARTING_S
    while run.running() is None:
        if time.monotonic() > patience:
            return
        await asyncio.sleep(PAUSE_S)
    await Actions(run, "guard").down()


if __name__ == "__main__":
    sys.exit(main())
