"""Recordings on disk: a folder for each run of a mesh, in it numbered segments; bounded, the oldest go first.

`recordings/2026-01-01T12-00-00.000Z/0001.rec`. A segment begins with all that is known and can be opened by itself.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

BYTES_MAX = 64 << 20
"""All recordings of a run directory together."""

SUFFIX = ".rec"
_SEGMENT = re.compile(r"[0-9]{4,9}\.rec")
_RUN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{3}Z")


class Run(Struct, frozen=True):
    """The recording of one run: its folder, and its segments in order."""

    folder: Path
    segments: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """What it takes on disk."""
        return sum(_size(path) for path in self.segments)


def name_of(began_ms: float) -> str:
    """The folder of the run that began then."""
    moment = datetime.fromtimestamp(began_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03}Z"


def segments_in(folder: Path) -> tuple[Path, ...]:
    """Segments in a folder, in order."""
    found = [path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)]
    return tuple(sorted(found, key=lambda path: int(path.stem)))


def runs_in(recordings: Path) -> list[Run]:
    """All runs that were recorded there, the oldest first."""
    if not recordings.is_dir():
        return []
    folders = sorted(path for path in recordings.iterdir() if _RUN.fullmatch(path.name) and path.is_dir())
    runs = [Run(folder, segments_in(folder)) for folder in folders]
    return [run for run in runs if run.segments]


class Folder:
    """Writes the segments of one run: a `tape.Store`. `bytes_max` bounds all runs beside it together."""

    def __init__(self, recordings: Path, began_ms: float, bytes_max: int = BYTES_MAX) -> None:
        self._recordings = recordings
        self._folder = recordings / name_of(began_ms)
        self._bytes_max = bytes_max
        self._descriptor: int | None = None
        self._current: Path | None = None
        self._bytes = 0

    @property
    def folder(self) -> Path:
        """Where this run's segments are."""
        return self._folder

    def begin(self) -> None:
        """A new segment, after those that are there."""
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = segments_in(self._folder)
        number = int(there[-1].stem) + 1 if there else 1
        self._current = self._folder / f"{number:04}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._current, flags, 0o600)
        self._bytes = sum(run.bytes for run in runs_in(self._recordings))

    def append(self, data: bytes) -> None:
        """More of the segment. What a full disk takes of it only in part is a torn end, which readers leave out."""
        assert self._descriptor is not None, "a segment has begun"
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            rest = rest[written:]
        self._bytes += len(data)
        if self._bytes > self._bytes_max:
            self._make_room()

    def close(self) -> None:
        """The segment is complete."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _make_room(self) -> None:
        """Remove the oldest segments, of the oldest run first, never the one that is being written."""
        for run in runs_in(self._recordings):
            for segment in run.segments:
                if self._bytes <= self._bytes_max or segment == self._current:
                    return
                self._bytes -= _size(segment)
                segment.unlink(missing_ok=True)
            with suppress(OSError):
                run.folder.rmdir()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
