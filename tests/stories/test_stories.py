"""Every story shows what is written in it."""

from pathlib import Path

import pytest

from tests.stories.driver import play

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_happens_as_it_is_written(path: Path) -> None:
    text = path.read_text()
    assert play(text, path.stem) == text, "if that is right: python -m tests.stories --rewrite"


def test_no_story_tells_of_a_broken_invariant() -> None:
    assert STORIES
    for path in STORIES:
        text = path.read_text()
        assert "VIOLATION" not in text and "NOT within" not in text and "SETTLED TWICE" not in text, path.name
