"""Ledger: what each replica lacks of every author, and the newest records."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import records, replicas
from whisper_tui.model.views.base import Frame, Span, rule
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable


class LedgerView(View):
    """Replicas above, records below. Two marked replicas open as their difference."""

    TITLE = "Ledger"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._records = LineTable(kit.painter, kit.glyphs, id="ledger-records", newest_first=kit.monotonic)
        self._replicas = LineTable(kit.painter, kit.glyphs, id="ledger-replicas", markable=True)
        self._records_title = LinesPane(kit.painter, classes="title")
        self._replicas_title = LinesPane(kit.painter, classes="title")

    def compose(self) -> ComposeResult:
        """All panes; where there is little room, only the one that keys go to."""
        yield from (self._replicas_title, self._replicas, self._records_title, self._records)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """Records first: they are what one comes for."""
        return (self._records, self._replicas)

    def draw(self, frame: Frame) -> None:
        """Both tables under their headings."""
        table = replicas.replicas_table(frame, self._replicas.size.width)
        rows = min(len(table.keys) or 1, max(4, self.size.height // 2 - 2))
        self.give(self._replicas, "1fr" if self.shape == "small" else rows + 1)
        self._heading(
            self._replicas_title, "Records that replicas lack, by author", self._hint(frame), self._replicas
        )
        self._replicas.sync(table)
        self._heading(self._records_title, "Newest records", "", self._records)
        self._records.sync(records.records_table(frame))

    def _hint(self, frame: Frame) -> str:
        hidden = replicas.hidden_authors(frame, self._replicas.size.width)
        if hidden:
            return f"{hidden} more authors"
        mark, enter = frame.keymap.shown("mark"), frame.keymap.shown("open")
        return f"{mark} on two, then {enter}: compare them" if self._replicas.has_focus else ""

    def _heading(self, pane: LinesPane, title: str, note: str, table: LineTable) -> None:
        spans = (Span(note, "dim"),) if note else ()
        pane.sync((rule(title, pane.size.width, self._kit.glyphs, spans, role=self.title_role(table)),))

    def on_line_table_opened(self, message: LineTable.Opened) -> None:
        """With two replicas marked, enter compares them."""
        marked = [key for key in self._replicas.table.keys if key in self._replicas.marks]
        if message.page == "node" and len(marked) == 2:
            message.stop()
            self.post_message(LineTable.Opened("difference", replicas.difference_key(*marked)))
