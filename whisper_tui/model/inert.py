"""Text from the mesh, made harmless: what another member wrote may be read, but cannot act.

Terminals act on control characters and escape sequences, and are confused by characters that change the
direction of text, show nothing or pile up on their neighbours. None of them gets through; markup is inert
because nothing here is ever parsed as markup.
"""

from __future__ import annotations

import unicodedata

REPLACEMENT = "·"
COMBINING_MAX = 2
"""Marks kept on one character; more of them would climb into the lines above."""

_SPACE = frozenset("\t\n\v\f\r\x85\u2028\u2029\xa0")

_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
_UNSEEN = (
    frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
    | frozenset(map(chr, range(0xE0100, 0xE01F0)))
    | _SELECTORS
)
"""Characters that show nothing although their category does not say so: Unicode's Default_Ignorable_Code_Point, and the
empty Braille pattern."""


def inert(text: object, chars_max: int = 1_000) -> str:
    """`text` on one line, at most `chars_max` characters of it, with everything that could act replaced."""
    raw = text if isinstance(text, str) else str(text)
    cut = raw[:chars_max]
    if cut.isascii() and cut.isprintable():
        return cut
    kept: list[str] = []
    marks, before = 0, ""
    for char in cut:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        chooses_a_look = char in _SELECTORS and before == "So"  # how the pictogram before it is drawn
        unseen = char in _UNSEEN and not chooses_a_look
        before = "" if unseen else category
        if char in _SPACE:
            kept.append(" ")
        elif category[0] == "C" or unseen or marks > COMBINING_MAX:
            if not kept or kept[-1] != REPLACEMENT:
                kept.append(REPLACEMENT)
        else:
            kept.append(char)
    return "".join(kept)


def inert_message(text: str) -> str:
    """`text`, inert but for its line breaks."""
    return "\n".join(inert_lines(text))


def inert_lines(text: str, chars_max: int = 16_384) -> list[str]:
    """`text` as inert lines, broken only where it broke them itself."""
    return [inert(line) for line in text[:chars_max].split("\n")]


def inert_json(document: str) -> str:
    """The same JSON, with what a terminal could act on spelled out: a program reads what it would have read."""
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(
        char if char == "\n" or unicodedata.category(char)[0] != "C" else _spelled_out(char)
        for char in document
    )


def _spelled_out(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
