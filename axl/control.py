"""The bodies of all frames but messages: who is there, where nodes listen, what has arrived.

Decoding is strict: what is missing, left over or out of bounds is a FrameError, never a guess.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from axl.endpoint import Endpoint, EndpointError, parse_endpoint
from axl.frames import CONTROL_FRAME_BYTES_MAX, FrameError, Kind, frame
from axl.keys import PEER_ID_BYTES, SIGNATURE_BYTES

PROTOCOL_VERSION = 1
NONCE_BYTES = 32
INSTANCE_BYTES = 8
ENDPOINTS_PER_PEER_MAX = 4
NEIGHBOURS_PER_FRAME_MAX = 128

_COUNT = struct.Struct(">I")


class Refusal(enum.IntEnum):
    """Why a link is not wanted, though the other side's key is proven."""

    SAME_NODE = 1
    LINKED = 2
    CROSSED = 3
    FULL = 4
    TWIN = 5

    @property
    def is_redundant(self) -> bool:
        """Whether nothing is wrong: the two have another link, or will in a moment."""
        return self in {Refusal.LINKED, Refusal.CROSSED}

    def __str__(self) -> str:
        return _REFUSALS[self]


_REFUSALS = {
    Refusal.SAME_NODE: "both ends are the same node",
    Refusal.LINKED: "there is a link already",
    Refusal.CROSSED: "both sides dialled at once",
    Refusal.TWIN: "another node runs with the same key, and has the link",
    Refusal.FULL: "there are as many neighbours as max_concurrent_conns allows",
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The listener's first frame. `instance` names its process, so that a restart is told from a duplicate."""

    instance: bytes
    nonce: bytes

    def encode(self) -> bytes:
        """The frame."""
        return frame(Kind.CHALLENGE, bytes([PROTOCOL_VERSION]) + self.instance + self.nonce)


def decode_challenge(body: bytes) -> Challenge:
    """Inverse of `Challenge.encode`, from the body. Raises FrameError."""
    _check_version(body)
    if len(body) != 1 + INSTANCE_BYTES + NONCE_BYTES:
        raise FrameError("malformed challenge")
    return Challenge(body[1 : 1 + INSTANCE_BYTES], body[1 + INSTANCE_BYTES :])


@dataclass(frozen=True, slots=True)
class Hello:
    """The dialler's first frame: who it is, proven by `signature`, and where it listens itself."""

    instance: bytes
    peer: bytes
    signature: bytes
    attached: bool
    listens: tuple[Endpoint, ...]

    def encode(self) -> bytes:
        """The frame."""
        fixed = bytes([PROTOCOL_VERSION]) + self.instance + self.peer + self.signature
        return frame(Kind.HELLO, fixed + _encode_presence(self.attached, self.listens))


def decode_hello(body: bytes) -> Hello:
    """Inverse of `Hello.encode`, from the body. Raises FrameError."""
    _check_version(body)
    reader = _BodyReader(body, 1)
    instance, peer, signature = (
        reader.take(INSTANCE_BYTES),
        reader.take(PEER_ID_BYTES),
        reader.take(SIGNATURE_BYTES),
    )
    attached, listens = reader.flag(), reader.endpoints()
    reader.end()
    return Hello(instance, peer, signature, attached, listens)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The listener's word that the link is up, and where it listens."""

    attached: bool
    listens: tuple[Endpoint, ...]

    def encode(self) -> bytes:
        """The frame."""
        return frame(Kind.WELCOME, _encode_presence(self.attached, self.listens))


def decode_welcome(body: bytes) -> Welcome:
    """Inverse of `Welcome.encode`, from the body. Raises FrameError."""
    reader = _BodyReader(body)
    welcome = Welcome(reader.flag(), reader.endpoints())
    reader.end()
    return welcome


def encode_refusal(refusal: Refusal) -> bytes:
    """The frame that turns a dialler away."""
    return frame(Kind.REFUSED, bytes([refusal]))


def decode_refusal(body: bytes) -> Refusal:
    """Inverse of `encode_refusal`, from the body. Raises FrameError."""
    try:
        return Refusal(int.from_bytes(body))
    except ValueError:
        raise FrameError("malformed refusal") from None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Where another node listens, as its neighbour knows it. Nothing vouches for it but the key shown there."""

    peer: bytes
    endpoints: tuple[Endpoint, ...]


def encode_neighbours(neighbours: Sequence[Neighbour]) -> bytes:
    """One frame, or several where there are many; no bytes for none."""
    return b"".join(
        frame(
            Kind.NEIGHBOURS,
            b"".join(
                n.peer + _encode_endpoints(n.endpoints)
                for n in neighbours[at : at + NEIGHBOURS_PER_FRAME_MAX]
            ),
        )
        for at in range(0, len(neighbours), NEIGHBOURS_PER_FRAME_MAX)
    )


def decode_neighbours(body: bytes) -> list[Neighbour]:
    """The neighbours in one frame's body. Raises FrameError."""
    if len(body) > CONTROL_FRAME_BYTES_MAX:
        raise FrameError("too long a list of neighbours")
    reader = _BodyReader(body)
    neighbours: list[Neighbour] = []
    while not reader.at_end:
        if len(neighbours) == NEIGHBOURS_PER_FRAME_MAX:
            raise FrameError("too many neighbours in one frame")
        neighbours.append(Neighbour(reader.take(PEER_ID_BYTES), reader.endpoints()))
    return neighbours


def encode_ack(count: int) -> bytes:
    """The frame that says `count` more messages are in the inbox."""
    return frame(Kind.ACK, _COUNT.pack(count))


def decode_ack(body: bytes) -> int:
    """Inverse of `encode_ack`, from the body. Raises FrameError."""
    if len(body) != _COUNT.size:
        raise FrameError("malformed acknowledgement")
    (count,) = _COUNT.unpack(body)
    return int(count)


def encode_attached(attached: bool) -> bytes:
    """The frame that says whether a client reads at this node."""
    return frame(Kind.ATTACHED, bytes([attached]))


def decode_flag(body: bytes) -> bool:
    """A body of one byte that is 0 or 1. Raises FrameError."""
    reader = _BodyReader(body)
    flag = reader.flag()
    reader.end()
    return flag


def _check_version(body: bytes) -> None:
    if not body or body[0] != PROTOCOL_VERSION:
        raise FrameError(f"it does not speak version {PROTOCOL_VERSION} of the link protocol")


def _encode_presence(attached: bool, listens: tuple[Endpoint, ...]) -> bytes:
    return bytes([attached]) + _encode_endpoints(listens)


def _encode_endpoints(endpoints: tuple[Endpoint, ...]) -> bytes:
    texts = [str(endpoint).encode() for endpoint in endpoints[:ENDPOINTS_PER_PEER_MAX]]
    return bytes([len(texts)]) + b"".join(bytes([len(text)]) + text for text in texts)


class _BodyReader:
    """Takes a frame's body apart from the front; whatever is missing or left over is a FrameError."""

    def __init__(self, body: bytes, position: int = 0) -> None:
        self._body = body
        self._position = position

    @property
    def at_end(self) -> bool:
        return self._position == len(self._body)

    def take(self, size: int) -> bytes:
        piece = self._body[self._position : self._position + size]
        if len(piece) != size:
            raise FrameError("frame ends too early")
        self._position += size
        return piece

    def flag(self) -> bool:
        value = self.take(1)[0]
        if value > 1:
            raise FrameError("malformed flag")
        return value == 1

    def endpoints(self) -> tuple[Endpoint, ...]:
        count = self.take(1)[0]
        if count > ENDPOINTS_PER_PEER_MAX:
            raise FrameError("too many endpoints of one node")
        return tuple(self._endpoint() for _ in range(count))

    def _endpoint(self) -> Endpoint:
        text = self.take(self.take(1)[0])
        try:
            endpoint = parse_endpoint(text.decode("ascii"))
        except (EndpointError, UnicodeDecodeError):
            raise FrameError("malformed endpoint") from None
        if not endpoint.is_numeric or endpoint.key is not None:
            # A name would make this node ask a stranger's resolver for a stranger's reasons.
            raise FrameError("endpoint told by a node must be an address in numbers")
        return endpoint

    def end(self) -> None:
        if not self.at_end:
            raise FrameError("frame is too long for what it holds")
