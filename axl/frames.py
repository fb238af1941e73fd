"""What travels on a link: frames of u32 big-endian length, u8 kind, body. The length counts kind and body.

Limits are checked before memory is taken. The bodies are in `control`, but for messages, which are anybody's
bytes.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

HANDSHAKE_FRAME_BYTES_MAX = 4096
"""No stranger makes a node hold more than this before it has shown a key."""
CONTROL_FRAME_BYTES_MAX = 64 * 1024

_HEADER = struct.Struct(">IB")
_LENGTH_BYTES = 4


class Kind(enum.IntEnum):
    """Kinds of frames, and who sends them when."""

    CHALLENGE = 1  # listener, first: nonce to sign
    HELLO = 2  # dialler, second: its key and signature
    WELCOME = 3  # listener: the link is up
    REFUSED = 4  # listener: it is not, and why
    MESSAGE = 5  # either: bytes for the other's inbox
    ACK = 6  # either: how many more messages are in the inbox
    ATTACHED = 7  # either: whether a client reads at this node
    NEIGHBOURS = 8  # either: where other nodes listen
    PING = 9  # either: are you there
    PONG = 10  # answer to PING


class FrameError(Exception):
    """The other side broke the rules of the link; there is nothing to do but close it."""


def header(kind: int, body_size: int) -> bytes:
    """The five bytes before a body of `body_size` bytes."""
    return _HEADER.pack(body_size + 1, kind)


def frame(kind: int, body: bytes = b"") -> bytes:
    """A whole frame."""
    return _HEADER.pack(len(body) + 1, kind) + body


class FrameReader:
    """Cuts a stream of bytes into frames, holding at most one unfinished frame of `size_max` bytes."""

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        """Largest length a frame may claim; the link raises it once it knows who is there."""
        self._held = bytearray()
        self._wanted = 0
        """Bytes needed before it is worth looking at what is held."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished frame."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames, as (kind, body), that `data` completes. Raises FrameError on a length out of bounds.

        Lazy, so that a limit raised on account of one frame holds for the next.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return
            data = bytes(self._held)
            self._held.clear()
        position, end = 0, len(data)
        self._wanted = _LENGTH_BYTES + 1
        while end - position > _LENGTH_BYTES:
            size, kind = _HEADER.unpack_from(data, position)
            if not 1 <= size <= self.size_max:
                raise FrameError(f"frame of {size} bytes; at most {self.size_max} are allowed")
            frame_end = position + _LENGTH_BYTES + size
            if frame_end > end:
                self._wanted = frame_end - position
                break
            yield kind, data[position + _LENGTH_BYTES + 1 : frame_end]
            position = frame_end
        if position < end:
            self._held += data[position:]
