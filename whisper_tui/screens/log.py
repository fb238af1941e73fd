"""Log: everything that happened, with a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from whisper_tui.model.views.base import Frame, Span, rule
from whisper_tui.model.views.log import LogReader
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane

_MOVES = frozenset({"cursor_down", "cursor_up", "page_down", "page_up", "first", "last"})


class LogView(View, can_focus=True):
    """Follows the newest entry until scrolled away from it; `/` filters, escape shows everything again."""

    TITLE = "Log"
    HINTS = ("log", "everywhere")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("tables", only=_MOVES),
        *bindings_of("log"),
        Binding("escape", "clear", show=False),
    ]

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._reader = LogReader()
        self._title = LinesPane(kit.painter, id="log-title", classes="title")
        self._body = LinesPane(kit.painter, id="log-body")
        self._field = Input(
            placeholder="words, !without, regular expressions", id="log-filter", max_length=200
        )

    @property
    def panes(self) -> tuple[Widget, ...]:
        """Itself."""
        return (self,)

    def compose(self) -> ComposeResult:
        """A heading, the entries, and a field that shows itself when it is needed."""
        self._field.display = False
        yield self._title
        yield self._body
        yield self._field

    def draw(self, frame: Frame) -> None:
        """The entries there is room for, and how many there are."""
        size = self._body.size
        self._body.sync(self._reader.page(frame, size.height, size.width))
        shown, total = self._reader.count(frame.state)
        note = f"{shown} of {total}" if self._reader.pattern else f"{total}"
        if self._reader.anchor is not None:
            note += ", scrolled: . for the newest"
        if frame.state.rejected:
            note += f", {frame.state.rejected} not understood"
        name = f"Log  /{self._reader.pattern}" if self._reader.pattern else "Log"
        line = rule(name, self._title.size.width, frame.glyphs, (Span(note, "dim"),))
        self._title.sync((line,))

    @property
    def _rows(self) -> int:
        return self._body.size.height

    def _scroll(self, by: int) -> None:
        if self._frame is not None:
            self._reader.scroll(self._frame.state, by, self._rows)
            self.again()

    def action_cursor_down(self) -> None:
        """An entry down."""
        self._scroll(1)

    def action_cursor_up(self) -> None:
        """An entry up."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self._scroll(self._rows - 1)

    def action_page_up(self) -> None:
        """A page up."""
        self._scroll(1 - self._rows)

    def action_first(self) -> None:
        """To the oldest entry."""
        self._scroll(-(10**9))

    def action_last(self) -> None:
        """To the newest entry, and on with it."""
        self.action_follow()

    def action_follow(self) -> None:
        """Follow the newest entry."""
        self._reader.anchor = None
        self.again()

    def action_filter(self) -> None:
        """Ask for a filter."""
        self._field.display = True
        self._field.value = self._reader.pattern
        self._field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter works while it is typed."""
        event.stop()
        self._reader.filter(event.value)
        self.again()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self._close_field()

    def action_clear(self) -> None:
        """Show everything."""
        self._reader.filter("")
        self._close_field()
        self.again()

    def _close_field(self) -> None:
        self._field.display = False
        self.focus()

    def on_mouse_scroll_down(self) -> None:
        """The wheel scrolls."""
        self._scroll(3)

    def on_mouse_scroll_up(self) -> None:
        """The wheel scrolls."""
        self._scroll(-3)
