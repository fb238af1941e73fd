"""One frame at a time to each peer, everything that waits in the next, and a dead peer delays only itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from axl.client import Neighbour, ReceivedMessage, Topology
from axl.errors import AxlUnavailable, PeerUnreachable
from mesh_core import config
from mesh_core.io import axl_transport as module
from mesh_core.io.axl_transport import AxlTransport, WrongKeyError
from mesh_core.wire.messages import Advertise, Message, Nack

ALICE, BOB, ME = b"a" * 32, b"b" * 32, b"m" * 32


def urgent(number: int) -> Message:
    return Nack(number)


def normal(number: int, size: int = 8) -> Message:
    return Advertise((number.to_bytes(size, "big"),))


def number_of(message: Message) -> int:
    return message.number if isinstance(message, Nack) else int.from_bytes(message.hashes[0], "big")


class FakeClient:
    """An AXL client whose every answer waits for the test."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, list[int]]] = []
        self.on_send: Callable[[bytes], Awaitable[None]] | None = None
        self.inbox: asyncio.Queue[list[ReceivedMessage] | Exception] = asyncio.Queue()
        self.topologies: asyncio.Queue[Topology | Exception] = asyncio.Queue()

    async def send(self, peer: bytes, body: bytes) -> None:
        self.sent.append((peer, list(body)))
        if self.on_send is not None:
            await self.on_send(peer)

    def post(self, peer: bytes, body: bytes) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.send(peer, body))

    async def receive(self, *, wait_s: float, max_messages: int) -> list[ReceivedMessage]:
        answer = await self.inbox.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def topology(self, *, wait_s: float = 0.0, version: int | None = None) -> Topology:
        answer = await self.topologies.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def seal(to: bytes, messages: Sequence[Message]) -> tuple[bytes, int]:
    """A frame that shows the numbers of at most ten messages."""
    taken = messages[:10]
    return bytes(number_of(message) for message in taken), len(taken)


class Link:
    """A transport and everything that comes out of it."""

    def __init__(self) -> None:
        self.client = FakeClient()
        self.frames: list[bytes] = []
        self.neighbours: list[dict[bytes, bool]] = []
        self.problems: list[str] = []
        self.twins: list[str] = []
        self.heard = asyncio.Event()
        self.transport = AxlTransport(
            self.client,
            seal,
            lambda frames: (self.frames.extend(frames), self.heard.set())[0],
            lambda shown: (self.neighbours.append(shown), self.heard.set())[0],
            self.problems.append,
            self.twins.append,
        )

    async def hear(self) -> None:
        async with asyncio.timeout(5):
            await self.heard.wait()
        self.heard.clear()

    async def turn(self) -> None:
        self.transport.flush()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    made = Link()
    yield made
    await made.transport.close()


def topology(**peers: Neighbour) -> Topology:
    return Topology(ME, 1, (), {name.encode() * 32: neighbour for name, neighbour in peers.items()})


async def test_what_is_sent_before_a_flush_leaves_as_one_frame_for_each_peer(link: Link) -> None:
    for number in (1, 2, 3):
        link.transport.send(ALICE, normal(number))
    link.transport.send(BOB, normal(4))
    assert link.client.sent == []
    await link.turn()
    assert link.client.sent == [(ALICE, [1, 2, 3]), (BOB, [4])]
    counters = link.transport.counters
    assert (counters.frames_out, counters.messages_out, counters.bytes_out) == (2, 4, 4)


async def test_what_queues_while_a_frame_is_under_way_is_the_next_frame(link: Link) -> None:
    gate = asyncio.Event()
    link.client.on_send = lambda peer: gate.wait()
    link.transport.send(ALICE, normal(1))
    await link.turn()
    for number in (2, 3, 4):
        link.transport.send(ALICE, normal(number))
        await link.turn()
    assert link.client.sent == [(ALICE, [1])]
    gate.set()
    await link.turn()
    assert link.client.sent == [(ALICE, [1]), (ALICE, [2, 3, 4])]


async def test_membership_goes_first(link: Link) -> None:
    for message in (normal(1), urgent(2), normal(3), urgent(4)):
        link.transport.send(ALICE, message)
    await link.turn()
    assert link.client.sent == [(ALICE, [2, 4, 1, 3])]


async def test_more_than_a_frame_holds_follows_at_once_and_in_order(link: Link) -> None:
    for number in range(25):
        link.transport.send(ALICE, normal(number))
    await link.transport.flushed()
    assert [numbers for _, numbers in link.client.sent] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]
    assert link.transport.queued() == (0, 0)


async def test_a_dead_peer_delays_only_itself(link: Link) -> None:
    stuck = asyncio.Event()

    async def send(peer: bytes) -> None:
        if peer == ALICE:
            await stuck.wait()

    link.client.on_send = send
    link.transport.send(ALICE, normal(1))
    for number in (2, 3):
        link.transport.send(BOB, normal(number))
        await link.turn()
    assert link.client.sent == [(ALICE, [1]), (BOB, [2]), (BOB, [3])]


