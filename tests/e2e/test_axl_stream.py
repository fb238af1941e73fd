"""The stream between a client and its node, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from axl import client_stream, stream
from axl.client import AxlClient
from axl.config import NodeConfig
from axl.errors import AxlError, AxlUnavailable, PeerUnreachable
from axl.frames import FrameReader
from axl.node import Node
from tests.e2e.axl_nodes import PATIENCE_S, Member, Members, members, until

UPGRADE = b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: axl-stream\r\n\r\n"


@pytest.fixture
async def mesh() -> AsyncIterator[Members]:
    async with members() as made:
        yield made


@pytest.fixture
async def ann(mesh: Members) -> Member:
    return await mesh.start()


class BareClient:
    """A client's end of a stream, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameReader(2**31)
        self._unread: list[tuple[int, bytes]] = []

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(PATIENCE_S):
            while not self._unread:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self._unread += self._frames.feed(data)
        return self._unread.pop(0)


async def bare(member: Member, request: bytes = UPGRADE) -> tuple[bytes, BareClient]:
    """What the node answers, and the connection."""
    host, _, port = member.node.bridge_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    return await reader.readuntil(b"\r\n\r\n"), BareClient(reader, writer)


async def test_an_upgrade_is_answered_with_the_largest_message(ann: Member) -> None:
    head, one = await bare(ann)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nUpgrade: axl-stream\r\n" in head
    assert b"\r\nx-axl-message-bytes-max: 16777216\r\n" in head
    one.writer.close()


async def test_who_does_not_ask_for_the_upgrade_is_told_to(ann: Member) -> None:
    async with httpx.AsyncClient(base_url=ann.node.bridge_url, verify=False) as http:
        response = await http.get("/stream")
    assert (response.status_code, response.headers["upgrade"]) == (426, "axl-stream")


@pytest.mark.parametrize("line", [b"Origin: http://localhost", b"Sec-Fetch-Mode: websocket"])
async def test_a_web_page_gets_no_stream(ann: Member, line: bytes) -> None:
    head, one = await bare(ann, UPGRADE.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n"))
    assert b" 403 " in head.partition(b"\r\n")[0]
    one.writer.close()


async def test_what_is_sent_behind_the_upgrade_counts(ann: Member) -> None:
    frames = stream.encode_receive(1000) + stream.encode_send(5, ann.peer, b"to myself")
    _, one = await bare(ann, UPGRADE + frames)
    kinds = [await one.frame() for _ in range(3)]
    assert (stream.Kind.RECEIVING, b"") in kinds
    assert (stream.Kind.SENT, (5).to_bytes(4)) in kinds
    assert (stream.Kind.MESSAGE, ann.peer + b"to myself") in kinds
    one.writer.close()


async def test_no_more_comes_than_credit_was_granted_for(ann: Member) -> None:
    for number in range(5):
        await ann.client.send(ann.peer, bytes([number]) * 100)
    _, one = await bare(ann, UPGRADE + stream.encode_receive(301))
    assert [(await one.frame())[1][32:33] for _ in range(2)] == [b"\0", b"\1"]
    assert await one.frame() == (stream.Kind.RECEIVING, b"")
    one.writer.write(stream.encode_receive(1000))
    assert [(await one.frame())[1][32:33] for _ in range(3)] == [b"\2", b"\3", b"\4"]
    one.writer.close()


@pytest.mark.parametrize(
    "broken",
    [
        b"\0\0\0\1\x09",  # a kind that is none
        b"\0\0\0\2\x02\x00",  # credit cut short
        b"\0\0\0\0",  # an empty frame
        b"\xff\xff\xff\xff\x01",  # a message larger than any
    ],
    ids=["kind", "credit", "empty", "huge"],
)
async def test_who_breaks_the_rules_loses_the_connection_and_nobody_else(ann: Member, broken: bytes) -> None:
    _, one = await bare(ann, UPGRADE + broken + b"\0\0")
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            await one.frame()
    await ann.client.send(ann.peer, b"still here")
    assert [message.body for message in await ann.receive(1)] == [b"still here"]


async def test_a_client_that_only_sends_takes_nobody_elses_messages(ann: Member) -> None:
    sender = AxlClient(ann.node.bridge_url)
    await sender.send(ann.peer, b"one")
    assert (await ann.get(b"/recv")).body == b"one"
    await sender.aclose()


async def test_a_client_is_attached_from_its_first_receive_to_its_end(mesh: Members, ann: Member) -> None:
    ben = await mesh.start(ann.endpoint)
    await ann.see({ben.peer})
    assert await ben.client.receive(wait_s=0) == []
    await until(ann.client, lambda topology: topology.peers[ben.peer].attached)
    await ben.client.aclose()
    await until(ann.client, lambda topology: not topology.peers[ben.peer].attached)


async def test_what_lay_there_is_received_without_waiting(ann: Member) -> None:
    for body in (b"one", b"two"):
        await ann.client.send(ann.peer, body)
    assert [message.body for message in await ann.client.receive(wait_s=0)] == [b"one", b"two"]
    assert await ann.client.receive(wait_s=0) == []
    assert await ann.client.receive(wait_s=0.01) == []


async def test_much_more_than_the_credit_arrives_in_order(
    ann: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_stream, "CREDIT_BYTES", 10_000)
    sender = AxlClient(ann.node.bridge_url)
    bodies = [b"%d" % number * 300 for number in range(200)]
    await asyncio.gather(*(sender.send(ann.peer, body) for body in bodies))
    assert [message.body for message in await ann.receive(len(bodies))] == bodies
    await sender.aclose()


async def test_a_message_over_the_limit_is_refused_and_the_stream_goes_on(mesh: Members) -> None:
    small = await mesh.start(config=replace(NodeConfig(), max_message_size=10))
    with pytest.raises(AxlError, match="a message of 11 bytes; at most 10 are allowed"):
        await small.client.send(small.peer, b"elevenbytes")
    await small.client.send(small.peer, b"ten bytes!")
    with pytest.raises(PeerUnreachable, match="it is not a neighbour"):
        await small.client.send(bytes(32), b"")


async def test_a_node_that_ends_ends_what_is_under_way_and_a_new_one_is_found(mesh: Members) -> None:
    ann = await mesh.start()
    await ann.client.send(ann.peer, b"")
    assert len(await ann.client.receive(wait_s=1)) == 1
    receiving = asyncio.create_task(ann.client.receive(wait_s=PATIENCE_S))
    await asyncio.sleep(0)
    port = int(ann.node.bridge_url.rpartition(":")[2])
    ann.close()
    with pytest.raises(AxlUnavailable):
        await receiving
    with pytest.raises(AxlUnavailable):
        await ann.client.send(ann.peer, b"into the void")
    again = Node(replace(NodeConfig(), api_port=port), ann.key)
    await again.serve()
    await ann.client.send(ann.peer, b"back")
    assert [message.body for message in await ann.client.receive(wait_s=PATIENCE_S)] == [b"back"]
    again.close()
