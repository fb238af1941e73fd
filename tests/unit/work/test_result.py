"""Results travel between providers that do not trust each other."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.work.errors import ResultError
from mesh_core.work.options import PASSAGE_CHARS_MAX
from mesh_core.work.result import (
    NOTES_MAX,
    PASSAGE_TEXT_CHARS_MAX,
    PASSAGES_MAX,
    RESULT_BYTES_MAX,
    TEXT_CHARS_MAX,
    Answer,
    CitedPassage,
    decode_answer,
    encode_answer,
    make_answer,
)

PASSAGE = CitedPassage(3, "bees.md", "Bees make honey.")
ANSWER = make_answer("Honey.", "search", [PASSAGE], ["a note"])


def test_an_answer_survives_encoding() -> None:
    assert decode_answer(encode_answer(ANSWER)) == ANSWER


@given(st.text(), st.text(), st.lists(st.text(), max_size=50), st.integers(0, 60))
def test_whatever_is_put_into_an_answer_can_be_read_again(
    text: str, backend: str, notes: list[str], passages: int
) -> None:
    answer = make_answer(text * 100, backend * 50, [PASSAGE] * passages, [note * 50 for note in notes])
    assert decode_answer(encode_answer(answer)) == answer


@given(st.binary(max_size=200))
def test_noise_is_no_answer(noise: bytes) -> None:
    with pytest.raises(ResultError, match="not a result"):
        decode_answer(noise)


@given(st.integers(0, len(encode_answer(ANSWER)) - 1))
def test_a_cut_answer_is_no_answer(length: int) -> None:
    with pytest.raises(ResultError):
        decode_answer(encode_answer(ANSWER)[:length])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(2, "", "", (), ()),  # type: ignore[arg-type]
        Answer(1, "x" * (TEXT_CHARS_MAX + 1), "", (), ()),
        Answer(1, "", "b" * 257, (), ()),
        Answer(1, "", "", (PASSAGE,) * (PASSAGES_MAX + 1), ()),
        Answer(1, "", "", (), ("note",) * (NOTES_MAX + 1)),
        Answer(1, "", "", (), ("n" * 257,)),
        Answer(1, "", "", (CitedPassage(-1, "", ""),), ()),
        Answer(1, "", "", (CitedPassage(0, "s" * 1025, ""),), ()),
        Answer(1, "", "", (CitedPassage(0, "", "t" * (PASSAGE_TEXT_CHARS_MAX + 1)),), ()),
        Answer(1, 7, "", (), ()),  # type: ignore[arg-type]
    ],
)
def test_an_answer_beyond_the_limits_or_of_another_version_is_refused(answer: Answer) -> None:
    with pytest.raises(ResultError, match="not a result this version reads"):
        decode_answer(msgspec.msgpack.encode(answer))


def test_an_answer_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ResultError, match="at most"):
        decode_answer(b"\0" * (RESULT_BYTES_MAX + 1))


def test_deeply_nested_bytes_do_not_exhaust_the_stack() -> None:
    with pytest.raises(ResultError):
        decode_answer(b"\x91" * 100_000)


def test_every_answer_within_the_limits_can_be_read() -> None:
    wide = "\U0001f41d"
    passage = CitedPassage(1 << 31, wide * 100, wide * PASSAGE_CHARS_MAX)
    largest = make_answer(
        wide * TEXT_CHARS_MAX, wide * 256, [passage] * PASSAGES_MAX, [wide * 256] * NOTES_MAX
    )
    assert decode_answer(encode_answer(largest)) == largest
