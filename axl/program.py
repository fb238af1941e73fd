"""How a participant's programs start and stop: their command line, their lifeline, their signals."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from typing import NoReturn

LIFELINE_VARIABLE = "WHISPER_LIFELINE_FD"
"""Names the read end of a pipe whose write end only the supervisor holds: its end means that nobody is left."""

EXIT_REFUSED = 2


class UsageError(Exception):
    """The command line or environment makes no sense; the message is one line."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """What argparse calls."""
        raise UsageError(f"{message}; usage: {self.format_usage().removeprefix('usage: ').strip()}")


def lifeline() -> int | None:
    """The descriptor of the lifeline, None without one. Raises UsageError for one that is not open."""
    value = os.environ.get(LIFELINE_VARIABLE)
    if value is None:
        return None
    try:
        descriptor = int(value)
        os.fstat(descriptor)
    except (ValueError, OSError):
        raise UsageError(f"{LIFELINE_VARIABLE}={value[:40]!r} is not an open file descriptor") from None
    return descriptor


def heed_signals(stop: asyncio.Event, descriptor: int | None) -> None:
    """Set `stop` on SIGTERM, on Ctrl-C, or when the lifeline ends."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # With a lifeline Ctrl-C is the supervisor's business: it decides whether the mesh stays.
    loop.add_signal_handler(signal.SIGINT, stop.set if descriptor is None else lambda: None)
    if descriptor is not None:
        loop.add_reader(descriptor, _read_lifeline, descriptor, stop)


def _read_lifeline(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 64):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()
