"""Makes the pictures and the cast that the README shows: `python screenshots/make.py [NAME…]`, by playing scripts.

`story` and `rescue` run a mesh of processes, so that their times are those of this machine on this day; what is simulated
is the same each time. `asciinema play screenshots/rescue.cast` shows the cast.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHISPER = (sys.executable, "-c", "from whisper_tui.cli import main; main()")
SEED = "1"

RUNS: Mapping[str, Sequence[str]] = {
    "story": ("--script", "story.toml", "--captures", ".", "--json", "report.json"),
    "small": ("--script", "small.toml", "--captures", "."),
    "crowd": ("--script", "crowd.toml", "--captures", "."),
    "rescue": ("--script", "rescue", "--cast", "rescue.cast"),
}
"""What each run is played with."""


def main(names: Sequence[str]) -> int:
    """Play the runs of these names, or all; the exit code of the first that fails."""
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        print(f"no run is called {unknown[0]}; there are {', '.join(RUNS)}", file=sys.stderr)
        return 2
    environment = {**os.environ, "TZ": "UTC", "PYTHONPATH": str(HERE.parent)}
    environment.pop("NO_COLOR", None)
    for name in names or RUNS:
        command = [*WHISPER, *RUNS[name], "--var", f"seed={SEED}"]
        code = subprocess.run(command, cwd=HERE, env=environment, check=False).returncode  # noqa: S603
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
