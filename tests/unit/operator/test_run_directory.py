"""The run directory: where it is, what it keeps, who runs it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.unit.operator.conftest import Running
from whisper_tui.errors import BadInput, MeshUnreachable
from whisper_tui.supervisor import rundir
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import PROJECT_MARK, RunDir, find, lock


def test_a_flag_wins_over_everything(tmp_path: Path) -> None:
    assert find(tmp_path / "here").root == tmp_path / "here"


def test_in_a_checkout_it_is_its_whisper_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[project]\n{PROJECT_MARK}\n")
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "inside")
    assert find(None).root == tmp_path / ".whisper"


def test_elsewhere_it_is_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rundir, "INSTALLED_IN", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert find(None).root == tmp_path / "state" / "whisper"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find(None).root == tmp_path / "home" / ".local" / "state" / "whisper"


def test_elsewhere_a_used_checkout_that_the_program_is_installed_from_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text(PROJECT_MARK)
    monkeypatch.setattr(rundir, "INSTALLED_IN", checkout)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert find(None).root == tmp_path / "state" / "whisper"
    (checkout / ".whisper").mkdir()
    assert find(None).root == checkout / ".whisper"


def test_a_folder_of_other_things_does_not_become_a_run_directory(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.make()
    run.ensure_token()
    run.make()
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(BadInput, match="it has other files in it, such as thesis"):
        run.make()
    run.plan.write_text("{}")
    run.make()


def test_a_run_directory_without_its_plan_is_still_one(run: RunDir, plan: Plan) -> None:
    run.plan.rename(run.plan.with_name("run.json.new"))
    run.make()


def test_a_token_is_made_once_and_is_private(run: RunDir) -> None:
    token = run.ensure_token()
    assert run.ensure_token() == token == run.token()
    assert stat.S_IMODE(run.token_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff\xfe", b"g" * 64])
def test_a_token_that_is_none_is_refused_in_one_line(run: RunDir, content: bytes) -> None:
    run.ensure_token()
    run.token_file.write_bytes(content)
    with pytest.raises(BadInput, match="expected 64 hex characters"):
        run.token()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=str(tmp_path / "file" / "run")):
        RunDir(tmp_path / "file" / "run").make()


def test_a_directory_nobody_runs_is_not_running(run: RunDir) -> None:
    assert run.running() is None


def test_what_a_crashed_supervisor_left_behind_does_not_look_alive(run: RunDir) -> None:
    run.lock_file.touch()
    run.supervisor_file.write_text('{"pid":1,"port":1,"started_ms":0}')  # pid 1 lives, and is not ours
    assert run.running() is None


def test_whoever_holds_the_lock_runs_it(run: RunDir) -> None:
    run.supervisor_file.write_text('{"pid":1,"port":7,"started_ms":0}')
    with lock(run.lock_file):
        found = run.running()
    assert found is not None
    assert found.port == 7


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid":"\xff"}', b'{"a":' * 3_000])
def test_a_supervisor_that_is_described_wrongly_is_reported(run: RunDir, content: bytes) -> None:
    run.supervisor_file.write_bytes(content)
    with (
        lock(run.lock_file),
        pytest.raises(MeshUnreachable, match=r"supervisor\.json cannot be read"),
    ):
        run.running()


async def test_a_running_supervisor_is_found(running: Running) -> None:
    found = running.run.running()
    assert found is not None
    assert found.pid == running.pid
