"""The console on a real terminal: it draws there, waits for its answers, and leaves it as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from whisper_tui.terminal.link import ASK
from whisper_tui.terminal.picture import Picture

COLUMNS, ROWS = 120, 40
WAIT_S = 20.0
ANSWER = b"\x1b[40;1R"


class Terminal:
    """The other end of a terminal in which a console was started; `answers` says whether it answers."""

    def __init__(self, hangup: signal.Handlers = signal.SIG_DFL) -> None:
        self.answers = True
        self.asked = 0
        self.written = ""
        self.picture = Picture(COLUMNS, ROWS)
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, hangup)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            os.execv(sys.executable, [sys.executable, "-m", "tests.unit.console.on_terminal"])
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def until(self, text: str) -> None:
        """Read until it is on the screen."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.screen():
            assert time.monotonic() < deadline, self.screen()
            self._read()

    def press_until_it_ends(self, keys: str) -> int:
        """A dialog is deaf at first, so press again; the exit code."""
        self.press(keys)
        while self._read(again=keys):
            pass
        return self._ended()

    def screen(self) -> str:
        return "\n".join("".join(char for char, _ in row).rstrip() for row in self.picture.cells())

    def close(self) -> int | None:
        """Hang up; the exit code, None when it had ended before."""
        os.close(self._end)
        return self._ended() if self.pid else None

    def _ended(self) -> int:
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _read(self, again: str = "") -> bool:
        """Take what there is; press the keys `again` if nothing comes for a while."""
        while again and not select.select([self._end], [], [], 0.1)[0]:
            self.press(again)
        ready, _, _ = select.select([self._end], [], [], WAIT_S)
        try:
            data = os.read(self._end, 65_536).decode(errors="replace") if ready else ""
        except OSError:  # how Linux says that the other end was closed
            return False
        self.written += data
        self.picture.feed(data)
        self.asked += data.count(ASK)
        if self.answers:
            os.write(self._end, ANSWER * data.count(ASK))
        return bool(data)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_a_console_draws_reacts_and_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.until("q1 answered")
    assert "[1 Overview]" in terminal.screen() and terminal.asked >= 1
    terminal.press("?")
    terminal.until("Everywhere")
    terminal.press("\x1b")
    terminal.until("[1 Overview]")
    terminal.press("q")
    terminal.until("stay here")
    assert terminal.press_until_it_ends("l") == 0
    before, _, after = terminal.written.rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in before and ASK not in after and "ExitChoice.LEAVE" in after


def test_a_terminal_that_answers_nothing_is_drawn_on_all_the_same(terminal: Terminal) -> None:
    terminal.answers = False
    terminal.until("q1 answered")
    assert terminal.asked == 1


def test_a_console_ends_with_its_terminal_also_where_hangups_are_ignored() -> None:
    terminal = Terminal(hangup=signal.SIG_IGN)
    terminal.until("q1 answered")
    assert terminal.close() == -signal.SIGHUP
