"""The duplex form of the bridge: one connection on which messages go both ways, for clients that know this node.

It costs each side one wake-up where `/send` and `/recv` cost several: what happens in one turn of an event loop travels in
one write. A client asks for it by an upgrade (RFC 9110 §7.8) of `GET /stream`; the Go node answers 404. Afterwards there
are frames as on a link (`axl.frames`) of the kinds below. A client is given messages as far as it has granted credit for
their bytes: what it does not take waits, and drowns, in the node's inbox.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence

from axl.frames import FrameError, header
from axl.keys import PEER_ID_BYTES

PATH = b"/stream"
UPGRADE = b"axl-stream"
LIMIT_HEADER = b"x-axl-message-bytes-max"
"""Says in the answer how large a message may be."""

SEND_HEAD_BYTES = 4 + PEER_ID_BYTES
FRAME_OVERHEAD_BYTES = 1 + SEND_HEAD_BYTES
MESSAGE_OVERHEAD_BYTES = 200
"""What a message costs of the credit on top of its body, so that credit bounds tiny messages too."""

_SEND = struct.Struct(">I32s")
_NUMBER = struct.Struct(">I")


class Kind(enum.IntEnum):
    """Kinds of frames, and who sends them when."""

    SEND = 1  # client: a message for a peer, with a number of the client's choice
    RECEIVE = 2  # client: so many more bytes of messages may come
    SENT = 3  # node: the numbers of messages that are in their peers' inboxes
    FAILED = 4  # node: the number of a message that is not known to be, and why
    MESSAGE = 5  # node: a message, with its sender's key
    RECEIVING = 6  # node: credit has come, and what lay there has been sent as far as it goes


def encode_send(number: int, peer: bytes, body: bytes) -> bytes:
    """A message to `peer`."""
    return header(Kind.SEND, SEND_HEAD_BYTES + len(body)) + _SEND.pack(number, peer) + body


def decode_send(frame: bytes) -> tuple[int, bytes, bytes]:
    """(number, peer, body). Raises FrameError."""
    if len(frame) < SEND_HEAD_BYTES:
        raise FrameError("a message to send without number and peer")
    number, peer = _SEND.unpack_from(frame)
    return number, peer, frame[SEND_HEAD_BYTES:]


def encode_receive(credit_bytes: int) -> bytes:
    """So many more bytes of messages may come."""
    return header(Kind.RECEIVE, _NUMBER.size) + _NUMBER.pack(credit_bytes)


def decode_receive(frame: bytes) -> int:
    """The credit in bytes. Raises FrameError."""
    return _number(frame)


def encode_sent(numbers: Sequence[int]) -> bytes:
    """Messages that have arrived."""
    return header(Kind.SENT, _NUMBER.size * len(numbers)) + struct.pack(f">{len(numbers)}I", *numbers)


def decode_sent(frame: bytes) -> tuple[int, ...]:
    """Their numbers. Raises FrameError."""
    if len(frame) % _NUMBER.size:
        raise FrameError("numbers of messages that end in the middle of one")
    return struct.unpack(f">{len(frame) // _NUMBER.size}I", frame)


def encode_failed(number: int, reason: str) -> bytes:
    """A message that is not known to have arrived."""
    text = reason.encode()
    return header(Kind.FAILED, _NUMBER.size + len(text)) + _NUMBER.pack(number) + text


def decode_failed(frame: bytes) -> tuple[int, str]:
    """(number, reason). Raises FrameError."""
    return _number(frame[: _NUMBER.size]), frame[_NUMBER.size :].decode("utf-8", "replace")


def encode_message(sender: bytes, body: bytes) -> bytes:
    """A message from `sender`."""
    return header(Kind.MESSAGE, PEER_ID_BYTES + len(body)) + sender + body


def decode_message(frame: bytes) -> tuple[bytes, bytes]:
    """(sender, body). Raises FrameError."""
    if len(frame) < PEER_ID_BYTES:
        raise FrameError("a message without its sender")
    return frame[:PEER_ID_BYTES], frame[PEER_ID_BYTES:]


def _number(frame: bytes) -> int:
    if len(frame) != _NUMBER.size:
        raise FrameError(f"a number of {len(frame)} bytes")
    number: int = _NUMBER.unpack(frame)[0]
    return number