async def test_a_frame_that_cannot_be_delivered_is_gone_and_the_peer_left_alone_for_a_moment(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_MIN_S", 3600.0)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 3600.0)

    async def refuse(peer: bytes) -> None:
        raise PeerUnreachable(peer, "dead")

    link.client.on_send = refuse
    link.transport.send(ALICE, normal(1))
    await link.turn()
    link.transport.send(ALICE, normal(2))
    await link.turn()
    assert link.client.sent == [(ALICE, [1])]
    assert link.transport.failures == {"peer_unreachable": 1}
    assert link.transport.counters.frames_undelivered == 1


async def test_a_peer_that_is_seen_again_is_tried_at_once(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_MIN_S", 3600.0)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 3600.0)

    async def refuse(peer: bytes) -> None:
        raise PeerUnreachable(peer, "dead")

    link.client.on_send = refuse
    link.transport.start()
    link.transport.send(ALICE, normal(1))
    await link.turn()
    link.transport.send(ALICE, normal(2))
    link.client.on_send = None
    link.client.topologies.put_nowait(topology(a=Neighbour(True, True, "")))
    await link.hear()
    await link.turn()
    assert link.client.sent == [(ALICE, [1]), (ALICE, [2])]


async def test_what_waits_for_a_peer_is_bounded_and_the_oldest_goes(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(config._LIMIT, "queue_bytes_max", 1000)
    gate = asyncio.Event()
    link.client.on_send = lambda peer: gate.wait()
    link.transport.send(ALICE, normal(0))
    await link.turn()
    link.transport.send(ALICE, urgent(200))
    for number in range(1, 100):
        link.transport.send(ALICE, normal(number, size=100))
    messages, size = link.transport.queued()
    assert size <= 1000
    assert link.transport.counters.messages_dropped == 100 - messages
    gate.set()
    await link.transport.flushed()
    assert link.client.sent[1] == (ALICE, [200, *range(101 - messages, 100)])


async def test_peers_that_come_and_go_leave_no_lanes_behind_and_busy_ones_stay(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(config._LIMIT, "members_max", 10)
    gate = asyncio.Event()
    link.client.on_send = lambda peer: gate.wait() if peer == ALICE else asyncio.sleep(0)
    link.transport.send(ALICE, normal(1))
    for number in range(90):
        link.transport.send(bytes([number]) * 32, normal(2))
        await link.turn()
    assert len(link.transport._lanes) == 10
    link.transport.send(ALICE, normal(3))
    gate.set()
    await link.transport.flushed()
    assert [numbers for peer, numbers in link.client.sent if peer == ALICE] == [[1], [3]]


async def test_frames_are_handed_on_in_order(link: Link) -> None:
    link.transport.start()
    link.client.inbox.put_nowait([ReceivedMessage(b"", b"one"), ReceivedMessage(b"", b"two")])
    await link.hear()
    link.client.inbox.put_nowait([])
    link.client.inbox.put_nowait([ReceivedMessage(b"", b"three")])
    await link.hear()
    assert link.frames == [b"one", b"two", b"three"]
    assert (link.transport.counters.frames_in, link.transport.counters.bytes_in) == (3, 11)


async def test_an_axl_node_that_goes_away_is_named_and_its_return_noticed(link: Link) -> None:
    link.transport.start()
    link.client.inbox.put_nowait(AxlUnavailable("the AXL bridge is gone"))
    link.client.inbox.put_nowait([ReceivedMessage(b"", b"back")])
    await link.hear()
    assert link.frames == [b"back"]
    link.client.topologies.put_nowait(AxlUnavailable("the AXL bridge is gone"))
    link.client.topologies.put_nowait(topology(a=Neighbour(True, True, "")))
    await link.hear()
    assert link.problems == ["AXL node: the AXL bridge is gone", ""]


async def test_a_twin_of_the_axl_node_is_passed_on(link: Link) -> None:
    link.transport.start()
    for twin in ("", "at 127.0.0.1:9107"):
        link.client.topologies.put_nowait(
            Topology(ME, 1, (), {b"t" * 32: Neighbour(bool(twin), True, "")}, twin)
        )
    await link.hear()
    assert link.twins == ["", "at 127.0.0.1:9107"]


async def test_neighbours_are_told_when_they_change(link: Link) -> None:
    link.transport.start()
    up, detached, down = Neighbour(True, True, ""), Neighbour(True, False, ""), Neighbour(False, True, "")
    for shown in (topology(a=up, b=down), topology(a=up), topology(a=detached)):
        link.client.topologies.put_nowait(shown)
    link.client.topologies.put_nowait(AxlUnavailable("gone"))
    link.client.topologies.put_nowait(topology(a=up))
    async with asyncio.timeout(5):
        while len(link.neighbours) < 4:
            await link.hear()
    assert link.neighbours == [{ALICE: True}, {ALICE: False}, {}, {ALICE: True}]


async def test_it_waits_for_its_axl_node_and_refuses_another_key(link: Link) -> None:
    link.client.topologies.put_nowait(AxlUnavailable("not yet"))
    link.client.topologies.put_nowait(topology())
    await link.transport.connect(ME)
    assert link.problems == ["AXL node: not yet", ""]
    link.client.topologies.put_nowait(topology())
    with pytest.raises(WrongKeyError, match="both must use the same key file"):
        await link.transport.connect(ALICE)
