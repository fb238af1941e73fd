"""What a neighbour sends over its link: the same comes of it however the bytes are cut, and never an exception."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from axl import control, link
from axl.control import Challenge, Hello, Neighbour, Refusal, Welcome
from axl.endpoint import Endpoint
from axl.frames import Kind, frame
from axl.keys import PrivateKey, from_seed
from axl.link import Link
from tests.fuzz.mutate import by_bytes
from tests.fuzz.target import Target
from tests.fuzz.targets.pieces import CUT_BYTES, ways_to_cut
from tests.fuzz.wire import Wire, on_a_loop

KEY = from_seed(bytes(32))
_PEER = b"\x07" * 32
_HERE = Endpoint("127.0.0.1", 9001)


class _Owner:
    """A node that writes down what a link does to it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.key: PrivateKey = KEY
        self.instance = b"\1" * 8
        self.attached = True
        self.listens = (_HERE,)
        self.message_bytes_max = 4096

    def refusal(self, link: Link) -> Refusal | None:
        return Refusal.FULL if link.instance == b"f" * 8 else None

    def link_up(self, link: Link) -> None:
        self.seen.append("up")
        for number in range(3):
            link.send(b"message", _Fate(self, number))

    def __getattr__(self, name: str) -> Any:
        return lambda link, *args: self.seen.append((name, *args))


class _Fate:
    """Learns once what became of a message."""

    def __init__(self, owner: _Owner, number: int) -> None:
        self._owner, self._number, self._known = owner, number, False

    def sent(self) -> None:
        self._tell("sent")

    def failed(self, reason: str) -> None:
        self._tell(f"failed: {reason}")

    def _tell(self, fate: str) -> None:
        assert not self._known, "the fate of a message is told twice"
        self._known = True
        self._owner.seen.append((self._number, fate))


def run_link(data: bytes) -> None:
    """The first byte says which side dialled, the next ones how the rest is cut."""
    dialled = _HERE if data[:1] == b"d" else None
    seen = [
        on_a_loop(_converse(dialled, pieces))
        for pieces in ways_to_cut(data[1 : 1 + CUT_BYTES], data[1 + CUT_BYTES :])
    ]
    assert all(one == seen[0] for one in seen[1:]), "it matters how the bytes are cut"


async def _converse(dialled: Endpoint | None, pieces: list[bytes]) -> list[Any]:
    owner, wire = _Owner(), Wire()
    with (
        mock.patch.object(link, "verify", lambda *_: True),
        mock.patch.object(link, "key_in", lambda _: _PEER),
    ):
        one = Link(owner, dialled)  # type: ignore[arg-type]
        one.settled.add_done_callback(lambda settled: settled.exception())
        one.connection_made(wire)
        for piece in pieces:
            for start in range(0, len(piece), link.RECEIVE_BUFFER_BYTES):
                part = piece[start : start + link.RECEIVE_BUFFER_BYTES]
                one.get_buffer(-1)[: len(part)] = part
                one.buffer_updated(len(part))
        await asyncio.sleep(0)
        one.sweep(asyncio.get_running_loop().time())
        one.connection_lost(None)
        await asyncio.sleep(0)
    assert "up" not in owner.seen or sum(isinstance(fate[0], int) for fate in owner.seen if fate != "up") == 3
    return owner.seen


def link_seeds() -> list[bytes]:
    """Handshakes from both sides, and what follows."""
    chat = b"".join(
        (
            frame(Kind.MESSAGE, b"hello"),
            control.encode_ack(1),
            control.encode_attached(False),
            control.encode_neighbours([Neighbour(_PEER, (_HERE, Endpoint("::1", 1)))]),
            frame(Kind.PING),
            frame(Kind.PONG),
            frame(Kind.MESSAGE, b""),
            control.encode_ack(2),
        )
    )
    hello = Hello(b"\2" * 8, _PEER, bytes(64), True, (_HERE,)).encode()
    challenge = Challenge(b"\2" * 8, bytes(32)).encode()
    cut = bytes(CUT_BYTES)
    return [
        b"l" + cut + hello + chat,
        b"d" + cut + challenge + Welcome(True, (_HERE,)).encode() + chat,
        b"d" + cut + challenge + control.encode_refusal(Refusal.FULL),
        b"l" + cut + hello.replace(b"\2" * 8, b"f" * 8),
    ]


TARGETS = (
    Target(
        "link",
        "what an AXL node hears from a neighbour",
        run_link,
        link_seeds,
        by_bytes((*(bytes([0, 0, 0, 1, kind]) for kind in range(12)), b"\xff" * 4, bytes(5), b"\1" * 5)),
    ),
)
