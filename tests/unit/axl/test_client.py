"""The client against a bridge like the Go node's, and against things that are no bridge."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from axl import client as client_module
from axl.client import AxlClient, Neighbour, ReceivedMessage
from axl.errors import AxlError, AxlUnavailable, PeerUnreachable
from tests.unit.axl.go_bridge import OUR_KEY, SENDER_HINT, GoBridge, listening

ANN, BEN = bytes([1]) * 32, bytes([2]) * 32


@pytest.fixture
async def go() -> AsyncIterator[GoBridge]:
    bridge = GoBridge()
    async with listening(bridge.serve) as url:
        bridge.url = url
        yield bridge


@pytest.fixture
async def client(go: GoBridge) -> AsyncIterator[AxlClient]:
    made = AxlClient(go.url, timeout_s=5)
    yield made
    await made.aclose()


async def test_messages_of_a_go_node_are_drained_one_by_one(go: GoBridge, client: AxlClient) -> None:
    go.inbox.extend([b"one", b"two", b"three"])
    assert await client.receive(wait_s=1) == [
        ReceivedMessage(SENDER_HINT, body) for body in (b"one", b"two", b"three")
    ]
    assert go.polls == 4


async def test_no_more_messages_are_taken_than_asked_for(go: GoBridge, client: AxlClient) -> None:
    go.inbox.extend([b"one", b"two", b"three"])
    assert [message.body for message in await client.receive(wait_s=1, max_messages=2)] == [b"one", b"two"]
    assert list(go.inbox) == [b"three"]


async def test_nothing_to_receive_is_an_empty_list(client: AxlClient) -> None:
    assert await client.receive(wait_s=0) == []
    assert await client.receive(wait_s=0.01) == []


async def test_a_go_node_is_asked_until_a_message_comes(
    go: GoBridge, client: AxlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "POLL_BUSY_S", 0)
    client.busy = True
    receiving = asyncio.create_task(client.receive(wait_s=30))
    for _ in range(3):
        go.asked.clear()
        await go.asked.wait()
    go.inbox.append(b"late")
    assert [message.body for message in await receiving] == [b"late"]


async def test_getting_busy_ends_a_quiet_pause_at_once(
    go: GoBridge, client: AxlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "POLL_QUIET_S", 3600)
    receiving = asyncio.create_task(client.receive(wait_s=3600))
    await go.asked.wait()
    go.inbox.append(b"urgent")
    client.busy = True
    assert client.busy
    assert [message.body for message in await asyncio.wait_for(receiving, 5)] == [b"urgent"]


async def test_a_chunked_message_is_received(go: GoBridge, client: AxlClient) -> None:
    go.is_chunked = True
    go.inbox.append(bytes(100_000))
    assert await client.receive(wait_s=1) == [ReceivedMessage(SENDER_HINT, bytes(100_000))]


async def test_a_message_is_sent_with_its_destination(go: GoBridge, client: AxlClient) -> None:
    await client.send(ANN, b"words")
    await client.send(ANN, b"")
    await client.send(BEN, bytes(1_000_000))
    assert go.sent == [(ANN.hex(), b"words"), (ANN.hex(), b""), (BEN.hex(), bytes(1_000_000))]


async def test_a_bad_gateway_means_that_the_peer_is_unreachable(go: GoBridge, client: AxlClient) -> None:
    go.send_answer = (502, {}, b"Failed to reach peer: no route\n")
    with pytest.raises(PeerUnreachable, match="no route") as caught:
        await client.send(ANN, b"words")
    assert caught.value.peer == ANN
    assert caught.value.why == "Failed to reach peer: no route"


async def test_no_connection_is_kept_for_a_peer_that_is_unreachable(go: GoBridge, client: AxlClient) -> None:
    await client.send(BEN, b"words")
    go.send_answer = (502, {}, b"")
    unreachable = [client.send(bytes([number]) * 32, b"words") for number in range(10, 30)]
    await asyncio.gather(*unreachable, return_exceptions=True)
    async with asyncio.timeout(10):
        while len(go.connections) > 1:
            await asyncio.wait(go.connections, return_when=asyncio.FIRST_COMPLETED)
    go.send_answer = (200, {}, b"")
    await client.send(ANN, b"words")


async def test_connections_are_kept_for_so_many_peers_and_no_more(
    go: GoBridge, client: AxlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PEERS_MAX", 3)
    for number in range(20):
        await client.send(bytes([number]) * 32, b"words")
    assert len(client._send_lines) == 3
    while len(go.connections) > 3:
        await asyncio.wait(go.connections, return_when=asyncio.FIRST_COMPLETED)


async def test_any_other_refusal_is_the_bridges(go: GoBridge, client: AxlClient) -> None:
    go.send_answer = (500, {}, b"Write data failed\n")
    with pytest.raises(AxlError, match="500 Write data failed") as caught:
        await client.send(ANN, b"words")
    assert not isinstance(caught.value, PeerUnreachable | AxlUnavailable)


async def test_a_peer_that_does_not_answer_holds_up_nobody_else(go: GoBridge) -> None:
    go.hangs_for = {ANN.hex()}
    client = AxlClient(go.url, timeout_s=0.2)
    stuck = [asyncio.create_task(client.send(ANN, b"%d" % number)) for number in range(20)]
    for _ in range(5):
        await client.send(BEN, b"words")
    assert not any(task.done() for task in stuck)
    failures = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(failure, PeerUnreachable) for failure in failures)
    await client.aclose()


async def test_messages_sent_one_after_the_other_arrive_in_that_order(
    go: GoBridge, client: AxlClient
) -> None:
    for number in range(50):
        await client.send(ANN, b"%d" % number)
    assert [body for _, body in go.sent] == [b"%d" % number for number in range(50)]


async def test_an_idle_connection_that_was_closed_is_replaced(go: GoBridge, client: AxlClient) -> None:
    go.closes_silently = True
    for _ in range(5):
        await client.send(ANN, b"words")
    assert len(go.sent) == 5


async def test_a_cancelled_request_leaves_no_answer_to_the_next(go: GoBridge, client: AxlClient) -> None:
    go.hangs_for = {ANN.hex()}
    sending = asyncio.create_task(client.send(ANN, b"first"))
    await client.send(BEN, b"other")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    go.hangs_for = set()
    go.send_answer = (502, {}, b"second's answer")
    with pytest.raises(PeerUnreachable, match="second's answer"):
        await client.send(ANN, b"second")


async def test_the_topology_of_a_go_node_has_no_version_and_everyone_up_is_attached(
    go: GoBridge, client: AxlClient
) -> None:
    go.peers = [
        {"uri": "tls://1.2.3.4:1", "up": True, "inbound": False, "public_key": ANN.hex()},
        {"uri": "tls://1.2.3.4:2", "up": False, "inbound": False, "public_key": BEN.hex()},
        {"uri": "tls://1.2.3.4:3", "up": False, "inbound": False, "public_key": ""},
    ]
    topology = await client.topology()
    assert topology.our_public_key == OUR_KEY
    assert topology.version is None
    assert topology.listen == ()
    assert topology.peers == {
        ANN: Neighbour(up=True, attached=True, uri="tls://1.2.3.4:1"),
        BEN: Neighbour(up=False, attached=False, uri="tls://1.2.3.4:2"),
    }


async def test_waiting_for_a_go_nodes_topology_ends_when_it_changes(
    go: GoBridge, client: AxlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "POLL_TOPOLOGY_S", 0)
    first = await client.topology(wait_s=30)
    assert first.peers == {}
    waiting = asyncio.create_task(client.topology(wait_s=30, version=first.version))
    for _ in range(3):
        go.asked.clear()
        await go.asked.wait()
    assert not waiting.done()
    go.peers = [{"uri": "tls://1.2.3.4:1", "up": True, "inbound": False, "public_key": ANN.hex()}]
    assert set((await waiting).peers) == {ANN}


async def test_a_bridge_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = AxlClient(f"http://127.0.0.1:{port}")
    for call in (client.send(ANN, b""), client.receive(wait_s=1), client.topology()):
        with pytest.raises(AxlUnavailable, match=f"http://127.0.0.1:{port} cannot be reached"):
            await call


async def test_a_bridge_that_hangs_is_unavailable() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(hang) as url:
        client = AxlClient(url, timeout_s=0.05)
        for call in (client.receive(wait_s=1), client.topology()):
            with pytest.raises(AxlUnavailable, match=r"no answer within 0\.05 s"):
                await call
        await client.aclose()


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", b"\x00" * 70_000],
    ids=range(3),
)
async def test_something_else_behind_the_port_is_an_error(greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(greeting)
        await reader.read()

    async with listening(greet) as url:
        client = AxlClient(url, timeout_s=5)
        with pytest.raises(AxlError):
            await client.topology()
        await client.aclose()


@pytest.mark.parametrize("url", ["127.0.0.1:9002", "https://127.0.0.1:9002", "http://"])
def test_a_url_that_is_none_of_a_bridge_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://host:port"):
        AxlClient(url)
