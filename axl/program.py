"""How a participant's programs start and stop: their command line, their signals, the end of their lifeline."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from contextlib import suppress
from typing import NoReturn

from axl.lifeline import has_ended

EXIT_REFUSED = 2


class UsageError(Exception):
    """The command line or environment makes no sense; the message is one line."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """What argparse calls."""
        raise UsageError(f"{message}; usage: {self.format_usage().removeprefix('usage: ').strip()}")


def refuse(program: str, code: int, error: Exception) -> int:
    """Say in one line why `program` ends; returns `code`.

    Not through `sys.stderr`: what a full disk refuses of it would be tried again at exit and change the code.
    """
    with suppress(OSError):
        os.write(2, f"{program}: {error}\n".encode())
    return code


def heed_signals(stop: asyncio.Event, descriptor: int | None) -> None:
    """Set `stop` on SIGTERM, on Ctrl-C, or when the lifeline ends."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # With a lifeline Ctrl-C is the supervisor's business: it decides whether the mesh stays.
    loop.add_signal_handler(signal.SIGINT, stop.set if descriptor is None else lambda: None)
    if descriptor is not None:
        loop.add_reader(descriptor, _read_lifeline, descriptor, stop)


def _read_lifeline(descriptor: int, stop: asyncio.Event) -> None:
    if has_ended(descriptor):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()
