"""What a console without a terminal shows: its bytes drawn into a picture, and every change told to whoever watches."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from whisper_tui.terminal.picture import Picture

_SPOKEN = re.compile(r"\x1b[P\]^_].*?(?:\x1b\\|\x07)", re.DOTALL)
"""What a terminal is told rather than shown, such as what to put on the clipboard: it has no place in a recording."""


class Watcher(Protocol):
    """Is told of every frame."""

    def frame(self, changes: str, lines: list[str]) -> None:
        """`changes` are the bytes that make a terminal show `lines`."""
        ...


class Canvas:
    """A screen of `width` by `height` cells. `later` has a function called once the console has written all of a frame."""

    def __init__(
        self, width: int, height: int, watchers: list[Watcher], later: Callable[[Callable[[], None]], object]
    ) -> None:
        self.width, self.height = width, height
        self._picture = Picture(width, height)
        self._watchers = watchers
        self._later = later
        self._due = False

    def feed(self, data: str) -> None:
        """Draw."""
        self._picture.feed(_SPOKEN.sub("", data))
        if not self._due:
            self._due = True
            self._later(self._tell)

    def lines(self) -> list[str]:
        """The characters on the screen, line by line, without blanks at the end."""
        return ["".join(char for char, _ in row).rstrip() for row in self._picture.cells()]

    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines())

    def _tell(self) -> None:
        self._due = False
        changes = self._picture.changes()
        if changes:
            lines = self.lines()
            for watcher in self._watchers:
                watcher.frame(changes, lines)
