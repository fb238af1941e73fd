"""A pane of lines."""

from __future__ import annotations

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from whisper_tui.model.views.base import Line, Lines, fit_line
from whisper_tui.widgets.painting import Painter, changed_cells


class LinesPane(Widget):
    """Draws the lines it was last given, from its top; redraws only cells that differ from before."""

    def __init__(self, painter: Painter, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._painter = painter
        self._given: Lines = ()
        self._lines: Lines = ()

    def on_resize(self) -> None:
        """There is room for other lines than before."""
        self.sync(self._given)

    def sync(self, lines: Lines) -> None:
        """Show these lines from now on."""
        self._given = lines
        width, height = self.size
        fitted = tuple(fit_line(line, width) for line in lines[:height])
        dirty: list[Region] = []
        for y in range(max(len(self._lines), len(fitted))):
            before = self._lines[y] if y < len(self._lines) else ()
            after = fitted[y] if y < len(fitted) else ()
            changed = changed_cells(before, after)
            if changed is not None:
                dirty.append(Region(changed[0], y, max(1, min(width, changed[1]) - changed[0]), 1))
        self._lines = fitted
        if dirty:
            self.refresh(*dirty)

    @property
    def lines(self) -> Lines:
        """What is shown."""
        return self._lines

    def render_line(self, y: int) -> Strip:
        """One line as a strip (Textual's Line API)."""
        line: Line = self._lines[y] if y < len(self._lines) else ()
        return self._painter.strip(line, self.size.width, self.rich_style)
