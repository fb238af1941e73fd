"""What a job gives back, and its encoding.

A result that comes from another provider is untrusted: decoding checks its size before anything is built from
it, and every field against its limit. Its text is data; whoever shows it shows it inert.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from mesh_core.wire.malformed import MALFORMED
from mesh_core.work.errors import ResultError

RESULT_BYTES_MAX: Final = 512 << 10
TEXT_CHARS_MAX: Final = 16_384
PASSAGES_MAX: Final = 32
PASSAGE_TEXT_CHARS_MAX: Final = 2_048
SOURCE_CHARS_MAX: Final = 1_024
NOTES_MAX: Final = 32
NOTE_CHARS_MAX: Final = 256
NAME_CHARS_MAX: Final = 256


class CitedPassage(Struct, array_like=True, frozen=True):
    """A verbatim span of the text of a shard, and the document it stands in."""

    shard: Annotated[int, Meta(ge=0, le=1 << 31)]
    source: Annotated[str, Meta(max_length=SOURCE_CHARS_MAX)]
    text: Annotated[str, Meta(max_length=PASSAGE_TEXT_CHARS_MAX)]


class Answer(Struct, array_like=True, frozen=True):
    """The result of an `answer` or `combine` job.

    `backend` names what wrote the text; `notes` say what was dropped or fell back, and why.
    """

    version: Literal[1]
    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
    backend: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    passages: Annotated[tuple[CitedPassage, ...], Meta(max_length=PASSAGES_MAX)]
    notes: Annotated[tuple[Annotated[str, Meta(max_length=NOTE_CHARS_MAX)], ...], Meta(max_length=NOTES_MAX)]


_DECODER = msgspec.msgpack.Decoder(Answer)


def make_answer(text: str, backend: str, passages: list[CitedPassage], notes: list[str]) -> Answer:
    """An answer within the limits: what is too long is cut, what is too many is left out."""
    return Answer(
        1,
        text[:TEXT_CHARS_MAX],
        backend[:NAME_CHARS_MAX],
        tuple(passages[:PASSAGES_MAX]),
        tuple(note[:NOTE_CHARS_MAX] for note in notes[:NOTES_MAX]),
    )


def encode_answer(answer: Answer) -> bytes:
    """Bytes of an answer."""
    return msgspec.msgpack.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """The answer in `data`. Raises ResultError for anything else, and for an answer beyond the limits."""
    if len(data) > RESULT_BYTES_MAX:
        raise ResultError(f"a result of {len(data)} bytes; at most {RESULT_BYTES_MAX} are read")
    try:
        return _DECODER.decode(data)
    except MALFORMED as error:
        raise ResultError(f"not a result this version reads: {error}") from error
