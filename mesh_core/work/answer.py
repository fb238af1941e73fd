"""Workload `answer`: one shard's answer to a question, with the passages it was drawn from.

A passage is cited when it was given to the writer and the answer visibly draws on it: they share telling words
which the question does not contain, or a sentence of the answer says what one of the passage says, as to a question
that asks whether it is so. Markers a model sets itself are not relied on: small ones invent them.
Passages come word for word from the index, so what is cited is a verbatim span of the shard.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.wire.messages import Work
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.search import NAME as SEARCH
from mesh_core.work.corpus.index import Passage
from mesh_core.work.errors import WorkError
from mesh_core.work.options import (
    ANSWER_SENTENCES,
    ANSWER_TOKENS_MAX,
    EXCERPT_CHARS_TOTAL,
    EXCERPTS_MAX,
    RESTATED_WORDS_MIN,
    SHARED_WORDS_MIN,
    SHARED_WORDS_RATIO_MIN,
)
from mesh_core.work.result import CitedPassage, encode_answer, make_answer
from mesh_core.work.sentences import finished, sentences
from mesh_core.work.terms import only_telling_words, telling_words, words
from mesh_core.work.tools import Tools

NOTHING_FOUND = "No passage of this shard matches the question."
UNSUPPORTED = "no passage given supports this answer, so none is cited"


async def answer(work: Work, tools: Tools) -> bytes:
    """An encoded Answer. Raises WorkError when the job names no shard, or one this provider cannot read."""
    if work.shard is None:
        raise WorkError("an answer job must name a shard")
    given = within_budget(await tools.best_passages(work.corpus, work.shard, work.text, EXCERPTS_MAX))
    if not given:
        await tools.on_piece(NOTHING_FOUND)
        return encode_answer(make_answer(NOTHING_FOUND, SEARCH, [], []))
    prompt = Prompt(work.text, tuple(passage.text for passage in given), ANSWER_SENTENCES)
    generated = await tools.generate(prompt, ANSWER_TOKENS_MAX)
    text = finished(generated.text)
    drawn_on = [passage for passage in given if draws_on(text, passage.text, work.text)]
    cited = [CitedPassage(passage.shard, passage.source, passage.text) for passage in drawn_on]
    notes = [*generated.notes] if cited else [*generated.notes, UNSUPPORTED]
    return encode_answer(make_answer(text, generated.backend, cited, notes))


def within_budget(passages: Sequence[Passage]) -> list[Passage]:
    """The first passages that fit into a prompt together; the first one in any case, shortened if it must be."""
    given: list[Passage] = []
    left = EXCERPT_CHARS_TOTAL
    for passage in passages:
        if len(passage.text) > left and given:
            break
        text = passage.text if len(passage.text) <= left else passage.text[:left].rstrip()
        given.append(passage._replace(text=text))
        left -= len(text)
    return given


def draws_on(text: str, passage: str, question: str) -> bool:
    """Whether `text` shares enough telling words with `passage` beyond those of the question, or says what it says."""
    own = set(telling_words(text)) - set(telling_words(question))
    shared = own.intersection(telling_words(passage))
    enough = len(shared) >= SHARED_WORDS_MIN and len(shared) >= SHARED_WORDS_RATIO_MIN * len(own)
    return enough or restates(text, passage)


def restates(text: str, passage: str) -> bool:
    """Whether all telling words of a sentence of `text` stand in one sentence of `passage`."""
    theirs = [set(words(sentence)) for sentence in sentences(passage)]
    said = [set(only_telling_words(sentence)) for sentence in sentences(text)]
    return any(len(one) >= RESTATED_WORDS_MIN and one <= other for one in said for other in theirs)
