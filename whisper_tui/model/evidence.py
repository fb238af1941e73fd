"""Signed records that participants were asked for: what was asked, and what came of it.

Events tell what happened; what proves it is asked for when somebody wants to see it, and is no part of the state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from mesh_core.api.schema import CheckedRecord, RecordView

KEPT = 200
"""Answers that are kept; the oldest are asked for again."""


class Ask(NamedTuple):
    """Something to ask a participant for: one signed record by its hash, or the records about a job or by an author."""

    what: Literal["record", "job", "author"]
    key: str


class Answer(Struct, frozen=True):
    """What came of it: an answer `by` a participant, or a `refusal` in one line; neither while nobody has answered."""

    by: str = ""
    refusal: str = ""
    record: CheckedRecord | None = None
    records: tuple[RecordView, ...] = ()


Evidence: TypeAlias = Mapping[Ask, Answer]

NO_EVIDENCE: Evidence = MappingProxyType({})
WAITING = Answer()


def with_answer(evidence: Evidence, ask: Ask, answer: Answer) -> Evidence:
    """`evidence` with one more answer, the newest last."""
    kept = {known: told for known, told in evidence.items() if known != ask}
    for oldest in list(kept)[: max(0, len(kept) + 1 - KEPT)]:
        del kept[oldest]
    kept[ask] = answer
    return kept


def without(evidence: Evidence, asks: Collection[Ask]) -> Evidence:
    """What is left when these are asked for again."""
    return {ask: answer for ask, answer in evidence.items() if ask not in asks}
