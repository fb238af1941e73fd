"""Ending with the supervisor: a child reads a pipe whose other end only the supervisor holds.

Every program of this project looks at it, whether it has an event loop or not; so nothing but the standard library's
small parts is needed here.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time

LIFELINE_VARIABLE = "WHISPER_LIFELINE_FD"
"""Names the read end of that pipe: its end means that nobody is left."""

_GRACE_S = 1.0
_READ_BYTES = 64


class LifelineError(Exception):
    """The environment names a lifeline that is none; the message is one line."""


def lifeline() -> int | None:
    """The descriptor of the lifeline, None without one. Raises LifelineError for one that is not open."""
    value = os.environ.get(LIFELINE_VARIABLE)
    if value is None:
        return None
    try:
        descriptor = int(value)
        os.fstat(descriptor)
    except (ValueError, OverflowError, OSError):
        raise LifelineError(f"{LIFELINE_VARIABLE}={value[:40]!r} is not an open file descriptor") from None
    return descriptor


def has_ended(descriptor: int) -> bool:
    """Whether the lifeline has ended; waits until it is readable.

    Not by reading: children share one description of the pipe, and an event loop in one of them keeps reads from waiting.
    """
    select.select([descriptor], [], [])
    return not os.read(descriptor, _READ_BYTES)


def end_with_supervisor() -> None:
    """For a program without an event loop: when the lifeline ends, send this process SIGTERM, and a second later end
    it anyway.

    Without a lifeline nothing changes. With one, Ctrl-C is the supervisor's business. Raises LifelineError.
    """
    descriptor = lifeline()
    if descriptor is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it is for the thread that knows how to end
    while not has_ended(descriptor):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
