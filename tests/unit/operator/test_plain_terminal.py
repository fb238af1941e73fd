"""A terminal that takes text only: it is told so, and what happens as text."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from whisper_tui.supervisor.rundir import PROJECT_MARK


def in_terminal(name: str, *args: str, cwd: Path) -> tuple[int, list[str]]:
    """Exit code and lines of `whisper-tui ARGS` in a terminal of this name, in a checkout of its own."""
    (cwd / "pyproject.toml").write_text(PROJECT_MARK)
    ours, theirs = pty.openpty()
    program = "from whisper_tui.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "TERM": name},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while piece := _read(ours):
        said += piece
    os.close(ours)
    return process.wait(), said.decode().splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that the other end was closed
        return b""


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_takes_text_only_is_said_to_and_gets_text(name: str, tmp_path: Path) -> None:
    code, said = in_terminal(name, "attach", "--run-dir", "run", cwd=tmp_path)
    assert said[0] == f"no console: this terminal says TERM={name}, which takes text only"
    assert said[1].startswith("whisper-tui: no mesh runs in")
    assert code == 3, "there is nothing to tell"


@pytest.mark.parametrize(("name", "sign"), [("dumb", "note"), ("xterm", "ok  ")])
def test_the_doctor_says_whether_the_terminal_can_show_the_console(
    name: str, sign: str, tmp_path: Path
) -> None:
    _, said = in_terminal(name, "doctor", cwd=tmp_path)
    (line,) = (line for line in said if line[5:].startswith("terminal"))
    assert line.startswith(sign) and f"TERM={name}" in line
