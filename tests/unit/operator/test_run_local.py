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


def run(*args: str, cwd: Path, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(script), *args], cwd=cwd, capture_output=True, text=True, check=False)


def test_its_help_is_its_own_and_makes_no_environment(tmp_path: Path) -> None:
    copy = tmp_path / "run_local.sh"
    copy.write_text(SCRIPT.read_text())
    done = run("--count", "3", "--help", cwd=tmp_path, script=copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--test" in done.stdout and "--light" in done.stdout and "whisper-tui up --help" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_in_a_folder_that_was_deleted_it_does_not_miss_python(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    deleting = 'rmdir "$PWD" && exec bash "$0"'
    argv = ["bash", "-c", deleting, str(SCRIPT)]
    done = subprocess.run(argv, cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run_local: the folder that this shell is in is not there any more" in done.stderr
    assert "Python" not in done.stderr


def test_what_takes_long_shows_that_it_goes_on_and_passes_on_how_it_ended(tmp_path: Path) -> None:
    program = 'source <(grep -v "^main " "$0"); sleep() { :; }; ticking "baking" cat; ticking "burning" false'
    with subprocess.Popen(
        ["bash", "-c", program, str(SCRIPT)], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        said = process.stderr.read(len("run_local: baking ….".encode()))
        process.stdin.close()
        process.stderr.read()
    assert said.decode() == "run_local: baking …."
    assert process.returncode == 1
