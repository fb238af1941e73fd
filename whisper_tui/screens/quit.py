"""Leaving: does the mesh stay up?"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from whisper_tui.keymap import Keymap
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Lines, Span
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter


class ExitChoice(Enum):
    """What is to become of the mesh. The console has stopped nothing: that is its caller's to do."""

    LEAVE = "leave running"
    STOP = "stop the mesh"


class QuitDialog(Dialog[ExitChoice]):
    """Leave running, stop, or stay. Quitting twice in a row means: leave it running."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("quit"),
        Binding("ctrl+c", "leave", show=False, priority=True),
    ]

    def __init__(
        self,
        painter: Painter,
        monotonic: Callable[[], float],
        typed: Callable[[str], str],
        state: State,
    ) -> None:
        super().__init__(monotonic)
        self._painter = painter
        self._state = state
        self._typed = typed

    def compose(self) -> ComposeResult:
        """The choices there are."""
        with Vertical(id="dialog"):
            yield LinesPane(self._painter, id="dialog-body")

    def redraw(self) -> None:
        """The choices there are."""
        body, pane = _lines(self._typed, self.keymap, self._state), self.query_one(LinesPane)
        pane.styles.height = len(body)
        pane.sync(body)

    def action_leave(self) -> None:
        """Quit, the mesh goes on."""
        if self.listens():
            self.dismiss(ExitChoice.LEAVE)

    def action_stop(self) -> None:
        """Quit, the mesh ends, unless it has ended already or nobody here can end it."""
        if self.listens() and self._state.supervised and not self._state.stopped:
            self.dismiss(ExitChoice.STOP)


def _lines(typed: Callable[[str], str], keymap: Keymap, state: State) -> Lines:
    """The choices, each with the command that takes it back."""

    def choice(id: str, does: str, command: str = "") -> Lines:
        key = keymap.shown(id).split()[0]
        line = (Span(f"{key:<5}", "accent"), Span(does))
        return (line, (Span(f"     {typed(command)}", "dim"),)) if command else (line,)

    if not state.supervised:
        leave = choice("leave", "leave; the mesh goes on, this comes back to it:", "whisper-tui attach")
    elif state.stopped:
        leave = choice("leave", "leave; the mesh was stopped, this starts it again:", "whisper-tui up")
    else:
        leave = (
            *choice("leave", "leave the mesh running; this comes back to it:", "whisper-tui attach"),
            *choice("stop", "stop the mesh; keys, ledgers and open jobs stay on disk"),
        )
    return ((Span("Quit the console", "title"),), (), *leave, *choice("back", "stay here  (default)"))
