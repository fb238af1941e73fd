"""What others could have put there is not acted on: each refusal is one line that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.operator.test_command_line import whisper
from whisper_tui import ownership
from whisper_tui.errors import BadInput
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import prepare
from whisper_tui.supervisor.rundir import PROJECT_MARK, RunDir, find

NOBODY = 65534


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Somebody else's folder: root can make one, everybody else has one of root's."""
    if os.geteuid() != 0:
        return Path("/usr")
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    (folder / "run.json").write_text('{"axl_node": "/tmp/planted"}')
    os.chown(folder, NOBODY, NOBODY)
    return folder


def test_somebody_elses_run_directory_is_refused_wherever_it_is_found(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    below = checkout / "below"
    below.mkdir(parents=True)
    (checkout / "pyproject.toml").write_text(PROJECT_MARK)
    (checkout / ".whisper").symlink_to(theirs)
    monkeypatch.chdir(below)
    for flag in (None, theirs):
        with pytest.raises(BadInput, match=r"belongs to .*, not to you") as caught:
            find(flag)
        assert "--run-dir DIR" in caught.value.hint
    with pytest.raises(BadInput, match="belongs to"):
        RunDir(theirs).make()


@pytest.mark.parametrize("command", [["up", "--detach"], ["nodes"], ["down"], ["keys"], ["submit", "why?"]])
def test_no_command_goes_into_somebody_elses_run_directory(
    theirs: Path, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / ".whisper").symlink_to(theirs)
    done = whisper(*command, cwd=tmp_path)
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert first.startswith(f"whisper-tui: {tmp_path / '.whisper'} belongs to ")
    assert "--run-dir" in hint


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run.plan,
        lambda run: run.token_file,
        lambda run: run.participant("node1").root,
        lambda run: run.participant("node1").key,
        lambda run: run.participant("node2").settings,
        lambda run: run.participant("operator").node_config,
        lambda run: run.submitter("submitter1").key,
    ],
)
def test_what_others_can_write_does_not_start_a_mesh(
    run: RunDir, plan: Plan, spoil: Callable[[RunDir], Path]
) -> None:
    path = spoil(run)
    for mode in (0o020, 0o002):
        path.chmod(path.stat().st_mode & 0o700 | mode)
        with pytest.raises(BadInput) as caught:
            prepare(run, plans.load(run.plan) or plan)
        assert caught.value.message == f"{path} can be written by others"
        assert caught.value.hint.startswith(f"chmod go-w {path}, or ")
    path.chmod(path.stat().st_mode & 0o700)
    assert prepare(run, plans.load(run.plan) or plan) == plan


def test_a_secret_that_others_can_read_is_none(run: RunDir, plan: Plan) -> None:
    for secret in (run.token_file, run.participant("node1").key):
        secret.chmod(0o640)
        with pytest.raises(BadInput, match=f"{secret} can be read by others"):
            prepare(run, plan)
        secret.chmod(0o600)
    assert prepare(run, plan) == plan


def test_files_of_others_are_refused_also_in_ones_own_directory(
    run: RunDir, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for look in (run.token, lambda: plans.load(run.plan), run.participant("node1").check, run.check):
        with pytest.raises(BadInput, match="not to you"):
            look()


def test_an_own_empty_folder_is_closed_and_a_full_one_that_others_can_write_is_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o775)
    run = find(folder)
    run.make()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    with pytest.raises(BadInput, match="can be written by others"):
        find(folder)


def test_a_file_is_looked_at_once_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    path.chmod(0o600)
    assert ownership.read(path, secret=True) == b"mine"
    monkeypatch.setattr(Path, "stat", lambda *_: pytest.fail("another file may be there by now"))
    assert ownership.read(path, secret=True) == b"mine"


def test_what_was_laid_beside_a_file_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (tmp_path / "run.json.new").symlink_to(elsewhere)
    plans.replace(tmp_path / "run.json", b"new")
    assert (elsewhere.read_text(), (tmp_path / "run.json").read_bytes()) == ("kept", b"new")
    assert not (tmp_path / "run.json").is_symlink()


def test_a_planted_environment_reaches_no_process(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    ran = tmp_path / "ran"
    (planted / "sitecustomize.py").write_text(f"open({str(ran)!r}, 'w')")
    (tmp_path / ".env").write_text(f"PYTHONPATH={planted}\n")
    os.umask(0)  # whatever is made is made for its owner
    done = whisper("up", "--detach", "--light", "--port-base", "auto", "--count", "1", cwd=tmp_path)
    try:
        assert done.returncode == 0, done.stderr
        assert "whisper-tui: .env: PYTHONPATH ignored, not a setting of Whisper" in done.stderr
        assert not ran.exists()
    finally:
        whisper("down", cwd=tmp_path)
