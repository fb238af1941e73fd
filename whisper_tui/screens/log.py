"""Log: everything that happened, with a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from whisper_tui.model.views.base import Frame, Span, rule
from whisper_tui.model.views.export import Export, lines_export
from whisper_tui.model.views.log import LogReader
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.filter_field import FilterWanted
from whisper_tui.widgets.lines import LinesPane

_KEYS = frozenset({"cursor_down", "cursor_up", "page_down", "page_up", "first", "last", "filter", "clear"})


class LogView(View, can_focus=True):
    """Follows the newest entry until scrolled away from it; `/` filters, escape shows everything again."""

    TITLE = "Log"
    HINTS = ("log", "everywhere", "tables")
    WITHOUT = frozenset({"open", "sort"})
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("tables", only=_KEYS),
        *bindings_of("log"),
    ]

    class Newest(Message):
        """The newest entry is wanted, whatever moment is shown."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._reader = LogReader()
        self._title = LinesPane(kit.painter, id="log-title", classes="title")
        self._body = LinesPane(kit.painter, id="log-body")

    @property
    def panes(self) -> tuple[Widget, ...]:
        """Itself."""
        return (self,)

    def compose(self) -> ComposeResult:
        """A heading and the entries."""
        yield self._title
        yield self._body

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
        """Follow the newest entry, which is one of now."""
        self._reader.anchor = None
        self.post_message(self.Newest())
        self.again()

    @property
    def pattern(self) -> str:
        """The filter in force; empty for none."""
        return self._reader.pattern

    def filter(self, pattern: str) -> None:
        """Show only entries that match from now on."""
        self._reader.filter(pattern)
        self.again()

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.post_message(FilterWanted(self))

    def action_clear(self) -> None:
        """Show everything."""
        self.filter("")

    def export(self, frame: Frame) -> Export:
        """All entries that match."""
        size = self._body.size
        return lines_export("log", self._reader.all(frame, size.width))

    def on_mouse_scroll_down(self) -> None:
        """The wheel scrolls."""
        self._scroll(3)

    def on_mouse_scroll_up(self) -> None:
        """The wheel scrolls."""
        self._scroll(-3)
