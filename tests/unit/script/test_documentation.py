"""docs/scripts.md names everything a script can say."""

import re
from pathlib import Path

import pytest

from whisper_tui.model.paths import patterns
from whisper_tui.script import looking
from whisper_tui.script.assertions import OPERATORS
from whisper_tui.script.reading import built_in, parse
from whisper_tui.script.schema import KINDS
from whisper_tui.script.verbs import VERBS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", [*VERBS, *OPERATORS, *KINDS, *built_in()])
def test_every_word_of_the_language_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


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
