"""Leaving: does the mesh stay up?"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

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
    """Leave running, stop, or stay. Quitting twice in a row means: leave it running.

    `state` is asked for whenever it is drawn or answered: the mesh may be stopped elsewhere meanwhile. `may_stop`: the
    console is not read-only; `how` says what would change that, empty where nothing does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("quit"),
        Binding("ctrl+c", "leave", show=False, priority=True),
    ]

    def __init__(
        self,
        painter: Painter,
        monotonic: Callable[[], float],
        typed: Callable[[str], str],
        state: Callable[[], State],
        *,
        may_stop: bool,
        how: str,
    ) -> None:
        super().__init__(monotonic)
        self._painter = painter
        self._state = state
        self._typed = typed
        self._may_stop = may_stop
        self._how = how

    def compose(self) -> ComposeResult:
        """The choices there are."""
        with Vertical(id="dialog"):
            yield LinesPane(self._painter, id="dialog-body")

    def redraw(self) -> None:
        """The choices there are."""
        body, pane = self._lines(self._state()), self.query_one(LinesPane)
        pane.styles.height = len(body)
        pane.sync(body)

    def action_leave(self) -> None:
        """Quit, the mesh goes on."""
        if self.listens():
            self.dismiss(ExitChoice.LEAVE)

    def action_stop(self) -> None:
        """Quit, the mesh ends, unless it has ended already or nobody here may end it."""
        state = self._state()
        if self.listens() and state.supervised and not state.stopped and self._may_stop:
            self.dismiss(ExitChoice.STOP)

    def _lines(self, state: State) -> Lines:
        """The choices, each with the command that takes it back."""
        if state.supervised and state.stopped:
            leave = self._choice(
                "leave", "leave; the mesh was stopped, this starts it again:", "whisper-tui up"
            )
        elif state.supervised and self._may_stop:
            leave = (
                *self._choice(
                    "leave", "leave the mesh running; this comes back to it:", "whisper-tui attach"
                ),
                *self._choice("stop", "stop the mesh; keys, ledgers and open jobs stay on disk"),
            )
        else:
            leave = self._choice(
                "leave", "leave; the mesh goes on, this comes back to it:", "whisper-tui attach"
            )
            if state.supervised:
                leave += ((Span(f"     read-only: it is not stopped from here{self._how}", "dim"),),)
        return (
            (Span("Quit the console", "title"),),
            (),
            *leave,
            *self._choice("back", "stay here  (default)"),
        )

    def _choice(self, id: str, does: str, command: str = "") -> Lines:
        key = self.keymap.shown(id).split()[0]
        line = (Span(f"{key:<5}", "accent"), Span(does))
        return (line, (Span(f"     {self._typed(command)}", "dim"),)) if command else (line,)
