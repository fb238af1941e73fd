"""Incidents: everything that was done to the mesh, and how long each stage of recovery took."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import incidents
from whisper_tui.model.views.base import Frame
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable


class IncidentsView(View):
    """One table, and the percentiles of its columns below it."""

    TITLE = "Incidents"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._table = LineTable(kit.painter, kit.glyphs, id="incidents-list", newest_first=kit.monotonic)
        self._percentiles = LinesPane(kit.painter, id="percentiles")

    def compose(self) -> ComposeResult:
        """The table, the percentiles."""
        yield from (self._table, self._percentiles)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """The table."""
        return (self._table,)

    def draw(self, frame: Frame) -> None:
        """Every incident; the percentiles take the lines they need."""
        width = self.size.width
        lines = incidents.percentile_lines(frame, width)
        self.give(self._percentiles, len(lines))
        self._table.sync(incidents.incidents_table(frame, width))
        self._percentiles.sync(lines)
