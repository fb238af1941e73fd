"""Are you sure: states what would happen, defaults to no."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from whisper_tui.model.views.base import Line, Span, wrap
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.field import Field
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

WIDTH = 72


class Question(Struct, frozen=True):
    """What is asked. `typed` is empty when `y` is enough, else what must be typed."""

    title: str
    impact: str
    command: str
    typed: str = ""


class ConfirmDialog(Dialog[bool]):
    """Answers True for yes. Ignores Enter and whatever comes in its first 300 ms. `impact` says anew what would happen:
    the mesh goes on while the question stands."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("confirm")

    def __init__(
        self,
        question: Question,
        painter: Painter,
        monotonic: Callable[[], float],
        impact: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(monotonic)
        self._question = question
        self._impact = impact
        self._painter = painter
        self._missed = False

    def compose(self) -> ComposeResult:
        """The question, and a field if something must be typed."""
        with Vertical(id="dialog", classes="grave" if self._question.typed else ""):
            yield LinesPane(self._painter, id="dialog-body")
            if self._question.typed:
                yield Field(id="typed", max_length=80, placeholder="type it here")

    def redraw(self) -> None:
        """The question and how to answer it."""
        if self._impact is not None:
            self._question = replace(self._question, impact=self._impact())
        body, pane = self._body(), self.query_one(LinesPane)
        pane.styles.height = len(body)
        pane.sync(tuple(body))

    def _body(self) -> list[Line]:
        asked = self._question
        lines: list[Line] = [(Span(asked.title, "title"),), ()]
        lines += [(Span(piece, "warn" if asked.typed else "text"),) for piece in wrap(asked.impact, WIDTH)]
        lines += [(), *[(Span(piece, "dim"),) for piece in wrap(asked.command, WIDTH)], ()]
        if asked.typed:
            return [*lines, self._how_to_type()]
        return [
            *lines,
            (
                Span(self.keymap.shown("yes"), "accent"),
                Span(" do it    "),
                Span(self.keymap.shown("back"), "accent"),
                Span(" leave it  (default)"),
            ),
        ]

    def _how_to_type(self) -> Line:
        wanted = Span(f"“{self._question.typed}”", "accent")
        if self._missed:
            return (
                Span("that is not ", "warn"),
                wanted,
                Span("; nothing was done, "),
                Span(f"{self.keymap.shown('back')} leaves"),
            )
        return (Span("type "), wanted, Span(f" and press enter to do it, {self.keymap.shown('back')} leaves"))

    def action_yes(self) -> None:
        """Do it."""
        if self.listens() and not self._question.typed:
            self.dismiss(True)

    def action_no(self) -> None:
        """Leave it."""
        self.action_back()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do it if the name was typed."""
        event.stop()
        if not self.listens():
            return
        if event.value.strip() == self._question.typed:
            self.dismiss(True)
            return
        self._missed = bool(event.value.strip())
        self.redraw()
