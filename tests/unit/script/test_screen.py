"""Scripts that press keys, look at the screen, and keep what it shows, on a stand-in mesh and the real console."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.script.stand_in import StandIn
from tests.unit.script.test_play import HEAD, run
from whisper_tui.script import junit
from whisper_tui.script.reading import built_in, parse
from whisper_tui.script.screen import Filming

pytestmark = pytest.mark.usefixtures("colourful")


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.delenv("CI", raising=False)
    return StandIn(tmp_path)


def read_all(folder: Path) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in sorted(folder.glob("0*.txt"))]


def outcomes(found: dict[str, Any]) -> list[str]:
    return [step["outcome"] for step in found["steps"]]


async def test_keys_of_a_script_do_what_they_do_for_an_operator(mesh: StandIn) -> None:
    mesh.actions.then["kill"] = lambda: mesh.feeder.confirm("node1")
    steps = """
[[step]]
press = ["X"]
[[step]]
wait = { path = "screen", contains = "kill" }
[[step]]
press = ["k"]
[[step]]
expect = { path = "screen", matches = "Kill node\\\\d\\\\?" }
[[step]]
press = ["y"]
[[step]]
wait = { path = "nodes.dead", eq = 1 }
[[step]]
expect = { path = "screen", matches = "node1 +✖ dead" }
"""
    code, found, _ = await run(mesh, steps)
    assert found["failure"] is None
    assert code == 0
    assert mesh.actions.done == [("kill", ["node1"])]
    assert found["steps"][0]["did"] == "pressed X"


async def test_a_text_is_typed_and_sent(mesh: StandIn) -> None:
    steps = """
[[step]]
press = "s"
[[step]]
type = "${query} Is it 1, or 2?"
[[step]]
press = "enter"
[[step]]
wait = { path = "query.last", ne = "" }
"""
    code, found, _ = await run(mesh, steps)
    assert found["failure"] is None
    assert code == 0
    assert mesh.actions.done == [("submit", ["why? Is it 1, or 2?"])]


async def test_a_screen_that_does_not_show_what_is_expected_fails_and_is_shown(mesh: StandIn) -> None:
    steps = '[[step]]\nexpect = { path = "screen", contains = "a unicorn" }\n'
    code, found, playing = await run(mesh, steps)
    assert code == 1
    assert found["failure"]["message"].endswith("expected screen contains a unicorn, but it does not")
    assert any("node3" in line for line in found["failure"]["screen"])
    xml = junit.encoded(playing.report()).decode()
    assert "the screen:" in xml
    assert "node3" in xml.partition("the screen:")[2]


async def test_what_the_screen_never_shows_ends_the_run_with_four(mesh: StandIn) -> None:
    steps = '[[step]]\nwait = { path = "screen", contains = "a unicorn" }\nwithin = "50ms"\n'
    code, found, _ = await run(mesh, steps)
    assert code == 4
    assert found["failure"]["screen"]


async def test_the_console_has_the_size_that_the_script_wants(mesh: StandIn, tmp_path: Path) -> None:
    head = HEAD.replace("[vars]", "console = { columns = 80, rows = 24, ascii = true }\n[vars]")
    steps = '[[step]]\ncapture = "small.txt"\n'
    code, _, _ = await run(mesh, steps, head, Filming(captures=tmp_path))
    assert code == 0
    lines = (tmp_path / "small.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    assert "".join(lines).isascii()


async def test_pictures_are_kept_as_text_and_as_svg(mesh: StandIn, tmp_path: Path) -> None:
    steps = '[[step]]\ncapture = "all.svg"\n[[step]]\ncapture = "all.txt"\n'
    code, found, _ = await run(mesh, steps, filming=Filming(captures=tmp_path))
    assert code == 0
    assert found["steps"][0]["did"] == "kept all.svg"
    assert "node4" in (tmp_path / "all.txt").read_text(encoding="utf-8")
    svg = (tmp_path / "all.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "node4" in svg


async def test_without_a_folder_pictures_are_not_kept_and_that_is_said(mesh: StandIn) -> None:
    code, found, _ = await run(mesh, '[[step]]\ncapture = "all.svg"\n')
    assert code == 0
    assert found["steps"][0]["did"] == "all.svg is not kept, no --captures says where"


async def test_a_cast_holds_what_a_terminal_would_have_been_sent(mesh: StandIn, tmp_path: Path) -> None:
    cast = tmp_path / "run.cast"
    code, _, _ = await run(
        mesh, '[[step]]\nwait = { path = "nodes.up", eq = 6 }\n', filming=Filming(cast=cast)
    )
    assert code == 0
    header, *pieces = [json.loads(line) for line in cast.read_text(encoding="utf-8").splitlines()]
    assert (header["version"], header["width"], header["height"]) == (2, 120, 40)
    assert [piece[1] for piece in pieces] == ["o"] * len(pieces)
    times = [piece[0] for piece in pieces]
    assert times == sorted(times)
    assert "node4" in "".join(piece[2] for piece in pieces)
    assert "\x1b]" not in "".join(piece[2] for piece in pieces), (
        "nothing for the clipboard of whoever plays it"
    )


async def test_frames_are_kept_only_when_they_differ(mesh: StandIn, tmp_path: Path) -> None:
    steps = '[[step]]\npress = ["question_mark"]\n'.replace("question_mark", "?")
    code, _, _ = await run(mesh, steps, filming=Filming(frames=tmp_path))
    assert code == 0
    frames = read_all(tmp_path)
    assert len(frames) >= 2
    assert all(one != other for one, other in pairwise(frames))
    assert "Everywhere" in frames[-1]


async def test_keys_after_the_console_was_left_fail(mesh: StandIn) -> None:
    steps = '[[step]]\npress = ["q", "l"]\n[[step]]\npress = "s"\n'
    code, found, _ = await run(mesh, steps)
    assert code == 1
    assert outcomes(found) == ["passed", "failed"]
    assert "the console has been left" in found["failure"]["message"]


async def test_a_picture_that_cannot_be_written_fails_its_step(mesh: StandIn, tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    code, found, _ = await run(mesh, '[[step]]\ncapture = "a.svg"\n', filming=Filming(captures=tmp_path))
    assert code == 1
    assert "a.svg cannot be written" in found["failure"]["message"]


def test_scripts_without_a_console_never_import_textual() -> None:
    modules = "whisper_tui.script.runner, whisper_tui.script.play, whisper_tui.script.screen, whisper_tui.terminal.canvas"
    code = f"import sys, {modules}; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_without_a_console_never_imports_textual(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from pathlib import Path
from tests.unit.script.stand_in import StandIn
from tests.unit.script.test_play import run
async def main():
    mesh = StandIn(Path({str(tmp_path)!r}))
    code, _, _ = await run(mesh, '[[step]]\\nexpect = {{ path = "nodes.up", eq = 6 }}\\n')
    assert code == 0
asyncio.run(main())
sys.exit('textual' in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_only_scripts_that_say_so_have_a_console() -> None:
    plain = parse(HEAD + '[[step]]\nexpect = { path = "nodes.up", eq = 6 }\n', "x.toml", {})
    assert not plain.needs_the_console
    looks = parse(HEAD + '[[step]]\nexpect = { path = "screen", contains = "6" }\n', "x.toml", {})
    assert looks.needs_the_console
    assert not Filming().needs_the_console
    assert built_in()
