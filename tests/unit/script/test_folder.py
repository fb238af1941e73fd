"""The directory of a run: fresh, private, and never somebody else's."""

from pathlib import Path

import pytest

from whisper_tui.errors import BadInput
from whisper_tui.script import folder, report
from whisper_tui.supervisor.rundir import RunDir, lock


def test_a_directory_that_does_not_exist_or_is_empty_is_taken(tmp_path: Path) -> None:
    for name in ("new", "empty"):
        path = tmp_path / name
        if name == "empty":
            path.mkdir()
        run = folder.chosen(path)
        assert run.root == path
        assert RunDir(path).script_mark.is_file()


def test_what_an_earlier_script_left_is_cleared(tmp_path: Path) -> None:
    run = folder.chosen(tmp_path / "run")
    (run.root / "node1").mkdir()
    (run.root / "node1" / "store.db").write_text("old")
    (run.root / "run.json").write_text("{}")
    again = folder.chosen(run.root)
    assert not (again.root / "node1").exists()
    assert not again.plan.exists()


def test_what_no_script_made_is_never_touched(tmp_path: Path) -> None:
    kept = tmp_path / "run.json"
    kept.write_text("{}")
    with pytest.raises(BadInput, match="neither empty nor of an earlier script"):
        folder.chosen(tmp_path)
    assert kept.read_text() == "{}"
    folder.remove(folder.RunDir(tmp_path))
    assert kept.exists()


def test_a_directory_in_which_a_mesh_runs_is_refused(tmp_path: Path) -> None:
    run = folder.chosen(tmp_path / "run")
    run.supervisor_file.write_text('{"pid": 1, "port": 1, "started_ms": 1}')
    run.supervisor_file.chmod(0o600)
    with lock(run.lock_file), pytest.raises(BadInput, match="a mesh runs in"):
        folder.chosen(run.root)


def test_a_temporary_directory_is_private_and_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = folder.temporary("../kill holder")
    assert run.root.parent == tmp_path
    assert run.root.stat().st_mode & 0o077 == 0
    folder.remove(run)
    assert not run.root.exists()


def test_a_report_that_could_not_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    report.check_target(None)
    report.check_target("-")
    report.check_target(str(tmp_path / "new.json"))
    with pytest.raises(BadInput, match="is no folder"):
        report.check_target(str(tmp_path / "missing" / "x.json"))
    with pytest.raises(BadInput, match="not writable"):
        report.check_target(str(tmp_path))
