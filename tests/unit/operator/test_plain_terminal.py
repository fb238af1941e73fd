"""A terminal that takes text only: the console says so instead of showing nothing."""

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
@pytest.mark.parametrize("command", ["up", "attach"])
def test_a_terminal_that_takes_text_only_is_told_what_to_do_and_no_mesh_is_started(
    name: str, command: str, tmp_path: Path
) -> None:
    code, said = in_terminal(name, command, "--run-dir", "run", cwd=tmp_path)
    assert code == 2
    assert said[0] == f"whisper-tui: this terminal cannot show the console: it says TERM={name}"
    assert "TERM=xterm-256color" in said[1] and "up --run-dir run --no-console" in said[1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "sign"), [("dumb", "note"), ("xterm", "ok  ")])
def test_the_doctor_says_whether_the_terminal_can_show_the_console(
    name: str, sign: str, tmp_path: Path
) -> None:
    _, said = in_terminal(name, "doctor", cwd=tmp_path)
    (line,) = (line for line in said if line[5:].startswith("terminal"))
    assert line.startswith(sign) and f"TERM={name}" in line
