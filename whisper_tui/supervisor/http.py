"""HTTP/1.1 in one process-light piece: a loopback server and a one-request client, both on h11.

aiohttp would cost the supervisor 13 MB; it serves a handful of requests a minute.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import h11

BODY_BYTES_MAX = 64 << 10
HEAD_BYTES_MAX = 16 << 10
ANSWER_BYTES_MAX = 4 << 20
CONNECTIONS_MAX = 64
REQUEST_S = 10.0
CONNECT_S = 2.0
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


class HttpError(Exception):
    """The request is answered with `status` and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line


@dataclass(frozen=True)
class Request:
    """One request; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """A whole answer, or with `stream` one whose pieces follow until the stream or the client ends."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    stream: AsyncGenerator[bytes, None] | None = field(default=None)


Handler = Callable[[Request], Awaitable[Answer]]


class Server:
    """Serves `handler` on a free loopback port, one request a connection."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=HEAD_BYTES_MAX)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and end what is open, answers that are being written first."""
        if self._server is not None:
            self._server.close()
        if self._open:
            _, unfinished = await asyncio.wait(self._open, timeout=0.2)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            async with self._slots:
                await _serve_one(reader, writer, self._handler)
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # the client went away or talks something else
        finally:
            self._open.discard(task)
            writer.close()


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        async with asyncio.timeout(REQUEST_S):
            request = await _read_request(connection, reader)
        answer = await handler(request)
    except HttpError as error:
        answer = Answer(json.dumps({"error": error.line}).encode() + b"\n", error.status)
    except TimeoutError:
        return
    if answer.stream is None:
        await _write_whole(connection, writer, answer)
    else:
        await _write_stream(connection, reader, writer, answer)


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = await _next_event(connection, reader)
        if isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                raise HttpError(413, f"a request has at most {BODY_BYTES_MAX} bytes")
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            path = head.target.decode("latin-1").split("?", 1)[0]
            _check_origin(headers)
            return Request(head.method.decode("latin-1"), path, headers, bytes(body))
        else:
            raise ConnectionResetError


def _check_origin(headers: dict[str, str]) -> None:
    """No web page may talk to us, neither as itself nor by rebinding its name to this machine."""
    host = headers.get("host", "").rsplit(":", 1)[0] if "]" not in headers.get("host", "") else "[::1]"
    if host not in LOOPBACK_HOSTS:
        raise HttpError(403, "only loopback host names are answered")
    if "origin" in headers:
        raise HttpError(403, "requests from web pages are not answered")


async def _write_whole(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
    _send(
        connection,
        writer,
        h11.Response(status_code=answer.status, headers=[*headers, ("Connection", "close")]),
    )
    _send(connection, writer, h11.Data(data=answer.body))
    _send(connection, writer, h11.EndOfMessage())
    await writer.drain()


async def _write_stream(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    assert answer.stream is not None
    headers = [("Content-Type", answer.content_type), ("Cache-Control", "no-store"), ("Connection", "close")]
    _send(connection, writer, h11.Response(status_code=answer.status, headers=headers))
    pieces = asyncio.ensure_future(_write_pieces(connection, writer, answer.stream))
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({pieces, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (pieces, gone):
            task.cancel()
        await asyncio.gather(pieces, gone, return_exceptions=True)


async def _write_pieces(
    connection: h11.Connection, writer: asyncio.StreamWriter, pieces: AsyncGenerator[bytes, None]
) -> None:
    async with aclosing(pieces):
        async for piece in pieces:
            _send(connection, writer, h11.Data(data=piece))
            await writer.drain()
    _send(connection, writer, h11.EndOfMessage())
    await writer.drain()


def _send(connection: h11.Connection, writer: asyncio.StreamWriter, event: h11.Event) -> None:
    data = connection.send(event)
    if data:
        writer.write(data)


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(HEAD_BYTES_MAX))
    return event


# ---------------------------------------------------------------------------------------------- client


@asynccontextmanager
async def open_request(
    port: int, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """(status, pieces of the body) of one request to 127.0.0.1; OSError (TimeoutError is one) on failure."""
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        connection = h11.Connection(h11.CLIENT)
        all_headers = {"Host": f"127.0.0.1:{port}", "Connection": "close", **(headers or {})}
        all_headers["Content-Length"] = str(len(body))
        _send(connection, writer, h11.Request(method=method, target=path, headers=list(all_headers.items())))
        _send(connection, writer, h11.Data(data=body))
        _send(connection, writer, h11.EndOfMessage())
        await writer.drain()
        response = await _next_event(connection, reader)
        if not isinstance(response, h11.Response):
            raise ConnectionResetError(f"no answer from 127.0.0.1:{port}")
        yield response.status_code, _pieces(connection, reader)
    except h11.RemoteProtocolError as error:
        raise ConnectionResetError(f"127.0.0.1:{port} does not talk HTTP: {error}") from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _pieces(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while isinstance(event := await _next_event(connection, reader), h11.Data):
        yield bytes(event.data)


async def exchange(
    port: int,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    timeout_s: float = REQUEST_S,
) -> tuple[int, bytes]:
    """(status, body) of one request to 127.0.0.1; OSError (TimeoutError is one) on failure."""
    async with (
        asyncio.timeout(timeout_s),
        open_request(port, method, path, headers=headers, body=body) as (status, pieces),
    ):
        answer = bytearray()
        async for piece in pieces:
            answer += piece
            if len(answer) > ANSWER_BYTES_MAX:
                raise ConnectionResetError(f"127.0.0.1:{port} answers more than {ANSWER_BYTES_MAX} bytes")
        return status, bytes(answer)
