"""A recording of a terminal that players know: asciicast v2, a header and one JSON array for every piece of output.

https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Final

import msgspec

VERSION: Final = 2

BEGINNING: Final = "\x1b[?25l\x1b[2J"
"""An empty screen without a cursor: the console draws its own."""


class CastFile:
    """Writes what a terminal is sent, each piece with the seconds since the recording began. Closes `file` at its end."""

    def __init__(
        self,
        file: BinaryIO,
        width: int,
        height: int,
        title: str,
        *,
        began_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._monotonic = monotonic
        self._start = monotonic()
        header = {
            "version": VERSION,
            "width": width,
            "height": height,
            "timestamp": round(began_s),
            "title": title,
            "env": {"TERM": "xterm-256color"},
        }
        self._write(header)
        self._write([0.0, "o", BEGINNING])

    def __enter__(self) -> CastFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def frame(self, changes: str, lines: list[str]) -> None:
        """One more piece of output."""
        self._write([round(self._monotonic() - self._start, 6), "o", changes])

    def _write(self, entry: object) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")
