"""The chaos menu: after `X`, one key decides what happens to the nodes that were chosen when it was pressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from whisper_tui.model.inert import inert
from whisper_tui.model.views.base import Span, between, line_cells
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

WITHOUT_NODES: frozenset[str] = frozenset({"heal", "add"})
"""What is about the whole mesh."""


class ChaosMenu(Dialog[str]):
    """Answers the id of a key of the context `chaos`. It only chooses: what it chose is asked about next."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("chaos", action="choose('{}')")

    def __init__(self, names: Sequence[str], painter: Painter, monotonic: Callable[[], float]) -> None:
        super().__init__(monotonic)
        self._names = [inert(name, 40) for name in names]
        self._painter = painter

    def compose(self) -> ComposeResult:
        """One line."""
        yield LinesPane(self._painter, id="menu")

    def redraw(self) -> None:
        """Whom it is about, and the choices there are."""
        pane = self.query_one(LinesPane)
        offered = [key for key in self.keymap.of("chaos") if self._names or key.id in WITHOUT_NODES]
        choices = [Span(" chaos ", "warn")]
        for shown, does in [*((key.shown, key.hint) for key in offered), (self.keymap.shown("back"), "back")]:
            choices += [Span(f" {shown} ", "accent"), Span(f"{does} ")]
        target = Span(f"{', '.join(self._names)} " if self._names else "no node chosen ", "strong")
        room = pane.size.width - line_cells(tuple(choices))
        if line_cells((target,)) > room:
            target = Span(f"{len(self._names)} nodes ", "strong")
        pane.sync((between(tuple(choices), (target,), pane.size.width),))

    def action_choose(self, id: str) -> None:
        """This one."""
        self.dismiss(id)
