"""The way to the terminal: one piece at a time, the next when the terminal has answered that it has the last.

Whatever stands between here and the eyes of the operator (buffers of the kernel, of ssh, of a modem) holds at most one
piece, so that what is seen is never older than it takes to send one, and a slow link gets fewer frames, not late ones. A
frame is one piece where that is quick; elsewhere it comes in several, and what answers a key goes first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from whisper_tui.terminal.pace import Pace
from whisper_tui.terminal.picture import Picture

ASK: Final = "\x1b[6n"
"""Where is the cursor? The answer comes when everything before has been drawn."""

SILENT_AFTER_S = 0.5
"""A terminal that has never answered is not waited for any longer than this."""

LOST_AFTER_S = 10.0
"""Nor is one that has for longer than this: its answer may have gone lost."""

PARTING_S = 3.0
"""An answer that is due is waited for so long before the terminal is given back: the shell would read it."""

RECENT_S = 5.0
RECENT_FRAMES = 64
"""Frames of this time, but no more, tell how fast the link is."""


class Sink(Protocol):
    """Where bytes for the terminal go."""

    def write(self, text: str, /) -> object:
        """Take all of it; may block."""
        ...

    def flush(self) -> object:
        """Pass on what was taken; may block."""
        ...


class Link:
    """Draws what it is fed into `picture` and sends the changes from a thread of its own."""

    def __init__(
        self, sink: Sink, picture: Picture, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink = sink
        self._picture = picture
        self._monotonic = monotonic
        self._state = threading.Condition()
        self._answers = True
        self._heard = False
        self._settled = False
        self._sent_at: float | None = None
        self._sent_bytes = 0
        self._asked = False
        self._hurried = False
        self._frame_since: float | None = None
        self._pace = Pace()
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_FRAMES)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def feed(self, data: str, size: tuple[int, int]) -> None:
        """Draw; `size` is the terminal's at this moment. Never blocks for longer than a frame is put together."""
        with self._state:
            if size != (self._picture.width, self._picture.height):
                self._picture.resize(*size)
            self._picture.feed(data)
            self._state.notify()

    def hurry(self) -> None:
        """A key was pressed: what is drawn next goes before everything that waits."""
        with self._state:
            self._picture.hurries = True

    def calm(self) -> None:
        """What is drawn next answers no key any more."""
        with self._state:
            self._picture.hurries = False

    def repaint(self) -> None:
        """Send everything again: something else has drawn on the terminal."""
        with self._state:
            self._picture.forget()
            self._state.notify()

    def answered(self) -> None:
        """The terminal has answered: it has everything that was sent."""
        with self._state:
            self._heard = True
            if not self._answers and not self._settled:
                self._answers = True  # it was late, and taken for one that never does
                self._pace.late()
            self._arrived()

    @property
    def frame_s(self) -> float:
        """How long the slowest of the last frames took to arrive, or the one that is on its way takes already."""
        with self._state:
            now = self._monotonic()
            while self._recent and now - self._recent[0][0] > RECENT_S:
                self._recent.popleft()
            under_way = now - self._frame_since if self._frame_since is not None else 0.0
            return max(under_way, max((took for _, took in self._recent), default=0.0))

    @property
    def is_busy(self) -> bool:
        """Whether a frame is on its way: one drawn now would wait for it."""
        with self._state:
            return self._frame_since is not None

    def settle(self) -> None:
        """Wait until no answer is due, and ask for none any more: the terminal is about to be somebody else's."""
        with self._state:
            self._answers, self._settled = False, True
            wait_s = PARTING_S if self._heard else SILENT_AFTER_S
            self._state.wait_for(lambda: self._sent_at is None, wait_s)

    def close(self) -> None:
        """Send what is left and end. A terminal that takes nothing any more is left."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join(PARTING_S)

    def next_piece(self) -> str:
        """What is to be sent now; nothing while nothing is, or an answer to what was sent before is due.

        What answers a key does not wait for that, once: more of it would pile up before a slow link.
        """
        with self._state:
            if self._sent_at is not None and self._may_hurry():
                self._hurried = True
                return self._picture.changes(0)
            if not self._may_send():
                return ""
            self._asked = self._answers and not self._closing
            data = self._picture.changes(self._pace.limit if self._asked else None)
            if not data:
                self._frame_ends()
                return ""
            self._sent_at, self._sent_bytes = self._monotonic(), len(data.encode())
            if self._frame_since is None:
                self._frame_since = self._sent_at
            return data + ASK if self._asked else data

    def _run(self) -> None:
        while True:
            with self._state:
                while not (self._may_hurry() or self._may_send()):
                    self._state.wait(self._patience_s())
                data = self.next_piece()
                if not data and self._closing:
                    return
            if not data:
                continue
            try:
                self._sink.write(data)
                self._sink.flush()
            except OSError:
                return  # hung up: there is nobody to tell
            with self._state:
                if not self._asked:
                    self._arrived()

    def _may_hurry(self) -> bool:
        return self._asked and not self._hurried and not self._closing and self._picture.answers_a_key

    def _arrived(self) -> None:
        if self._sent_at is not None and self._asked:
            now = self._monotonic()
            self._pace.arrived(now, self._sent_bytes, now - self._sent_at)
        self._sent_at, self._hurried = None, False
        if not self._picture.is_due:
            self._frame_ends()
        self._state.notify_all()

    def _frame_ends(self) -> None:
        if self._frame_since is not None:
            now = self._monotonic()
            self._recent.append((now, now - self._frame_since))
            self._frame_since = None

    def _may_send(self) -> bool:
        if self._closing:
            return True
        if not self._picture.is_due:
            return False
        patience_s = self._patience_s()
        if patience_s is not None and patience_s > 0:
            return False
        if patience_s is not None:
            self._answers = self._answers and self._heard  # who never answers is not asked any more
            self._sent_at = self._frame_since = None
        return True

    def _patience_s(self) -> float | None:
        """How long still to wait for an answer; None while none is due."""
        if self._sent_at is None:
            return None
        return self._sent_at + (LOST_AFTER_S if self._heard else SILENT_AFTER_S) - self._monotonic()
