"""From spans to what the terminal gets, and what of it changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from whisper_tui import themes
from whisper_tui.model.views.base import Line, Role, cells, fit_line


class Painter:
    """Turns lines into strips with one set of styles."""

    def __init__(self, styles: Mapping[Role, Style] = themes.COLOUR) -> None:
        self._styles = styles
        self.style = lru_cache(256)(self._style)

    def _style(self, base: Style, role: Role, selected: bool) -> Style:
        style = base + self._styles[role]
        return style + self._styles["selected"] if selected else style

    def strip(self, line: Line, width: int, base: Style, *, selected: bool = False) -> Strip:
        """`line` in exactly `width` cells."""
        segments = [
            Segment(span.text, self.style(base, span.role, selected)) for span in fit_line(line, width)
        ]
        return Strip(segments, width)


def changed_cells(before: Line, after: Line) -> tuple[int, int] | None:
    """First and one past the last cell in which two lines of equal width differ; None when they do not."""
    if before == after:
        return None
    old, new = _by_cell(before), _by_cell(after)
    if len(old) != len(new):
        return 0, max(len(old), len(new))
    first = next((at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b), None)
    if first is None:
        return None
    last = next(at for at in range(len(old) - 1, -1, -1) if old[at] != new[at])
    return first, last + 1


def _by_cell(line: Line) -> list[tuple[str, Role]]:
    """What is in each cell; a character of two cells stands in the first and leaves the second empty."""
    found: list[tuple[str, Role]] = []
    for text, role in line:
        if text.isascii():
            found.extend((char, role) for char in text)
            continue
        for char in text:
            size = cells(char)
            if size == 0 and found:
                found[-1] = (found[-1][0] + char, found[-1][1])
                continue
            found.extend([(char, role), *[("", role)] * (size - 1)])
    return found
