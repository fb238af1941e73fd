"""Ending with the supervisor: a child reads a pipe whose other end only the supervisor holds."""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "WHISPER_LIFELINE_FD"
_GRACE_S = 1.0


def end_with_parent() -> None:
    """When the lifeline ends, send this process SIGTERM, and a second later end it anyway.

    Without a lifeline nothing changes. With one, Ctrl-C is the supervisor's business.
    """
    descriptor = os.environ.get(VARIABLE)
    if descriptor is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(int(descriptor),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it is for the thread that knows how to end
    while os.read(descriptor, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
