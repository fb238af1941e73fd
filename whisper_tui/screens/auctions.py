"""Auctions: which there are, the bids of the chosen one, and the leases that came of them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import auctions
from whisper_tui.model.views.base import Frame, Table
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable


class AuctionsView(View):
    """Three tables below each other; where there is little room, the one that keys go to."""

    TITLE = "Auctions"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._auctions = LineTable(kit.painter, kit.glyphs, id="auction-list", newest_first=kit.monotonic)
        self._bids = LineTable(kit.painter, kit.glyphs, id="bid-list", markable=True)
        self._leases = LineTable(kit.painter, kit.glyphs, id="lease-list", markable=True)
        self._titles = {
            table: LinesPane(kit.painter, classes="title")
            for table in (self._auctions, self._bids, self._leases)
        }

    def compose(self) -> ComposeResult:
        """Each under its title."""
        for table, title in self._titles.items():
            yield from (title, table)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """Auctions, bids, leases."""
        return tuple(self._titles)

    def draw(self, frame: Frame) -> None:
        """All auctions, the bids of the chosen one, all leases."""
        self._fill(self._auctions, "Auctions", auctions.auctions_table(frame))
        key = self._auctions.cursor
        self._fill(self._bids, auctions.bids_title(frame, key), auctions.bids_table(frame, key))
        self._fill(self._leases, "Leases", auctions.leases_table(frame))

    def _fill(self, table: LineTable, title: str, rows: Table) -> None:
        self.titled(self._titles[table], title, (), self.title_role(table))
        table.sync(rows)

    def on_line_table_moved(self, message: LineTable.Moved) -> None:
        """The bids are those of the chosen auction."""
        message.stop()
        self.again()
