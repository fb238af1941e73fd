"""Workload `combine`: one answer out of the partial answers of all shards.

Partial answers come from other providers and are not trusted: each is decoded within limits, and each passage
is looked up in the corpus. What cannot be read or found is dropped, and the combined answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mesh_core.wire.messages import Work
from mesh_core.work.answer import UNSUPPORTED
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.search import NAME as SEARCH
from mesh_core.work.errors import ResultError, WorkError
from mesh_core.work.options import (
    COMBINED_PASSAGES_MAX,
    COMBINED_SENTENCES,
    COMBINED_TOKENS_MAX,
    PARTS_CHARS_TOTAL,
    PARTS_MAX,
)
from mesh_core.work.result import Answer, CitedPassage, decode_answer, encode_answer, make_answer
from mesh_core.work.sentences import finished
from mesh_core.work.tools import Tools

NOTHING_FOUND = "No shard holds a passage that answers the question."


@dataclass(frozen=True, slots=True)
class _Part:
    """A partial answer as it came, and those of its passages that were found in the corpus."""

    label: str
    answer: Answer
    verified: list[CitedPassage]


async def combine(work: Work, tools: Tools) -> bytes:
    """An encoded Answer. Raises WorkError when no partial answer can be read."""
    notes: list[str] = []
    parts = await _readable(work, tools, notes)
    if not parts:
        raise WorkError(f"none of the {len(work.inputs)} partial answers can be read")
    supported = [part for part in parts if part.verified]
    if not supported:
        await tools.on_piece(NOTHING_FOUND)
        return encode_answer(make_answer(NOTHING_FOUND, SEARCH, [], [*notes, *_told(parts)]))
    if len(supported) > PARTS_MAX:
        notes.append(f"the text is drawn from the first {PARTS_MAX} of {len(supported)} parts with passages")
    prompt = Prompt(work.text, _texts(supported[:PARTS_MAX]), COMBINED_SENTENCES)
    generated = await tools.generate(prompt, COMBINED_TOKENS_MAX)
    cited = _once(passage for part in supported for passage in part.verified)
    if len(cited) > COMBINED_PASSAGES_MAX:
        notes.append(f"{COMBINED_PASSAGES_MAX} of {len(cited)} cited passages are kept")
    notes = [*generated.notes, *notes, *_other_writers(supported, generated.backend), *_told(parts)]
    return encode_answer(
        make_answer(finished(generated.text), generated.backend, cited[:COMBINED_PASSAGES_MAX], notes)
    )


async def _readable(work: Work, tools: Tools, notes: list[str]) -> list[_Part]:
    parts = []
    for label, encoded in work.inputs:
        try:
            answer = decode_answer(encoded)
        except ResultError as error:
            notes.append(f"{label} dropped: {error}")
            continue
        verified = await tools.verified(work.corpus, answer.passages)
        if dropped := len(answer.passages) - len(verified):
            notes.append(f"{label}: {dropped} cited passages are not in the corpus, dropped")
        parts.append(_Part(label, answer, verified))
    if unsupported := [part.label for part in parts if not part.verified]:
        notes.append(f"{', '.join(unsupported)} left out: nothing in the corpus is cited")
    return parts


def _once(passages: Iterable[CitedPassage]) -> list[CitedPassage]:
    """Each text once, where it stands first: a document may be in two shards."""
    first: dict[str, CitedPassage] = {}
    for passage in passages:
        first.setdefault(passage.text, passage)
    return list(first.values())


def _texts(parts: Sequence[_Part]) -> tuple[str, ...]:
    """The partial answers, each cut to an equal share of the prompt."""
    share = PARTS_CHARS_TOTAL // len(parts)
    return tuple(part.answer.text[:share] for part in parts)


def _other_writers(parts: Sequence[_Part], own: str) -> list[str]:
    """Which parts were not written by the backend that combined them."""
    return _grouped(
        (f"written by {part.answer.backend}", part.label) for part in parts if part.answer.backend != own
    )


def _told(parts: Sequence[_Part]) -> list[str]:
    """The notes of the parts, each once, with the parts that have it. Of those that are left out that is said already."""
    return _grouped(
        (note, part.label)
        for part in parts
        for note in part.answer.notes
        if part.verified or note != UNSUPPORTED
    )


def _grouped(said: Iterable[tuple[str, str]]) -> list[str]:
    labels: dict[str, list[str]] = {}
    for text, label in said:
        labels.setdefault(text, []).append(label)
    return [f"{', '.join(of)}: {text}" for text, of in labels.items()]
