"""What the terminal shows and what it should show: only the difference is worth sending.

Textual repaints whole pieces of lines for one cell that changed, and names every colour anew for each of them.
Here its output is drawn into a grid instead. Whenever the terminal can take something, it is sent the cells that
differ from what it shows by then: frames that nobody has seen cost nothing, the latest one wins.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from rich.cells import get_character_cell_size

_TOKEN = re.compile(
    r"\x1b\[(?P<at>[0-9;]*)H"
    r"|\x1b\[(?P<ahead>[0-9]*)C"
    r"|\x1b\[(?P<pen>[0-9;]*)m"
    r"|(?P<text>[^\x1b\r\n]+)"
    r"|(?P<line>\r?\n)"
    r"|(?P<other>\x1b\[[0-9;:?<>=!$ ]*[@-~]|\x1b[P\]^_].*?(?:\x1b\\|\x07)|\x1b.|\x1b|\r)",
    re.DOTALL,
)

SYNC_START: Final = "\x1b[?2026h"
SYNC_END: Final = "\x1b[?2026l"
_RESET: Final = "\x1b[0m"

_SEEN_ON_BLANKS: Final = frozenset({4, 7, 9, 21, 53})
"""Attributes that a blank shows: underlined, reversed, struck out, underlined twice, overlined."""

_REMOVES: Final = {22: {1, 2}, 23: {3}, 24: {4, 21}, 25: {5}, 27: {7}, 28: {8}, 29: {9}, 55: {53}}


class Pen(NamedTuple):
    """How characters are drawn: attributes, and both colours as the parameters that choose them."""

    attributes: frozenset[int] = frozenset()
    colour: str = ""
    ground: str = ""


PLAIN: Final = Pen()

Cell: TypeAlias = tuple[str, Pen]
"""A character and its pen. The second half of a wide character is empty."""

_NOWHERE: Final = (-1, -1)
_UNDRAWN: Final[Cell] = ("", PLAIN)


class Picture:
    """A terminal of `width` by `height` cells. `feed` takes what is written to it, `changes` says how to show it."""

    def __init__(self, width: int, height: int) -> None:
        self._pen = PLAIN
        self._synchronised = False
        self._due: list[str] = []
        self.hurries = False
        """Whether what is fed now answers a key: it is sent before everything else."""
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """The terminal has another size now, and shows nobody knows what until all of it is drawn again."""
        self.width, self.height = width, height
        self._x = self._y = 0
        self._wanted: list[list[Cell]] = [[_UNDRAWN] * width for _ in range(height)]
        self._shown: list[list[Cell | None]] = [[_UNDRAWN] * width for _ in range(height)]
        self._touched: set[int] = set()
        self._hurried: set[int] = set()
        self._next = 0

    def forget(self) -> None:
        """Something else has drawn on the terminal: show everything again."""
        self._shown = [[None] * self.width for _ in range(self.height)]
        self._touched = set(range(self.height))

    @property
    def is_due(self) -> bool:
        """Whether there may be something to send."""
        return bool(self._due or self._touched)

    @property
    def answers_a_key(self) -> bool:
        """Whether some of it answers a key."""
        return bool(self._hurried)

    def cells(self) -> list[list[Cell]]:
        """What should be shown."""
        return self._wanted

    def feed(self, data: str) -> None:
        """Draw. Sequences that draw nothing are passed on in their order."""
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind == "text":
                self._draw(token[0])
            elif kind == "pen":
                self._pen = _pen_after(self._pen, token["pen"])
            elif kind == "at":
                row, _, column = token["at"].partition(";")
                self._y, self._x = int(row or 1) - 1, int(column or 1) - 1
            elif kind == "ahead":
                self._x += int(token["ahead"] or 1)
            elif kind == "line":
                self._y, self._x = self._y + 1, 0
            elif token[0] in (SYNC_START, SYNC_END):
                self._synchronised = True  # frames are put together anew: so are their edges
            else:
                self._due += [self._difference(), token[0]]

    def _draw(self, text: str) -> None:
        if not 0 <= self._y < self.height:
            return
        cells = _cells_of(text, self._pen)
        start, self._x = self._x, self._x + len(cells)
        if start < self.width:
            self._wanted[self._y][start : self._x] = cells[: self.width - start]
            self._touched.add(self._y)
            if self.hurries:
                self._hurried.add(self._y)

    def changes(self, limit: int | None = None) -> str:
        """What makes the terminal show what it should, or the most pressing part of it: the lines that answer a key, and of
        the others, which take turns, so much that it is little more than `limit` bytes. From then on it is taken to show
        it."""
        self.hurries = self.hurries and not self._hurried
        due = "".join([*self._due, self._difference(limit)])
        self._due.clear()
        return due

    def _difference(self, limit: int | None = None) -> str:
        parts: list[str] = []
        pen, at, size = PLAIN, _NOWHERE, 0
        for y in self._in_turn():
            wanted, shown = self._wanted[y], self._shown[y]
            if wanted == shown:
                self._arrive(y)
                continue
            for x, cell in enumerate(wanted):
                if cell == shown[x]:
                    continue
                char, style = cell
                if char:
                    if limit is not None and size >= limit and y not in self._hurried:
                        self._next = y
                        break
                    after = _kept(pen, style) if char == " " else style
                    drawn = f"{_move(at, (y, x))}{_switch(pen, after)}{char}"
                    parts.append(drawn)
                    size += len(drawn) if drawn.isascii() else len(drawn) + 2
                    pen, at = after, (y, x + get_character_cell_size(char[0]))
                shown[x] = cell
            else:
                self._arrive(y)
                continue
            break
        if not parts:
            return ""
        parts += (_switch(pen, PLAIN), _move(at, (self._y, self._x)))
        drawn = "".join(parts)
        return f"{SYNC_START}{drawn}{SYNC_END}" if self._synchronised else drawn

    def _in_turn(self) -> list[int]:
        rest = sorted(self._touched - self._hurried)
        later = [y for y in rest if y >= self._next]
        return [*sorted(self._hurried), *later, *rest[: len(rest) - len(later)]]

    def _arrive(self, y: int) -> None:
        self._touched.discard(y)
        self._hurried.discard(y)


@lru_cache(4096)
def _cells_of(text: str, pen: Pen) -> list[Cell]:
    """One entry for each cell of `text`. The same words are drawn over and over. Not to be changed."""
    blank = (" ", Pen(pen.attributes & _SEEN_ON_BLANKS, pen.colour if _reverses(pen) else "", pen.ground))
    if text.isascii():
        return [(char, pen) if char != " " else blank for char in text]
    cells: list[Cell] = []
    for char in text:
        size = get_character_cell_size(char)
        if size:
            cells += [(char, pen) if char != " " else blank, *[("", pen)] * (size - 1)]
        elif cells:
            at = next((at for at in range(len(cells) - 1, 0, -1) if cells[at][0]), 0)
            cells[at] = (cells[at][0] + char, pen)
    return cells


def _reverses(pen: Pen) -> bool:
    return 7 in pen.attributes


@lru_cache(4096)
def _pen_after(pen: Pen, parameters: str) -> Pen:
    """The pen after `ESC [ parameters m`."""
    attributes, colour, ground = set(pen.attributes), pen.colour, pen.ground
    codes = [int(code or 0) for code in parameters.split(";")]
    while codes:
        code = codes.pop(0)
        if code == 0:
            attributes, colour, ground = set(), "", ""
        elif code in (38, 48) and codes:
            size = 4 if codes[0] == 2 else 2
            chosen = ";".join(str(part) for part in (code, *codes[:size]))
            del codes[:size]
            colour, ground = (chosen, ground) if code == 38 else (colour, chosen)
        elif 30 <= code <= 39 or 90 <= code <= 97:
            colour = "" if code == 39 else str(code)
        elif 40 <= code <= 49 or 100 <= code <= 107:
            ground = "" if code == 49 else str(code)
        else:
            attributes = attributes - _REMOVES[code] if code in _REMOVES else attributes | {code}
    return Pen(frozenset(attributes), colour, ground)


@lru_cache(4096)
def _kept(before: Pen, blank: Pen) -> Pen:
    """The pen to draw a blank with: what does not show on it stays as it was."""
    if before.attributes & _SEEN_ON_BLANKS or blank.attributes:
        return blank
    return before._replace(ground=blank.ground)


@lru_cache(4096)
def _switch(before: Pen, after: Pen) -> str:
    """The shortest way from one pen to another."""
    if before == after:
        return ""
    if after == PLAIN:
        return _RESET
    codes: list[str] = []
    if before.attributes - after.attributes:
        codes.append("0")
        before = PLAIN
    codes += [str(code) for code in sorted(after.attributes - before.attributes)]
    if before.colour != after.colour:
        codes.append(after.colour or "39")
    if before.ground != after.ground:
        codes.append(after.ground or "49")
    return f"\x1b[{';'.join(codes)}m"


def _move(at: tuple[int, int], to: tuple[int, int]) -> str:
    """The shortest way from one place (row, column) to another."""
    if at == to:
        return ""
    ahead = to[1] - at[1]
    if at[0] == to[0] and ahead > 0:
        return "\x1b[C" if ahead == 1 else f"\x1b[{ahead}C"
    return f"\x1b[{to[0] + 1};{to[1] + 1}H"
