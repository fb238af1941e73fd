"""How far a store has come, written beside it: what tells a log that lost its middle from one that was cut short.

To SQLite everything from a damaged frame of its write-ahead log on is a commit that never ended, and it goes on from
before it, silently. But what was acknowledged must be there. So every commit counts itself inside the store, and the
count is repeated here once the commit is on disk; a store that is behind its mark has lost something, or is an old copy.

The mark itself is not synchronised: after a loss of power it may be behind the store, never ahead of it. It costs one
system call a commit.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path

_NUMBER_BYTES = 8
_SUM_BYTES = 4


class Mark:
    """The mark of the store at `path` for the key `peer`. Raises OSError when its file cannot be opened."""

    def __init__(self, path: Path, peer: bytes) -> None:
        self._peer = peer
        self._descriptor = os.open(
            path.with_name(path.name + ".mark"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )

    def read(self) -> int:
        """Number of the last commit of this key known to be on disk; 0 when there is no mark that can be read."""
        content = os.pread(self._descriptor, _NUMBER_BYTES + _SUM_BYTES, 0)
        number = content[:_NUMBER_BYTES]
        return int.from_bytes(number) if content == self._marked(number) else 0

    def set(self, number: int) -> None:
        """The commit of this number is on disk. A disk that refuses costs the mark, not the commit."""
        with suppress(OSError):
            os.pwrite(self._descriptor, self._marked(number.to_bytes(_NUMBER_BYTES)), 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _marked(self, number: bytes) -> bytes:
        return number + zlib.crc32(number + self._peer).to_bytes(_SUM_BYTES)
