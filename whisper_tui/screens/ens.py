"""ENS: the names that members claim."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import ens
from whisper_tui.model.views.base import Frame
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable


class EnsView(View):
    """One table, under a line that says what its names are worth."""

    TITLE = "ENS"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._title = LinesPane(kit.painter, classes="title")
        self._table = LineTable(kit.painter, kit.glyphs, id="ens-names", markable=True)

    def compose(self) -> ComposeResult:
        """The line, the table."""
        yield from (self._title, self._table)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """The table."""
        return (self._table,)

    def draw(self, frame: Frame) -> None:
        """Every member."""
        self._title.sync((ens.ens_note(frame),))
        self._table.sync(ens.ens_table(frame))
