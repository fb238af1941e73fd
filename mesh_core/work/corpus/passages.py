"""Cutting a text into passages: verbatim spans, a paragraph or a few, that can be read on their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mesh_core.work.options import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX, PASSAGE_WORDS_MIN

_GAP = re.compile(r"\n[^\S\n]*\n\s*|\n(?=#{1,6}[^\S\n])")
"""Between paragraphs: blank lines, or the end of the line above a Markdown heading."""
_HEADING = re.compile(
    r"""\#{1,6}[^\S\n][^\n]*                                              # Markdown
      | (?:([^\w\s])\1{2,}[^\S\n]*\n)?[^\n]+\n([^\w\s])\2{2,}[^\S\n]*  # reStructuredText, underlined Markdown
      """,
    re.VERBOSE,
)
_WORD = re.compile(r"\S+")
_SENTENCE_END = frozenset(".!?:;")


def spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each passage, in order and not overlapping; every word of `text` is in one.

    Paragraphs are kept whole where they fit and gathered until a passage has enough words; a heading stays with
    the paragraph below it, so no passage but a text's last ends on one. A rest too short to stand alone joins
    the passage before it when both fit together.
    """
    found: list[tuple[int, int]] = []
    start = end = words = last_words = 0
    for piece_start, piece_end, piece_words in _pieces(text):
        too_long = words + piece_words > PASSAGE_WORDS_MAX or piece_end - start > PASSAGE_CHARS_MAX
        if words and (words >= PASSAGE_WORDS_MIN or too_long):
            found.append((start, end))
            last_words, words = words, 0
        if not words:
            start = piece_start
        end = piece_end
        words += piece_words
    if words:
        _add_rest(found, (start, end), last_words + words)
    return found


def _add_rest(found: list[tuple[int, int]], rest: tuple[int, int], words_together: int) -> None:
    if found and words_together <= PASSAGE_WORDS_MAX and rest[1] - found[-1][0] <= PASSAGE_CHARS_MAX:
        found[-1] = (found[-1][0], rest[1])
    else:
        found.append(rest)


def _pieces(text: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, words) of paragraphs with the headings above them, long ones divided."""
    first = at = 0
    for gap in _GAP.finditer(text):
        if not _HEADING.fullmatch(text, at, gap.start()):
            yield from _paragraph(text, first, gap.start())
            first = gap.end()
        at = gap.end()
    yield from _paragraph(text, first, len(text))


def _paragraph(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    paragraph = text[start:end]
    words = len(paragraph.split())
    if not words:
        return
    if words <= PASSAGE_WORDS_MAX and len(paragraph) <= PASSAGE_CHARS_MAX:
        start += len(paragraph) - len(paragraph.lstrip())
        yield start, start + len(paragraph.strip()), words
    else:
        yield from _divided(text, start, end)


def _divided(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Cut a paragraph that is too long after a sentence where there is one, else after a word."""
    piece: list[tuple[int, int]] = []
    for word in _short_words(text, start, end):
        while piece and (len(piece) == PASSAGE_WORDS_MAX or word[1] - piece[0][0] > PASSAGE_CHARS_MAX):
            cut = _sentence_cut(text, piece)
            yield piece[0][0], piece[cut - 1][1], cut
            piece = piece[cut:]
        piece.append(word)
    yield piece[0][0], piece[-1][1], len(piece)


def _sentence_cut(text: str, words: list[tuple[int, int]]) -> int:
    """How many of `words` end with the last sentence that leaves a passage long enough."""
    for count in range(len(words), PASSAGE_WORDS_MIN, -1):
        if text[words[count - 1][1] - 1] in _SENTENCE_END:
            return count
    return len(words)


def _short_words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Words, those longer than a whole passage in slices."""
    for word in _WORD.finditer(text, start, end):
        for at in range(word.start(), word.end(), PASSAGE_CHARS_MAX):
            yield at, min(at + PASSAGE_CHARS_MAX, word.end())
