"""docs/scripts.md names everything a script can say."""

import dataclasses
import re
from pathlib import Path

import pytest
from msgspec import Struct

from screenshots.make import RUNS
from whisper_tui.model.paths import patterns
from whisper_tui.script import looking
from whisper_tui.script.assertions import OPERATORS
from whisper_tui.script.keys import NAMED
from whisper_tui.script.load_report import LoadReport
from whisper_tui.script.reading import _Console, _Mesh, built_in, load, parse
from whisper_tui.script.report import Report
from whisper_tui.script.runner import ScriptOptions
from whisper_tui.script.schema import CLOCKS, KINDS, OF_THE_CONSOLE
from whisper_tui.script.verbs import VERBS

SCREENSHOTS = Path(__file__).resolve().parents[3] / "screenshots"
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", [*VERBS, *OPERATORS, *KINDS, *built_in()])
def test_every_word_of_the_language_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("key", sorted(NAMED))
def test_every_key_with_a_name_is_listed(key: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `press = "))
    assert f"`{key}`" in row


@pytest.mark.parametrize(("source", "clock"), CLOCKS.items())
def test_every_source_is_listed_with_its_clock(source: str, clock: str) -> None:
    assert f"| `{source}` | `{clock}` |" in PAGE


@pytest.mark.parametrize("kind", sorted(OF_THE_CONSOLE))
def test_every_step_of_the_console_has_a_row(kind: str) -> None:
    assert re.search(rf"^\| `{kind} = ", PAGE, re.MULTILINE)


@pytest.mark.parametrize("section", [_Mesh, _Console])
def test_every_setting_of_the_mesh_and_the_console_is_shown(section: type[Struct]) -> None:
    name = section.__name__.strip("_").lower()
    row = next(line for line in PAGE.splitlines() if line.startswith(f"{name} = {{"))
    for field in section.__struct_fields__:
        assert f"{field} = " in row


def test_every_flag_of_a_script_is_explained() -> None:
    own = {field.name for field in dataclasses.fields(ScriptOptions)} - {"script", "variables", "debug"}
    for name in own:
        assert f"`--{name.replace('_', '-')}" in PAGE


@pytest.mark.parametrize("path", patterns())
def test_every_path_of_the_console_is_listed(path: str) -> None:
    head, _, rest = path.partition(".")
    row = next(
        line
        for line in PAGE.splitlines()
        if line.startswith((f"| `{head}.", f"| `{path}`"))
        and (head != "query" or (rest == "last") == ("`query.last`" in line))
    )
    assert rest.replace("<name>.", "") in row


@pytest.mark.parametrize(
    "path", [f"run.{name}" for name in looking._RUN] + [f"audit.{name}" for name in looking._AUDIT]
)
def test_every_path_of_a_run_is_listed(path: str) -> None:
    assert f"`{path}`" in PAGE or f"`{path.removeprefix('run.')}`" in PAGE


@pytest.mark.parametrize("field", LoadReport.__struct_fields__)
def test_every_figure_of_a_load_is_listed(field: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `load.` |"))
    assert f"`{field}`" in row


def test_every_field_of_the_report_is_named() -> None:
    section = PAGE.partition("## The report")[2]
    for name in Report.__struct_fields__:
        assert re.search(rf"\b{name}\b", section), name


def test_every_argument_is_listed() -> None:
    for verb, row in (
        (verb, next(line for line in PAGE.splitlines() if line.startswith(f"| `{verb}` |"))) for verb in VERBS
    ):
        for name in VERBS[verb].args.__struct_fields__:
            assert f"`{name}`" in row, verb


def test_the_example_is_a_sound_script() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert len(parse(example[1], "docs/scripts.md", {}).steps) == 6


@pytest.mark.parametrize("file", sorted(SCREENSHOTS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_scripts_of_the_pictures_are_sound_and_made_by_one_command(file: Path) -> None:
    script = load(str(file), {})
    assert script.captures
    assert file.name in RUNS[file.stem]


def test_the_pictures_that_scripts_take_are_there() -> None:
    taken = {
        step.file for file in SCREENSHOTS.glob("*.toml") for step in load(str(file), {}).steps if step.file
    }
    assert taken == {picture.name for picture in SCREENSHOTS.glob("*.svg")}
