"""Jobs: all of them in figures, and the chosen one at a glance."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import job_figures, job_panel
from whisper_tui.model.views.base import Frame
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable


class JobsView(View):
    """A table, and below it, where there is room, the job under the cursor."""

    TITLE = "Jobs"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._table = LineTable(kit.painter, kit.glyphs, id="job-list", newest_first=kit.monotonic)
        self._panel = LinesPane(kit.painter, id="job-panel")

    def compose(self) -> ComposeResult:
        """The table above, the job below."""
        yield from (self._table, self._panel)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """The table."""
        return (self._table,)

    def draw(self, frame: Frame) -> None:
        """All jobs; of the chosen one as much as there is room for."""
        self._table.sync(job_figures.jobs_in_figures(frame, self._table.size.width))
        if self._panel.display:
            width, height = self._panel.size
            key = self._table.cursor
            lines = job_panel.panel_lines(frame, key, height - 1, width)
            self.titled(self._panel, job_panel.panel_title(frame, key), lines)

    def on_line_table_moved(self, message: LineTable.Moved) -> None:
        """The panel tells of the chosen job."""
        message.stop()
        self.again()
