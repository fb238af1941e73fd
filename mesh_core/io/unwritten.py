"""How much waits for the disk, and when that is too much for a node to go on.

A disk that refuses is a slow disk: nothing that waits for it is acknowledged to anybody, and nothing of it may be left
out, because the node counts on it already. So the only thing that can stop is the node itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mesh_core.config import limit
from mesh_core.effects import (
    DropBlob,
    DropPromises,
    DropStatements,
    DropVotes,
    PutBlob,
    PutMeta,
    PutStatement,
    PutVote,
    Write,
)

WRITE_OVERHEAD_BYTES = 200
"""Charged on top of what is written, so that the bound in bytes also bounds small writes by number."""


class Unwritten:
    """The writes of batches that are not on disk yet, by their tickets, which grow."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, int]] = deque()
        self.bytes = 0
        """What they hold, overhead included."""

    @property
    def is_full(self) -> bool:
        """Whether no more may be added; what one step decides is added whole in any case."""
        return self.bytes >= limit("unwritten_bytes_max")

    def add(self, ticket: int, writes: Sequence[Write]) -> None:
        """A batch waits for the disk."""
        charge = sum(map(_charge, writes))
        self._batches.append((ticket, charge))
        self.bytes += charge

    def durable(self, ticket: int) -> None:
        """Everything up to `ticket` is on disk."""
        while self._batches and self._batches[0][0] <= ticket:
            self.bytes -= self._batches.popleft()[1]


def _charge(write: Write) -> int:
    match write:
        case PutStatement() | PutVote():
            return WRITE_OVERHEAD_BYTES + len(write.signed)
        case PutBlob():
            return WRITE_OVERHEAD_BYTES + len(write.data)
        case PutMeta():
            return WRITE_OVERHEAD_BYTES + len(write.value or b"")
        case DropStatements() | DropVotes() | DropPromises() | DropBlob():
            return WRITE_OVERHEAD_BYTES
