"""The log of one participant: one JSON object a line, moments and problems, bounded in size.

Lines of one loop tick leave in one write. A log that cannot be written never stops a participant: lines are
dropped and counted, and the next one that fits says how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

LOG_BYTES_MAX = 8 << 20
"""At this size the log becomes `<name>.1`, replacing the one before, so that at most twice as much is kept."""

_PENDING_LINES_MAX = 1000


class Log:
    """Appends to `path`. `call_soon` is the event loop's: it runs a function after the current tick."""

    def __init__(
        self, path: Path, wall_ms: Callable[[], float], call_soon: Callable[[Callable[[], None]], Any]
    ) -> None:
        """Opens the file; raises OSError when that is not possible."""
        self._path = path
        self._wall_ms = wall_ms
        self._call_soon = call_soon
        self._pending: list[bytes] = []
        self._dropped = 0
        self._descriptor = _open(path)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Queue one line `{at_ms, kind, data}`. Values must be what JSON knows; bytes would show as base64."""
        if len(self._pending) >= _PENDING_LINES_MAX:
            self._dropped += 1
            return
        if not self._pending:
            self._call_soon(self.flush)
        self._pending.append(_line(self._wall_ms(), kind, data))

    def flush(self) -> None:
        """Write what is queued."""
        lines, self._pending = self._pending, []
        if self._dropped:
            lines.append(_line(self._wall_ms(), "log_dropped", {"lines": self._dropped}))
        if not lines:
            return
        data = b"".join(lines)
        try:
            if self._size + len(data) > LOG_BYTES_MAX:
                self._rotate()
            written = os.write(self._descriptor, data)
        except OSError:
            self._dropped += len(lines)
            return
        self._size += written
        self._dropped = 0

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.flush()
        os.close(self._descriptor)

    def _rotate(self) -> None:
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        descriptor = _open(self._path)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0


def _line(at_ms: float, kind: str, data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"at_ms": at_ms, "kind": kind, "data": data}) + b"\n"


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
