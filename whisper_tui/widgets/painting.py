"""From spans to what the terminal gets, and what of it changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from whisper_tui import themes
from whisper_tui.model.views.base import Line, Role, cells, fit_line

_ASCII = str.maketrans(
    {"“": '"', "”": '"', "’": "'", "…": "~", "·": "|", "–": "-", "→": ">", "↓": "v", "↑": "^"}
)


_BLANK: tuple[str, Role] = (" ", "text")


class Painter:
    """Turns lines into strips with one set of styles; with `ascii_only` nothing else reaches the terminal."""

    def __init__(
        self, styles: Mapping[Role, Style] = themes.DEFAULT.styles, *, ascii_only: bool = False
    ) -> None:
        self._ascii_only = ascii_only
        self.wear(styles)

    def wear(self, styles: Mapping[Role, Style]) -> None:
        """Paint with these styles from now on."""
        self._styles = styles
        self.style = lru_cache(256)(self._style)

    def _style(self, base: Style, role: Role, selected: bool) -> Style:
        style = base + self._styles[role]
        return style + self._styles["selected"] if selected else style

    def strip(self, line: Line, width: int, base: Style, *, selected: bool = False) -> Strip:
        """`line` in exactly `width` cells."""
        segments: list[Segment] = []
        for text, role, _ in fit_line(line, width):
            shown = to_ascii(text) if self._ascii_only else text
            style = self.style(base, role, selected)
            if segments and (style == segments[-1].style or not shown.strip(" ")):
                # Blanks look the same in every role: each change of style costs forty bytes on the wire.
                segments[-1] = Segment(segments[-1].text + shown, segments[-1].style)
            else:
                segments.append(Segment(shown, style))
        return Strip(segments, width)


def to_ascii(text: str) -> str:
    """`text` in as many cells, without characters that need more than ASCII."""
    if text.isascii():
        return text
    told = text.translate(_ASCII)
    return "".join(char if char.isascii() else "?" * cells(char) for char in told)


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
    """What is in each cell; a character of two cells stands in the first and leaves the second empty.

    Blanks look the same in every role.
    """
    found: list[tuple[str, Role]] = []
    for text, role, _ in line:
        if text.isascii():
            found.extend((char, role) if char != " " else _BLANK for char in text)
            continue
        for char in text:
            size = cells(char)
            if size == 0 and found:
                found[-1] = (found[-1][0] + char, found[-1][1])
                continue
            found.extend([(char, role), *[("", role)] * (size - 1)])
    return found
