"""A stand-in for the Go node's bridge: what its handlers answer, with nothing behind them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import h11

Answer: TypeAlias = tuple[int, dict[str, str], bytes]
OUR_KEY = bytes(range(32))
SENDER_HINT = bytes([7] * 14 + [0] * 18)
"""The Go node rebuilds a sender's key from its address: the beginning of it, then zeros."""


class GoBridge:
    """Its state is public, for tests to set and look at."""

    def __init__(self) -> None:
        self.inbox: deque[bytes] = deque()
        self.sent: list[tuple[str, bytes]] = []
        self.polls = 0
        self.asked = asyncio.Event()
        self.peers: list[dict[str, Any]] | None = None
        self.topologies_asked = 0
        self.send_answer: Answer = (200, {}, b"")
        self.hangs_for: set[str] = set()
        self.closes_silently = False
        self.is_chunked = False
        self.connections: set[asyncio.Task[None]] = set()
        self.url = ""

    def answer(self, request: h11.Request, body: bytes) -> Answer:
        """What the handlers of the Go node do."""
        path = request.target.partition(b"?")[0]
        self.asked.set()
        if path == b"/recv":
            self.polls += 1
            if not self.inbox:
                return 204, {}, b""
            return 200, {"X-From-Peer-Id": SENDER_HINT.hex()}, self.inbox.popleft()
        if path == b"/topology":
            self.topologies_asked += 1
            document = {
                "our_ipv6": "200::1",
                "our_public_key": OUR_KEY.hex(),
                "peers": self.peers,
                "tree": None,
            }
            return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()
        if path != b"/send":
            return 404, {"Content-Type": "text/plain"}, b"404 page not found\n"
        self.sent.append((dict(request.headers)[b"x-destination-peer-id"].decode(), body))
        return self.send_answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        connection = h11.Connection(h11.SERVER)
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        try:
            while True:
                request, body = await _read_request(connection, reader)
                if dict(request.headers).get(b"x-destination-peer-id", b"").decode() in self.hangs_for:
                    await reader.read()
                    return
                status, headers, content = self.answer(request, body)
                if status != 204 and not self.is_chunked:
                    headers = {**headers, "Content-Length": str(len(content))}
                response = h11.Response(status_code=status, headers=list(headers.items()))
                for event in (response, h11.Data(data=content), h11.EndOfMessage()):
                    if status != 204 or not isinstance(event, h11.Data):
                        writer.write(connection.send(event) or b"")
                if self.closes_silently:
                    return
                connection.start_next_cycle()
        except ConnectionError:
            return


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request, bytes]:
    request, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            return request, body
        else:
            raise ConnectionResetError


Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """Serve `handler` on a free port; yields the base URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
