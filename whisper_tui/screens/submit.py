"""The form that asks the mesh a question."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import ClassVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from mesh_core.config import MICRO_PER_AXL
from whisper_tui.model.views.base import Lines, Span
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.field import Field
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

QUESTION_MAX = 2_000
PRICE_MAX_AXL = 1_000


class Submission(Struct, frozen=True):
    """A question to be asked; no price means the usual one."""

    text: str
    max_price_micro: int | None


def price_micro(text: str) -> int | None:
    """`0.05` AXL in micro-AXL, None for nothing; ValueError with a line for anything else."""
    if not text.strip():
        return None
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise ValueError("the price is a number of AXL, like 0.05") from None
    if not value.is_finite() or not 0 < value <= PRICE_MAX_AXL:
        raise ValueError(f"the price is more than 0 and at most {PRICE_MAX_AXL} AXL")
    return int(value * MICRO_PER_AXL)


class SubmitDialog(Dialog[Submission]):
    """A question and, if wanted, the highest price of each of its jobs. `note` says anew who would answer: the mesh goes
    on while somebody types."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("form", only={"next_field"})

    def __init__(
        self, painter: Painter, monotonic: Callable[[], float], note: Callable[[], str], text: str = ""
    ) -> None:
        super().__init__(monotonic)
        self._text = text
        self._painter = painter
        self._note = note
        self._error = ""

    def compose(self) -> ComposeResult:
        """Two fields between a heading and a hint."""
        with Vertical(id="dialog"):
            yield LinesPane(self._painter, id="form-head")
            yield Field(
                self._text,
                placeholder="how does a neural network learn?",
                id="question",
                max_length=QUESTION_MAX,
                select_on_focus=False,
            )
            yield Field(
                placeholder="highest price of each job in AXL, empty: 0.05", id="price", max_length=16
            )
            yield LinesPane(self._painter, id="form-foot")

    def redraw(self) -> None:
        """Heading and hint."""
        head: Lines = ((Span("Ask the mesh", "title"), Span(f"   {self._note()}", "dim")),)
        hint = (
            Span(self._error, "warn")
            if self._error
            else Span(f"{self.keymap.shown('next_field')} next field", "dim")
        )
        foot: Lines = (
            (
                Span("enter", "accent"),
                Span(" ask    "),
                Span(self.keymap.shown("back"), "accent"),
                Span(" leave    "),
                hint,
            ),
        )
        self.query_one("#form-head", LinesPane).sync(head)
        self.query_one("#form-foot", LinesPane).sync(foot)

    def on_input_changed(self) -> None:
        """A corrected field takes its complaint back."""
        if self._error:
            self._error = ""
            self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask, or say what is missing."""
        event.stop()
        text = self.query_one("#question", Input).value.strip()
        try:
            price = price_micro(self.query_one("#price", Input).value)
        except ValueError as error:
            self._error = str(error)
            self.query_one("#price", Input).focus()
            self.redraw()
            return
        if not text:
            self._error = "a question is needed"
            self.query_one("#question", Input).focus()
            self.redraw()
            return
        self.dismiss(Submission(text, price))

    def action_next_field(self) -> None:
        """To the other field."""
        self.focus_next()
