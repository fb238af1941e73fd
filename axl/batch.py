"""Several messages in one answer of `/recv`: for each the sender's key, the body's size as u32, the body.

The Go node has no such thing; `CONTENT_TYPE` and `WAITED_HEADER` are how a client tells the two nodes apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

CONTENT_TYPE = b"application/x-axl-batch"
WAITED_HEADER = b"x-axl-waited"
"""In every empty answer to a request that could wait."""

_HEAD = struct.Struct(">32sI")


class BatchError(ValueError):
    """Bytes that should be a batch end in the middle of a message."""


def encode(messages: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A batch of (sender, body)."""
    return b"".join([piece for sender, body in messages for piece in (_HEAD.pack(sender, len(body)), body)])


def decode(batch: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (sender, body) in a batch. Raises BatchError."""
    position, end = 0, len(batch)
    while position < end:
        start = position + _HEAD.size
        if start > end:
            raise BatchError("a batch ends in the middle of a message")
        sender, size = _HEAD.unpack_from(batch, position)
        position = start + size
        if position > end:
            raise BatchError("a batch ends in the middle of a message")
        yield sender, batch[start:position]
