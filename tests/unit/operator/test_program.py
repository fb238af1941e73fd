"""What is suggested can be typed as it stands."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisper_tui import program
from whisper_tui.program import typed
from whisper_tui.supervisor import rundir


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation in `.venv/bin`, seen from its folder, with nothing on the PATH."""
    script = tmp_path / ".venv" / "bin" / "whisper-tui"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(script.parent))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    program.program.cache_clear()
    yield script
    program.program.cache_clear()


def test_without_it_on_the_path_the_short_way_to_it_is_shown(script: Path) -> None:
    assert typed("`whisper-tui up`, then whisper-tui nodes") == (
        "`.venv/bin/whisper-tui up`, then .venv/bin/whisper-tui nodes"
    )


def test_in_its_own_folder_it_is_still_found(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)
    assert typed("whisper-tui up") == "./whisper-tui up"


def test_far_from_it_the_whole_path_is_shown(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr/bin")
    far = script.parent / "whisper-tui"
    assert typed("whisper-tui up").endswith(f"{far.name} up")
    assert len(typed("whisper-tui up")) <= len(f"{far} up")


def test_its_name_is_enough_where_the_shell_finds_it(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert typed("whisper-tui up") == "whisper-tui up"


def test_another_installation_on_the_path_is_not_meant(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "bin" / "whisper-tui"
    other.parent.mkdir()
    other.touch(0o755)
    assert typed("whisper-tui up") == ".venv/bin/whisper-tui up"


def test_the_name_alone_is_a_name(script: Path) -> None:
    assert typed("whisper-tui: no mesh; /x/whisper-tui up") == "whisper-tui: no mesh; /x/whisper-tui up"


def test_a_mesh_elsewhere_is_named_where_a_command_would_not_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "program", lambda: "whisper-tui")
    found = rundir.find(None).root
    assert typed("`whisper-tui kill node1`", found) == "`whisper-tui kill node1`"
    there = tmp_path / "my mesh"
    assert typed("`whisper-tui kill node1`", there) == "`whisper-tui kill --run-dir 'my mesh' node1`"
    assert typed("whisper-tui up", there) == "whisper-tui up --run-dir 'my mesh'"
    assert typed("whisper-tui --help", there) == "whisper-tui --help"
    assert typed("whisper-tui verify receipt FILE", there) == "whisper-tui verify receipt FILE"
    assert typed("the text whisper-tui", there) == "the text whisper-tui"
