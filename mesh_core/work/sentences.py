"""Sentences of a text, as far as punctuation tells."""

from __future__ import annotations

import re

from mesh_core.work.terms import words

_PARAGRAPH = re.compile(r"\n\s*\n")
_GAP = re.compile(r"(?<=[.!?])\s+")
_LAST_END = re.compile(r".*[.!?](?=\s)", re.DOTALL)
_WORDS_MIN = 4
_ENDS = (".", "!", "?")


def sentences(text: str) -> list[str]:
    """Sentences with their layout closed up; headings, rules and list marks are none.

    The whole text when there is no other.
    """
    paragraphs = [" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(text)]
    found = [sentence for paragraph in paragraphs for sentence in _GAP.split(paragraph)]
    whole = [
        sentence for sentence in found if len(words(sentence)) >= _WORDS_MIN and sentence[0] not in "#=-.*~"
    ]
    return whole or [" ".join(text.split())]


def finished(text: str) -> str:
    """`text` without the sentence it breaks off in, unless that is its first."""
    if text.endswith(_ENDS):
        return text
    whole = _LAST_END.match(text)
    return whole.group() if whole else text
