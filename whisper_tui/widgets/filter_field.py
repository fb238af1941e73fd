"""The field in which a filter is typed, for whichever list asked for it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from whisper_tui.widgets.field import Field


class Filtered(Protocol):
    """A list with a filter."""

    @property
    def pattern(self) -> str:
        """The filter in force; empty for none."""
        ...

    def filter(self, pattern: str) -> None:
        """Show only what matches from now on."""
        ...

    def focus(self) -> object:
        """Keys go there."""
        ...


class FilterWanted(Message):
    """A list wants to be filtered."""

    def __init__(self, by: Filtered) -> None:
        super().__init__()
        self.by = by


class FilterField(Field):
    """Shows itself when it is needed. The filter works while it is typed; enter keeps it, escape drops it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", show=False)]

    def __init__(self) -> None:
        super().__init__(
            placeholder="words, !without, state=dead, lag>2, regular expressions", id="filter", max_length=200
        )
        self._list: Filtered | None = None
        self.display = False

    def ask(self, by: Filtered) -> None:
        """A filter for this list."""
        self._list = by
        self.display = True
        self.value = by.pattern
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        event.stop()
        if self._list is not None and self.display:
            self._list.filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self.close()

    def action_drop(self) -> None:
        """No filter."""
        self.value = ""
        if self._list is not None:
            self._list.filter("")
        self.close()

    def close(self) -> None:
        """Back to the list."""
        self.display = False
        if self._list is not None:
            self._list.focus()
