"""What all dialogs share: they default to doing nothing, and are deaf at first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from whisper_tui.keymap import DEFAULT_KEYMAP, Keymap
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane

R = TypeVar("R")

DEAF_FOR_S = 0.3
"""Keys pressed within this time of a dialog's appearance were meant for what was there before."""


class Dialog(ModalScreen[R], Generic[R], inherit_bindings=False):
    """A dialog; escape and Ctrl-C leave it with the answer None, which means no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("dialog"),
        Binding("ctrl+c", "back", show=False, priority=True),
    ]

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._opened_at = monotonic()

    def on_mount(self) -> None:
        """Draw once there is a size to draw in."""
        self.call_after_refresh(self.redraw_shown)

    def on_resize(self) -> None:
        """Draw again in the new size."""
        self.call_after_refresh(self.redraw_shown)

    def redraw_shown(self) -> None:
        """Draw if there is something to draw in: the dialog may not be all there yet, or not any more."""
        if self in self.app.screen_stack and self.query(LinesPane):
            self.redraw()

    @abstractmethod
    def redraw(self) -> None:
        """Fill the panes."""

    @property
    def keymap(self) -> Keymap:
        """The keys in force."""
        return getattr(self.app, "keymap", DEFAULT_KEYMAP)

    def listens(self) -> bool:
        """Whether the operator has had time to see the dialog."""
        return self._monotonic() - self._opened_at >= DEAF_FOR_S

    def action_back(self) -> None:
        """Leave without doing anything."""
        self.dismiss(None)
