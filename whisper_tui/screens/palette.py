"""The command palette: type what is wanted, enter does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from whisper_tui.model.palette import Command
from whisper_tui.model.views.base import Line, Span, between, fit
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.field import Field
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

ROWS = 10


class Palette(Dialog[Command]):
    """Answers the command that was chosen. `offered` says which may be meant by what has been typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", show=False, priority=True),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(
        self,
        offered: Callable[[str], Sequence[Command]],
        painter: Painter,
        cursor: str,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(monotonic)
        self._offered = offered
        self._painter = painter
        self._sign = cursor
        self._found = offered("")
        self._at = 0

    def compose(self) -> ComposeResult:
        """A field and what it may mean."""
        with Vertical(id="dialog"):
            yield LinesPane(self._painter, id="form-head")
            yield Field(
                placeholder="view jobs, kill node4, filter state=dead …", id="command", max_length=400
            )
            body = LinesPane(self._painter, id="dialog-body")
            body.styles.height = ROWS + 2
            yield body

    def redraw(self) -> None:
        """The commands around the cursor."""
        back = self.keymap.shown("back")
        head = (Span("Commands", "title"), Span(f"   {len(self._found)}", "dim"))
        self.query_one("#form-head", LinesPane).sync((head,))
        pane = self.query_one("#dialog-body", LinesPane)
        top = max(0, min(self._at - ROWS // 2, len(self._found) - ROWS))
        rows: list[Line] = [
            self._row(command, pane.size.width, chosen=number == self._at)
            for number, command in list(enumerate(self._found))[top : top + ROWS]
        ]
        if not rows:
            rows = [(Span("  nothing is called so", "dim"),)]
        rows += [()] * (ROWS + 1 - len(rows))
        hints = (("enter", "do it"), ("↑ ↓", "choose"), ("tab", "complete"), (back, "back"))
        foot = tuple(span for key, does in hints for span in (Span(key, "accent"), Span(f" {does}    ")))
        pane.sync((*rows, foot))

    def _row(self, command: Command, width: int, *, chosen: bool) -> Line:
        name = max(20, min(36, len(command.name)))
        left = (
            Span(f"{self._sign if chosen else ' '} ", "accent"),
            Span(fit(command.name, name), "strong" if chosen else "text"),
            Span(f" {command.about}", "dim"),
        )
        return between(left, (Span(f" {command.key}", "accent"),), width)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Something else is meant."""
        self._found, self._at = self._offered(event.value), 0
        self.redraw_shown()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do it, or go on with the words that it needs."""
        event.stop()
        if not self._found:
            return
        chosen = self._found[self._at]
        if chosen.words:
            self.dismiss(chosen)
        else:
            self.action_complete()

    def action_complete(self) -> None:
        """Take over the name of the chosen command, ready for its words."""
        if self._found:
            field = self.query_one(Input)
            field.value = f"{self._found[self._at].name} "
            field.cursor_position = len(field.value)

    def action_move(self, by: int) -> None:
        """To another command."""
        self._at = max(0, min(len(self._found) - 1, self._at + by))
        self.redraw()
