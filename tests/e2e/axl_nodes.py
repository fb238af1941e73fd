"""AXL nodes inside the test's own event loop, with real sockets; and bare ends of links, for breaking rules."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from axl import control, keys
from axl.certificate import client_context, key_in
from axl.client import AxlClient, ReceivedMessage, Topology
from axl.config import NodeConfig
from axl.control import Hello
from axl.endpoint import Endpoint
from axl.errors import PeerUnreachable
from axl.frames import FrameReader, Kind
from axl.http_client import Line
from axl.http_message import Response
from axl.keys import PrivateKey
from axl.link import HELLO_DOMAIN
from axl.node import Node

PATIENCE_S = 20.0
ANYWHERE = Endpoint("127.0.0.1", 0)


@dataclass
class Member:
    """A node and a client of it."""

    key: PrivateKey
    node: Node
    client: AxlClient

    @property
    def peer(self) -> bytes:
        return self.key.peer

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens for links."""
        return self.node.listens[0]

    async def see(self, peers: set[bytes]) -> Topology:
        """Wait until the node is linked with exactly these."""
        return await until(self.client, lambda topology: set(topology.peers) == peers)

    async def receive(self, count: int) -> list[ReceivedMessage]:
        """Wait for that many messages."""
        received: list[ReceivedMessage] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(received) < count:
                received += await self.client.receive(wait_s=PATIENCE_S)
        return received

    async def document(self) -> dict[str, Any]:
        """All of `/topology`, as JSON."""
        response = await self.get(b"/topology")
        document: dict[str, Any] = json.loads(response.body)
        return document

    async def get(self, path: bytes) -> Response:
        """What the bridge answers."""
        parts = urlsplit(self.node.bridge_url)
        assert parts.hostname is not None
        assert parts.port is not None
        line = Line(parts.hostname, parts.port)
        response = await line.ask(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", PATIENCE_S)
        line.close()
        return response

    def close(self) -> None:
        self.node.close()


class Members:
    """Starts nodes, and ends all of them."""

    def __init__(self) -> None:
        self._started: list[Member] = []

    async def start(
        self,
        *peers: Endpoint,
        key: PrivateKey | None = None,
        config: NodeConfig | None = None,
        listens: bool = True,
    ) -> Member:
        key = key or keys.generate()
        config = replace(config or NodeConfig(listen=(ANYWHERE,) if listens else ()), api_port=0, peers=peers)
        node = Node(config, key)
        await node.serve()
        member = Member(key, node, AxlClient(node.bridge_url))
        self._started.append(member)
        return member

    async def end(self) -> None:
        for member in self._started:
            await member.client.aclose()
            member.close()


@asynccontextmanager
async def members() -> AsyncIterator[Members]:
    made = Members()
    yield made
    await made.end()


async def until(client: AxlClient, holds: Callable[[Topology], bool]) -> Topology:
    """Follow `/topology` until it is as wanted."""
    topology = await client.topology()
    async with asyncio.timeout(PATIENCE_S):
        while not holds(topology):
            topology = await client.topology(wait_s=PATIENCE_S, version=topology.version)
    return topology


async def why_unreachable(client: AxlClient, peer: bytes) -> str:
    """Send to a peer that cannot be reached; what the bridge says about it."""
    try:
        await client.send(peer, b"anybody there?")
    except PeerUnreachable as error:
        return error.why
    raise AssertionError("the message arrived")


class BareDialler:
    """The dialling end of a link, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stream = reader
        self._writer = writer
        self._frames = FrameReader(1 << 26)
        self._unread: list[tuple[int, bytes]] = []
        self.listener = key_in(writer.get_extra_info("ssl_object").getpeercert(True))

    @classmethod
    async def connect(cls, endpoint: Endpoint) -> BareDialler:
        reader, writer = await asyncio.open_connection(
            endpoint.host, endpoint.port, ssl=client_context(), server_hostname=""
        )
        return cls(reader, writer)

    @classmethod
    async def linked(cls, endpoint: Endpoint, key: PrivateKey, *listens: Endpoint) -> BareDialler:
        """A link that is up."""
        bare = await cls.connect(endpoint)
        bare.write((await bare.hello(key, *listens)).encode())
        await bare.next(Kind.WELCOME)
        return bare

    async def hello(self, key: PrivateKey, *listens: Endpoint) -> Hello:
        """The hello that answers the listener's challenge, as it should be."""
        challenge = control.decode_challenge(await self.next(Kind.CHALLENGE))
        signature = key.sign(HELLO_DOMAIN + self.listener + challenge.nonce)
        return Hello(os.urandom(8), key.peer, signature, False, listens)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self, wanted: Kind) -> bytes:
        """The body of the next frame of that kind; others are skipped. Raises EOFError at the end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._unread:
                    kind, body = self._unread.pop(0)
                    if kind == wanted:
                        return body
                self._unread += self._frames.feed(await self._read())

    async def ended(self) -> None:
        """Wait for the other side to close."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self._read()
            except EOFError:
                return

    async def _read(self) -> bytes:
        try:
            data = await self._stream.read(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        return data

    def close(self) -> None:
        self._writer.transport.abort()
