"""The list of meshes that can be gone to: the run directory's, and the contexts of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from whisper_tui.contexts import Entrance, Mesh
from whisper_tui.model.inert import inert
from whisper_tui.model.views.base import Line, Span, fit
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

ROWS_MAX = 12


class Contexts(NamedTuple):
    """Where to the console can go, and which of it is `here`."""

    offered: Sequence[Entrance] = ()
    here: str = ""


class SwitchTo(NamedTuple):
    """The console is to go on with another mesh, which has answered, looking as it does now."""

    mesh: Mesh
    theme: str


class ContextsDialog(Dialog[Entrance]):
    """Answers the one that was chosen; the one that is open is no choice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("tables", only={"cursor_down", "cursor_up"}),
        Binding("enter", "choose", show=False, id="open"),
    ]

    def __init__(
        self, contexts: Contexts, painter: Painter, cursor: str, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(monotonic)
        self._contexts = contexts
        self._painter = painter
        self._sign = cursor
        self._at = 0

    def compose(self) -> ComposeResult:
        """One line for each."""
        with Vertical(id="dialog"):
            yield LinesPane(self._painter, id="dialog-body")

    def redraw(self) -> None:
        """The list around the cursor."""
        pane = self.query_one(LinesPane)
        lines: list[Line] = [(Span("Go to another mesh", "title"),), ()]
        top = max(0, min(self._at - ROWS_MAX // 2, len(self._contexts.offered) - ROWS_MAX))
        for number, entrance in list(enumerate(self._contexts.offered))[top : top + ROWS_MAX]:
            lines.append(self._row(entrance, chosen=number == self._at))
        if len(self._contexts.offered) < 2:
            lines += [(), (Span("others are named in the configuration file: whisper-tui config", "dim"),)]
        keys = (("open", " go there, read-only    "), ("back", " stay here"))
        hints = [span for id, does in keys for span in (Span(self.keymap.shown(id), "accent"), Span(does))]
        lines += [(), tuple(hints)]
        pane.styles.height = len(lines)
        pane.sync(tuple(lines))

    def _row(self, entrance: Entrance, *, chosen: bool) -> Line:
        name = inert(entrance.name, 32) or "this mesh"
        here = Span("  here", "dim") if entrance.where == self._contexts.here else Span("")
        cursor = Span(f"{self._sign if chosen else ' '} ", "accent")
        return (
            cursor,
            Span(fit(name, 18), "strong" if chosen else "text"),
            Span(inert(entrance.where, 44), "dim"),
            here,
        )

    def action_cursor_down(self) -> None:
        """To the next."""
        self._move(1)

    def action_cursor_up(self) -> None:
        """To the one before."""
        self._move(-1)

    def _move(self, by: int) -> None:
        self._at = max(0, min(len(self._contexts.offered) - 1, self._at + by))
        self.redraw()

    def action_choose(self) -> None:
        """Go there, unless it is here."""
        if not self._contexts.offered:
            self.dismiss(None)
            return
        chosen = self._contexts.offered[self._at]
        self.dismiss(chosen if chosen.where != self._contexts.here else None)
