"""`run_local.sh`: what an interrupted run of it leaves behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "run_local.sh"
REMOVE = 'source <(grep -v "^main " "$1"); here=$2; remove_leftovers'


def ended_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_environments_left_half_made_by_who_is_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    gone, running = ended_pid(), os.getpid()
    names = [f".venv-building-{pid}{aside}" for pid in (gone, running) for aside in ("", "-old")]
    kept = {".venv", ".venv-building-of-mine", *names[2:]}
    for name in (*kept, *names):
        (tmp_path / name / "bin").mkdir(parents=True, exist_ok=True)
    subprocess.run(["bash", "-c", REMOVE, "bash", str(SCRIPT), str(tmp_path)], check=True)
    assert {path.name for path in tmp_path.iterdir()} == kept
    subprocess.run(["bash", "-c", REMOVE, "bash", str(SCRIPT), str(tmp_path / ".venv")], check=True)
