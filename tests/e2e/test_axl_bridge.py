"""The HTTP API of a real node, as any client sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from axl import batch, keys
from axl.config import NodeConfig
from tests.e2e.axl_nodes import ANYWHERE, Member, Members, members


@pytest.fixture
async def mesh() -> AsyncIterator[Members]:
    async with members() as made:
        yield made


@pytest.fixture
async def ann(mesh: Members) -> Member:
    return await mesh.start()


@pytest.fixture
async def http(ann: Member) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=ann.node.bridge_url, verify=False) as client:
        yield client


def to(peer: bytes) -> dict[str, str]:
    return {"X-Destination-Peer-Id": peer.hex()}


async def test_the_topology_is_the_go_nodes_and_more(
    mesh: Members, ann: Member, http: httpx.AsyncClient
) -> None:
    ben = await mesh.start(ann.endpoint)
    await ann.see({ben.peer})
    response = await http.get("/topology")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["our_public_key"] == ann.peer.hex()
    assert document["our_ipv6"] == keys.address_of(ann.peer)
    assert document["listen"] == [str(ann.endpoint)]
    assert document["drops"] == 0
    [peer] = document["peers"]
    assert peer["uri"].startswith("tls://127.0.0.1:")
    assert {name: peer[name] for name in ("up", "inbound", "public_key", "attached")} == {
        "up": True,
        "inbound": True,
        "public_key": ben.peer.hex(),
        "attached": False,
    }
    assert {"root", "port", "coords"} < peer.keys()
    assert [branch["public_key"] for branch in document["tree"]] == [ann.peer.hex(), ben.peer.hex()]
    [seen_by_ben] = (await ben.document())["peers"]
    assert seen_by_ben["uri"] == str(ann.endpoint)
    assert not seen_by_ben["inbound"]


async def test_a_waiting_topology_is_answered_when_its_version_is_past(
    mesh: Members, ann: Member, http: httpx.AsyncClient
) -> None:
    version = (await http.get("/topology")).json()["version"]
    waiting = asyncio.create_task(http.get("/topology", params={"wait": 30, "version": version}))
    ben = await mesh.start(ann.endpoint)
    changed = (await waiting).json()
    assert changed["version"] > version
    assert [peer["public_key"] for peer in changed["peers"]] == [ben.peer.hex()]
    old = await http.get("/topology", params={"wait": 30, "version": version})
    assert old.json()["peers"]


async def test_a_waiting_topology_is_answered_when_its_time_is_up(http: httpx.AsyncClient) -> None:
    version = (await http.get("/topology")).json()["version"]
    response = await http.get("/topology", params={"wait": 0.01, "version": version})
    assert response.json()["version"] == version


async def test_recv_without_parameters_is_the_go_nodes(ann: Member, http: httpx.AsyncClient) -> None:
    empty = await http.get("/recv")
    assert (empty.status_code, empty.content) == (204, b"")
    await http.post("/send", headers=to(ann.peer), content=b"one")
    await http.post("/send", headers=to(ann.peer), content=b"two")
    first, second = await http.get("/recv"), await http.get("/recv")
    assert (first.status_code, first.content, second.content) == (200, b"one", b"two")
    assert first.headers["x-from-peer-id"] == ann.peer.hex()
    assert first.headers["content-type"] == "application/octet-stream"
    assert not (await ann.client.topology()).peers


async def test_recv_with_max_gives_a_batch(ann: Member, http: httpx.AsyncClient) -> None:
    for body in (b"one", b"", b"three"):
        await http.post("/send", headers=to(ann.peer), content=body)
    response = await http.get("/recv", params={"max": 2})
    assert response.headers["content-type"] == "application/x-axl-batch"
    assert response.content == ann.peer + b"\0\0\0\3one" + ann.peer + b"\0\0\0\0"
    rest = await http.get("/recv", params={"max": 64, "wait": 0})
    assert list(batch.decode(rest.content)) == [(ann.peer, b"three")]
    assert (await http.get("/recv", params={"max": 64})).status_code == 204


async def test_recv_with_wait_is_answered_by_the_next_message(ann: Member, http: httpx.AsyncClient) -> None:
    waiting = asyncio.create_task(http.get("/recv", params={"wait": 30}))
    await ann.client.send(ann.peer, b"at last")
    response = await waiting
    assert (response.content, response.headers["x-from-peer-id"]) == (b"at last", ann.peer.hex())
    nothing = await http.get("/recv", params={"wait": "0.01"})
    assert (nothing.status_code, nothing.headers["x-axl-waited"]) == (204, "1")


async def test_a_message_is_not_given_to_a_client_that_is_gone(ann: Member, http: httpx.AsyncClient) -> None:
    _, impatient = await start_waiting(ann, http)
    impatient.transport.abort()
    await http.post("/send", headers=to(ann.peer), content=b"for the patient")
    assert (await http.get("/recv", params={"wait": 30})).content == b"for the patient"


async def test_send_says_how_much_it_sent(ann: Member, http: httpx.AsyncClient) -> None:
    response = await http.post("/send", headers=to(ann.peer), content=b"12345")
    assert (response.status_code, response.headers["x-sent-bytes"], response.content) == (200, "5", b"")


async def test_a_chunked_body_is_sent_like_any_other(ann: Member, http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(100):
            yield b"%d," % number

    response = await http.post("/send", headers=to(ann.peer), content=chunks())
    assert response.status_code == 200
    assert (await http.get("/recv")).content == b"".join([b"%d," % number for number in range(100)])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("POST", "/send", {}, 400, "Missing X-Destination-Peer-Id header"),
        ("POST", "/send", {"X-Destination-Peer-Id": "abc"}, 400, "Invalid destination peer ID"),
        ("POST", "/send", to(bytes(32)), 502, "it is not a neighbour of this node"),
        ("GET", "/mcp/", {}, 404, "/topology, /send, /recv and /stream"),
        ("GET", "/", {}, 404, "/topology, /send, /recv and /stream"),
        ("GET", "/recv?wait=soon", {}, 400, "wait has to be a number of seconds"),
        ("GET", "/recv?wait=-1", {}, 400, "wait has to be a number of seconds"),
        ("GET", "/recv?wait=nan&max=1", {}, 400, "wait has to be a number of seconds"),
        ("GET", "/recv?max=1e9", {}, 400, "max has to be a whole number"),
        ("GET", "/topology?wait=1&version=x", {}, 400, "version has to be a whole number"),
    ],
)
async def test_what_makes_no_sense_is_answered_in_one_line(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    response = await http.request(method, path, headers=headers)
    assert response.status_code == status
    assert words in response.text
    assert response.text.count("\n") == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/send", "POST"),
        ("POST", "/recv", "GET"),
        ("DELETE", "/topology", "GET"),
        ("HEAD", "/recv", "GET"),
    ],
)
async def test_another_method_than_the_right_one_is_not_allowed(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert (await http.get("/topology")).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9002", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:9", "[::1]:9002"]
)
async def test_a_loopback_host_is_welcome(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/topology", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:9002"},
        {"Host": "10.0.0.1:9002"},
        {"Host": "localhost:9002, evil.example"},
        {"Host": "[::2]"},
        {"Host": "evil@127.0.0.1"},
        {"Host": "evil@127.0.0.1:9002"},
        {"Host": "127.0.0.1:evil"},
        {"Host": ""},
        {"Origin": "http://localhost:9002"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("path", ["/topology", "/recv", "/send"])
async def test_web_pages_and_other_machines_are_refused(
    ann: Member, http: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    await http.post("/send", headers=to(ann.peer), content=b"secret")
    method = "POST" if path == "/send" else "GET"
    response = await http.request(method, path, headers={**to(ann.peer), **headers})
    assert response.status_code == 403
    assert (await http.get("/recv")).content == b"secret"
    assert (await http.get("/recv")).status_code == 204


@pytest.mark.parametrize(
    "hosts",
    [
        b"Host: localhost\r\nHost: evil.example\r\n",
        b"Host: evil.example\r\nHost: localhost\r\n",
        b"Host: localhost\r\nHost: localhost\r\n",
        b"",
    ],
)
async def test_a_request_names_exactly_one_host(ann: Member, hosts: bytes) -> None:
    address, _, port = ann.node.bridge_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    writer.write(b"GET /topology HTTP/1.1\r\n" + hosts + b"\r\n")
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


async def test_a_bridge_told_to_listen_elsewhere_goes_by_that_address_too(mesh: Members) -> None:
    elsewhere = await mesh.start(config=NodeConfig(listen=(ANYWHERE,), bridge_addr="127.0.0.1"))
    wildcard = await mesh.start(config=NodeConfig(bridge_addr="0.0.0.0"))
    for member, host, status in (
        (elsewhere, "127.0.0.1:1", 200),
        (wildcard, "0.0.0.0:1", 403),
        (wildcard, "192.168.1.7:1", 403),
        (wildcard, "localhost", 200),
    ):
        port = member.node.bridge_url.rpartition(":")[2]
        async with httpx.AsyncClient(verify=False) as client:
            response = await client.get(f"http://127.0.0.1:{port}/topology", headers={"Host": host})
        assert response.status_code == status, host


async def test_a_message_over_the_limit_is_refused(mesh: Members) -> None:
    small = await mesh.start(config=replace(NodeConfig(), max_message_size=10))
    async with httpx.AsyncClient(base_url=small.node.bridge_url, verify=False) as client:
        refused = await client.post("/send", headers=to(small.peer), content=b"elevenbytes")
        assert refused.status_code == 413
        taken = await client.post("/send", headers=to(small.peer), content=b"ten bytes!")
        assert taken.status_code == 200


async def test_waiting_readers_are_served_in_the_order_they_came(
    ann: Member, http: httpx.AsyncClient
) -> None:
    readers = [await start_waiting(ann, http) for _ in range(3)]
    for number in range(3):
        await ann.client.send(ann.peer, b"%d" % number)
    for number, (reader, writer) in enumerate(readers):
        assert b"Content-Length: 1" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(1) == b"%d" % number
        writer.close()


async def start_waiting(
    member: Member, http: httpx.AsyncClient
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request for messages is known to wait."""
    host, _, port = member.node.bridge_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /recv?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await http.get("/topology")  # what was sent before is read before
    return reader, writer
