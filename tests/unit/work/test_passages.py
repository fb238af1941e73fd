"""Cutting text into passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.work.corpus.passages import spans
from mesh_core.work.options import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX, PASSAGE_WORDS_MIN
from whisper_tui.supervisor.launch import BUILT_IN_CORPUS

PARAGRAPH = " ".join(["word"] * 29 + ["end."])


def passages(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@given(st.text(alphabet="ab.!#=\n\t é", max_size=4_000))
def test_passages_are_ordered_spans_that_hold_every_word_within_the_limits(text: str) -> None:
    found = spans(text)
    assert [at for span in found for at in span] == sorted(at for span in found for at in span)
    cut = [text[start:end] for start, end in found]
    assert "".join("".join(cut).split()) == "".join(text.split())
    for passage in cut:
        assert passage == passage.strip()
        assert 0 < len(passage.split()) <= PASSAGE_WORDS_MAX
        assert len(passage) <= PASSAGE_CHARS_MAX


def test_paragraphs_are_gathered_until_there_are_enough_words() -> None:
    cut = passages("\n\n".join([PARAGRAPH] * 6))
    assert [len(passage.split()) for passage in cut] == [90, 90]


def test_a_heading_stays_with_the_paragraph_below_it() -> None:
    long = " ".join(["word"] * 90)
    assert passages(f"{long}\n\n# Heading\n\n{long}")[1].startswith("# Heading")


@pytest.mark.parametrize("heading", ["## Heading", "Heading\n=======", "=======\nHeading\n======="])
@pytest.mark.parametrize("words_above", [10, 90])
@pytest.mark.parametrize("gap", ["\n\n", "\n \n\n"])
def test_no_passage_ends_on_a_heading(heading: str, words_above: int, gap: str) -> None:
    above, below = " ".join(["above"] * words_above), " ".join(["below"] * 119 + ["end."])
    cut = passages(gap.join([above, heading, heading, below]))
    assert not [passage for passage in cut if passage.endswith(heading)]
    assert [passage for passage in cut if f"{heading}{gap}{heading}{gap}below" in passage]


def test_a_heading_needs_no_blank_line_around_it() -> None:
    long = " ".join(["word"] * 90)
    assert passages(f"{long}\n## Heading\n{long}")[1] == f"## Heading\n{long}"
    assert passages(f"{long}\n## Heading\n\n{long}")[1] == f"## Heading\n\n{long}"


def test_no_built_in_passage_ends_on_a_heading() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(BUILT_IN_CORPUS.glob("*.md"))]
    cut = [passage for text in texts for passage in passages(text)]
    assert len(cut) > len(texts) > 0
    assert not [passage for passage in cut if passage.splitlines()[-1].startswith("#")]


def test_a_short_rest_joins_the_passage_before_it() -> None:
    long = " ".join(["word"] * 90)
    assert len(passages(f"{long}\n\nA short rest.")) == 1


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    cut = passages(" ".join([PARAGRAPH] * 10))
    assert all(passage.endswith("end.") for passage in cut)
    assert all(len(passage.split()) > PASSAGE_WORDS_MIN for passage in cut[:-1])


def test_text_without_spaces_is_cut_all_the_same() -> None:
    cut = passages("x" * (PASSAGE_CHARS_MAX * 2 + 10))
    assert [len(passage) for passage in cut] == [PASSAGE_CHARS_MAX, PASSAGE_CHARS_MAX, 10]


def test_blank_text_has_no_passages() -> None:
    assert spans(" \n\n \t\n") == []
