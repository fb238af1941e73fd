"""What every view model is made of: spans of text with a role, put into lines and tables.

A role says what a text means (`dead`, `dim`, `title`); a theme decides what that looks like. Widths are
terminal cells. All text in a span is inert already: it comes from here, or went through `inert`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias
from unicodedata import combining, east_asian_width

from whisper_tui.keymap import DEFAULT_KEYMAP, Keymap
from whisper_tui.model.evidence import NO_EVIDENCE, Evidence
from whisper_tui.model.glyphs import UNICODE, Glyphs
from whisper_tui.model.state import State

Role: TypeAlias = Literal[
    "text",
    "dim",
    "strong",
    "title",
    "rule",
    "accent",
    "alive",
    "suspect",
    "dead",
    "me",
    "rescued",
    "settled",
    "auction",
    "lease",
    "running",
    "gap",
    "warn",
    "selected",
]


Acting: TypeAlias = Literal["allowed", "locked", "never"]
"""Whether the operator may act on what is shown: yes, after a key that lifts read-only, or whatever is pressed not."""


class Target(NamedTuple):
    """A page that can be opened: its kind (`node`, `job`, `record`, …), and the id of what it is about."""

    page: str
    key: str


class Span(NamedTuple):
    """A piece of text and what it means. On a page one with a target can be gone to, and opened."""

    text: str
    role: Role = "text"
    target: Target | None = None


Line: TypeAlias = tuple[Span, ...]
Lines: TypeAlias = tuple[Line, ...]


class Frame(NamedTuple):
    """One picture: a state, the moment it is drawn (wall-clock ms), and the signs to draw it with.

    `typed` turns `whisper-tui COMMAND` into what works in the operator's shell; `evidence` is what participants answered
    when they were asked for signed records; `acting` says whether keys that act on the mesh are worth naming.
    """

    state: State
    now_ms: float
    glyphs: Glyphs = UNICODE
    typed: Callable[[str], str] = str
    keymap: Keymap = DEFAULT_KEYMAP
    evidence: Evidence = NO_EVIDENCE
    acting: Acting = "allowed"

    def inviting(self, told: str, key: str, does: str) -> str:
        """What is `told` where there is nothing to show, and the key (by its id) that changes that."""
        if self.acting == "never":
            return told
        named = self.keymap.shown(key)
        if self.acting == "locked":
            return f"{told}: {self.keymap.shown('read_only')}, then {named} to {does}"
        return f"{told}: press {named} to {does}"


class Column(NamedTuple):
    """A column of fixed width. One column of a table may be `flex` and takes what is left."""

    title: str
    width: int
    align: Literal["left", "right"] = "left"
    flex: bool = False


class Table(NamedTuple):
    """A table: the ids its rows stand for, and how to make a row's cells, which is done for visible rows only.

    A row of fewer cells than there are columns gives its last cell all that is left. `empty` is shown while there
    is no row. `page` is the kind of page that a row opens (`node`, `job`, …); empty where it opens none.
    `heads` tells rows that are headings of those below them.
    """

    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    row: Callable[[str], tuple[Line, ...]]
    empty: str = ""
    page: Callable[[str], str] = lambda _: ""
    heads: Callable[[str], bool] = lambda _: False


@lru_cache(8192)
def cells(text: str) -> int:
    """Width of `text` in terminal cells."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def fit(text: str, width: int, align: Literal["left", "right"] = "left", *, ellipsis: str = "…") -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    size = cells(text)
    if size > width:
        text = cut(text, width - 1) + ellipsis if width > 0 else ""
        size = cells(text)
    padding = " " * max(0, width - size)
    return padding + text if align == "right" else text + padding


def cut(text: str, width: int) -> str:
    """As much of the beginning of `text` as `width` cells hold."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for index, char in enumerate(text):
        used += cells(char)
        if used > width:
            return text[:index]
    return text


def tail(text: str, width: int, *, ellipsis: str = "…") -> str:
    """As much of the end of `text` as `width` cells hold, after an ellipsis if it is not all of it."""
    if cells(text) <= width:
        return text
    left, start = width - 1, len(text)
    while start and cells(text[start - 1]) <= left:
        start -= 1
        left -= cells(text[start])
    return ellipsis + text[start:]


def line_cells(line: Line) -> int:
    """Width of a line."""
    return sum(cells(span.text) for span in line)


def fit_line(
    line: Line, width: int, align: Literal["left", "right"] = "left", *, ellipsis: str = "…"
) -> Line:
    """`line` in exactly `width` cells."""
    size = line_cells(line)
    if size <= width:
        padding = (Span(" " * (width - size)),) if size < width else ()
        return padding + line if align == "right" else line + padding
    kept: list[Span] = []
    left = width
    for span in line:
        size = cells(span.text)
        if size >= left:
            kept.append(Span(fit(span.text + " " * (size == left), left, ellipsis=ellipsis), span.role))
            break
        kept.append(span)
        left -= size
    return tuple(kept)


def between(left: Line, right: Line, width: int) -> Line:
    """`left` and `right` at the two ends of a line; `left` is cut when there is no room for both."""
    room = width - line_cells(right)
    if room <= 0:
        return fit_line(left, width)
    return fit_line(left, room) + right


def wrap(text: str, width: int) -> list[str]:
    """`text` broken between words into lines of at most `width` cells; longer words are broken inside. A pane
    that has no size yet has room for one."""
    width = max(1, width)
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        rest = word
        while True:
            joined = f"{current} {rest}" if current else rest
            if cells(joined) <= width:
                current = joined
                break
            if current:
                lines.append(current)
                current = ""
                continue
            head = cut(rest, width) or rest[:1]
            lines.append(head)
            rest = rest[len(head) :]
    return [*lines, current] if current or not lines else lines


def rule(title: str, width: int, glyphs: Glyphs, note: Sequence[Span] = (), *, role: Role = "title") -> Line:
    """A heading: a line across with a title in it, and something short at its end."""
    start = (Span(f"{glyphs.rule} ", "rule"), Span(title, role), Span(" ", "rule")) if title else ()
    end = (Span(" ", "rule"), *note, Span(f" {glyphs.rule}", "rule")) if note else ()
    filling = max(0, width - line_cells(start) - line_cells(end))
    return fit_line((*start, Span(glyphs.rule * filling, "rule"), *end), width)


# --------------------------------------------------------------------------------------------- numbers


def axl(micro: int) -> str:
    """A price in AXL, always with four decimals, as in the shell."""
    return f"{micro / 1_000_000:.4f}"


def seconds(ms: float | None, *, signed: bool = False, nothing: str = "–") -> str:
    """A duration: `0.9s`, `12s`, `3m`, `2h`; with two decimals and a sign when it is compared."""
    if ms is None:
        return nothing
    value = ms / 1000
    if signed:
        return f"{value:+.2f}s"
    if value < 9.95:
        return f"{max(0.0, value):.1f}s"
    if value < 100:
        return f"{value:.0f}s"
    if value < 6_000:
        return f"{value / 60:.0f}m"
    return f"{value / 3600:.0f}h"
