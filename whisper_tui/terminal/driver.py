"""Textual's driver for this console: its output goes through a picture and a link."""

from __future__ import annotations

from typing import Any

from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition, Key
from textual.message import Message

from whisper_tui.terminal.link import Link
from whisper_tui.terminal.picture import Picture


class TerminalDriver(LinuxDriver):
    """Sends differences only, and no frame before the one before has arrived."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self._link: Link | None = None

    @property
    def link(self) -> Link | None:
        """The way to the terminal; None while the terminal belongs to somebody else."""
        return self._link

    def start_application_mode(self) -> None:
        """Take the terminal."""
        assert self._file is not None
        self._link = Link(self._file, Picture(*self._get_terminal_size()))
        self._link.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def write(self, data: str) -> None:
        """Draw."""
        if self._link is not None:
            self._link.feed(data, self._get_terminal_size())

    def process_message(self, message: Message) -> None:
        """The terminal's answers are for the link, everything else for the application."""
        if isinstance(message, CursorPosition):
            if self._link is not None:
                self._link.answered()
            return
        if isinstance(message, Key) and self._link is not None:
            self._link.hurry()
        super().process_message(message)

    def _sigcont_application(self, *_: object) -> None:
        """Take the terminal back after Ctrl-Z, and only then: a hang-up is followed by SIGCONT as well, and whoever was
        stopped from outside still has it. A second reader of keys would never end."""
        if self._must_signal_resume:
            super()._sigcont_application()

    def stop_application_mode(self) -> None:
        """Give the terminal back; nothing is left on its way."""
        if self._link is not None:
            self._link.settle()
        super().stop_application_mode()

    def close(self) -> None:
        """Send what is left."""
        if self._link is not None:
            self._link.close()
            self._link = None
        super().close()
