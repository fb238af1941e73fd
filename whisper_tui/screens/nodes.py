"""Nodes: every participant with everything that is known of it in figures."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from whisper_tui.model.views import nodes
from whisper_tui.model.views.base import Frame
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.table import LineTable


class NodesView(View):
    """One table. Its rows open the node."""

    TITLE = "Nodes"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._table = LineTable(kit.painter, kit.glyphs, markable=True)

    def compose(self) -> ComposeResult:
        """All of the room."""
        yield self._table

    @property
    def panes(self) -> tuple[Widget, ...]:
        """The table."""
        return (self._table,)

    def draw(self, frame: Frame) -> None:
        """Every participant."""
        self._table.sync(nodes.nodes_in_full(frame))

    def moves(self, frame: Frame) -> bool:
        """Somebody's silence grows."""
        return any(source.state != "live" for source in frame.state.sources.values())
