"""A loopback HTTP/1.1 server in one piece, on h11: short answers, and streams that last.

Who may ask is decided here, for everything that is served alike: programs of this machine that name it by a loopback
address, come from no web page, and show the token. Other users of the machine reach the port as well.

aiohttp would cost each participant 12 MB of private memory and 90 ms at start; a control API answers a
handful of requests a second. One request a connection keeps every rule visible here.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote

import h11
import msgspec

from mesh_core.wire.malformed import MALFORMED

BODY_BYTES_MAX = 256 << 10
HEAD_BYTES_MAX = 16 << 10
CONNECTIONS_MAX = 128
REQUEST_S = 10.0
WRITE_STALLED_S = 30.0
CLOSE_S = 0.3

_LOOPBACK_HOST = re.compile(
    r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)

T = TypeVar("T")


class HttpError(Exception):
    """The request is answered with `status` and one line."""

    def __init__(self, status: int, line: str) -> None:
        self.line = " ".join(line.split())  # it may quote a path, in which a line's end can be written as %0A
        super().__init__(self.line)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` is decoded and without its query, header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self, kind: type[T]) -> T:
        """The body as `kind`, nothing at all as an empty object. Raises HttpError."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except RecursionError:
            raise HttpError(400, "the body is nested too deeply") from None
        except MALFORMED as error:
            raise HttpError(400, f"the body is not the JSON object that is wanted here: {error}") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or with `stream` one whose pieces follow until the stream or the client ends."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    stream: AsyncGenerator[bytes, None] | None = field(default=None)


Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class _Guard:
    """Who is answered. Whoever shows no token is told only what stands at the paths `open_to_all`."""

    token: str
    open_to_all: frozenset[str]

    def check(self, request: Request) -> None:
        """Raises HttpError when `request` is not to be answered."""
        # No web page may talk to us, neither as itself nor by rebinding its name to this machine.
        if not _LOOPBACK_HOST.fullmatch(request.headers.get("host", "")):
            raise HttpError(403, "only loopback host names are answered")
        if "origin" in request.headers:
            raise HttpError(403, "requests from web pages are not answered")
        if request.path not in self.open_to_all:
            self._check_token(request.headers.get("authorization", ""))

    def _check_token(self, shown: str) -> None:
        scheme, _, given = shown.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
            raise HttpError(
                401,
                "this needs the token of the run directory: `Authorization: Bearer` and what its file `token` holds",
            )


class Server:
    """Serves `handler` at one address until closed, to whoever shows `token`; `open_to_all` are the paths that
    everybody on this machine may read."""

    def __init__(self, handler: Handler, token: str, open_to_all: frozenset[str] = frozenset()) -> None:
        self._handler = handler
        self._guard = _Guard(token, open_to_all)
        self._open: set[asyncio.Task[None]] = set()
        self._strangers: dict[asyncio.Task[None], None] = {}
        """Those of whom nothing is known yet, longest first: the first to go when there is no room."""
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen on `port` (0 picks a free one; `self.port` tells). Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; answers that are being written get `CLOSE_S`, streams end."""
        if self._server is not None:
            self._server.close()
        if self._open:
            _, unfinished = await asyncio.wait(self._open, timeout=CLOSE_S)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS_MAX and not self._make_room():
            writer.close()
            return
        self._open.add(task)
        self._strangers[task] = None
        try:
            await _Exchange(reader, writer).serve(
                self._guard, self._handler, lambda: self._strangers.pop(task, None)
            )
        except (OSError, h11.ProtocolError, TimeoutError, asyncio.CancelledError):
            # The client went away, stalled or talks something else; cancellation only ever means "closing".
            pass
        finally:
            self._open.discard(task)
            self._strangers.pop(task, None)
            writer.close()

    def _make_room(self) -> bool:
        """End the connection that has said nothing for longest; else slow clients would keep the owner out."""
        if not self._strangers:
            return False
        longest = next(iter(self._strangers))
        del self._strangers[longest]
        self._open.discard(longest)
        longest.cancel()
        return True


class _Exchange:
    """One connection: a request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def serve(self, guard: _Guard, handler: Handler, on_admitted: Callable[[], object]) -> None:
        """Read, check, handle, answer. Raises OSError, TimeoutError or h11.ProtocolError when the client fails."""
        try:
            async with asyncio.timeout(REQUEST_S):
                request = await self._read_request()
            guard.check(request)
            on_admitted()
            answer = await handler(request)
        except HttpError as error:
            answer = Answer(msgspec.json.encode({"error": error.line}) + b"\n", error.status)
        except h11.RemoteProtocolError as error:
            line = msgspec.json.encode({"error": f"not HTTP: {error}"})
            answer = Answer(line + b"\n", error.error_status_hint)
        except OSError:
            raise
        except Exception as error:  # a bug of the handler: the client gets a line, the loop's owner the rest
            _report(error)
            line = msgspec.json.encode({"error": f"internal error: {type(error).__name__}"})
            answer = Answer(line + b"\n", 500)
        if answer.stream is None:
            await self._write_whole(answer)
        else:
            await self._write_stream(answer, answer.stream)

    async def _read_request(self) -> Request:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                # No more than one event may have: h11 would take a longer one that it sees whole.
                room = HEAD_BYTES_MAX + 1 - len(self._http.trailing_data[0])
                self._http.receive_data(await self._reader.read(room))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_BYTES_MAX:
                    raise HttpError(413, f"a request has at most {BODY_BYTES_MAX} bytes")
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                path = unquote(head.target.decode("latin-1").partition("?")[0])
                return Request(head.method.decode("latin-1"), path, headers, bytes(body))
            else:
                raise ConnectionResetError("the client closed the connection")

    async def _write_whole(self, answer: Answer) -> None:
        self._send(self._response(answer, ("Content-Length", str(len(answer.body)))))
        self._send(h11.Data(data=answer.body))
        self._send(h11.EndOfMessage())
        await self._drain()

    async def _write_stream(self, answer: Answer, stream: AsyncGenerator[bytes, None]) -> None:
        self._send(self._response(answer, ("Cache-Control", "no-store")))
        pieces = asyncio.ensure_future(self._write_pieces(stream))
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({pieces, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pieces, gone):
                task.cancel()
            error, _ = await asyncio.gather(pieces, gone, return_exceptions=True)
            if isinstance(error, Exception) and not isinstance(error, OSError):
                _report(error)

    async def _write_pieces(self, stream: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(stream):
            async for piece in stream:
                self._send(h11.Data(data=piece))
                await self._drain()
        self._send(h11.EndOfMessage())
        await self._drain()

    def _response(self, answer: Answer, *headers: tuple[str, str]) -> h11.Response:
        common = [
            ("Content-Type", answer.content_type),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        return h11.Response(status_code=answer.status, headers=[*common, *headers])

    def _send(self, event: h11.Event) -> None:
        if self._writer.is_closing():
            # asyncio would drop what is written now, uvloop raises RuntimeError.
            raise ConnectionResetError("the client closed the connection")
        data = self._http.send(event)
        if data:
            self._writer.write(data)

    async def _drain(self) -> None:
        """Wait for a slow client, but not for one that reads nothing at all."""
        async with asyncio.timeout(WRITE_STALLED_S):
            await self._writer.drain()


def _report(error: Exception) -> None:
    context = {"message": "answering a request", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
