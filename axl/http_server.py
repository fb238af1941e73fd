"""A small HTTP/1.1 server for programs on this machine: keep-alive, one request at a time per connection.

It knows nothing of AXL. What it adds to `http1` are sockets and bounds: how many connections, how many bytes
of unfinished requests, how long a request may take to arrive and a connection to be idle.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from axl.frames import FrameError
from axl.http1 import RequestReader, response_bytes, switching_bytes
from axl.http_message import HEAD_BYTES_MAX, HttpError, Request

CONNECTIONS_MAX = 512
RECEIVE_BUFFER_BYTES = 16 * 1024
SWEEP_PERIOD_S = 1.0
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients can make the server hold, in bytes and seconds."""

    body_bytes_max: int
    held_bytes_max: int
    """Unfinished requests of all connections together."""
    read_timeout_s: float
    """From a request's first byte to its last; also for a response."""
    idle_timeout_s: float
    """Between requests."""


class Upgraded(Protocol):
    """What a connection carries once it speaks something other than HTTP."""

    @property
    def held_bytes(self) -> int:
        """Bytes received that are nothing whole yet."""

    def received(self, data: bytes) -> None:
        """Bytes arrived. Raises FrameError when there is nothing to do but to end the connection."""

    def writable(self) -> None:
        """The client reads again."""


class HttpServer:
    """Serves one listening socket. `handle` answers a request, at once or later; `lost` hears of ended connections."""

    def __init__(
        self,
        limits: Limits,
        handle: Callable[[HttpConnection, Request], None],
        lost: Callable[[HttpConnection], None],
    ) -> None:
        self.limits = limits
        self.handle = handle
        self.lost = lost
        self.held_bytes = 0
        self.connections: set[HttpConnection] = set()
        self.strangers: dict[HttpConnection, None] = {}
        """Those that have not made a whole request yet, longest first: the first to go when there is no room."""
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._sweeper = self._loop.call_later(SWEEP_PERIOD_S, self._sweep)

    async def serve(self, listening: socket.socket) -> None:
        """Accept connections from now on."""
        self._server = await self._loop.create_server(lambda: HttpConnection(self), sock=listening)

    def close(self) -> None:
        """Accept nobody any more and end every connection."""
        self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()

    def has_room(self) -> bool:
        """Whether one more connection may be kept, if need be in place of one that has never asked for anything:
        else slow clients would keep out whoever has something to ask."""
        if len(self.connections) < CONNECTIONS_MAX:
            return True
        if not self.strangers:
            return False
        longest = next(iter(self.strangers))
        del self.strangers[longest]
        self.connections.discard(longest)
        longest.abort()
        return True

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in list(self.connections):
            connection.sweep(now)
        self._sweeper = self._loop.call_later(SWEEP_PERIOD_S, self._sweep)


class HttpConnection(asyncio.BufferedProtocol):
    """One connection of one client.

    A BufferedProtocol, because asyncio's plain one allocates 256 KiB for every read: measured, that alone
    makes a small request three times as expensive.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._reader = RequestReader(server.limits.body_bytes_max)
        self._buffer = bytearray(RECEIVE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._held_bytes = 0
        """What this connection counts for in the server's sum."""
        self._is_answering = False
        """Whether a request was handed over and not answered yet."""
        self._is_advancing = False
        self._is_read_paused = False
        self.is_write_paused = False
        """Whether the client does not read."""
        self._upgraded: Upgraded | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client_acts_by = 0.0
        """When the client has to have finished its request, read its answer or made another request."""

    # ---------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.has_room():
            self._refuse(503, f"{CONNECTIONS_MAX} connections are open already")
            return
        self._server.connections.add(self)
        self._server.strangers[self] = None
        self._client_acts_by = self._loop.time() + self._server.limits.idle_timeout_s

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived."""
        if self._upgraded is not None:
            self._pass_on(self._upgraded, bytes(self._view[:nbytes]))
            return
        if not self._reader.held_bytes and not self._is_answering:
            self._client_acts_by = self._loop.time() + self._server.limits.read_timeout_s
        self._reader.receive(self._view[:nbytes])
        self._advance()
        self._count_held()
        if self._is_answering and self._reader.held_bytes > HEAD_BYTES_MAX and not self._is_read_paused:
            self._is_read_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client does not read its answers: it gets no further ones."""
        self.is_write_paused = True
        if self._upgraded is not None:
            self._transport.pause_reading()  # each message of its own that it sends has an answer
        self._client_acts_by = self._loop.time() + self._server.limits.read_timeout_s

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_write_paused = False
        self._client_acts_by = self._loop.time() + self._server.limits.idle_timeout_s
        if self._upgraded is not None:
            self._transport.resume_reading()
            self._upgraded.writable()
        else:
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        self._is_answering = False
        self._server.connections.discard(self)
        self._server.strangers.pop(self, None)
        self._server.held_bytes -= self._held_bytes
        self._server.lost(self)

    @property
    def is_open(self) -> bool:
        """Whether an answer could still reach the client."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Called about once a second: a client that keeps the server waiting too long loses its connection."""
        is_its_turn = self.is_write_paused or not self._is_answering
        if self._upgraded is not None:
            is_its_turn = self.is_write_paused or self._upgraded.held_bytes > 0
        if is_its_turn and now > self._client_acts_by:
            self.abort()

    # ----------------------------------------------------------------------------------------- requests

    def _advance(self) -> None:
        """Hand over one request after the other, as long as each is answered at once."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while not (self._is_answering or self.is_write_paused or self._transport.is_closing()):
                request = self._reader.next_request()
                if request is None:
                    self._ask_for_body()
                    break
                self._is_answering = True
                self._server.strangers.pop(self, None)
                self._server.handle(self, request)
        except HttpError as error:
            self._refuse(error.status, str(error))
        finally:
            self._is_advancing = False

    def _ask_for_body(self) -> None:
        interim = self._reader.interim()
        if interim:
            self._transport.write(interim)

    def _count_held(self) -> None:
        held = (self._upgraded or self._reader).held_bytes
        self._server.held_bytes += held - self._held_bytes
        self._held_bytes = held
        if self._server.held_bytes > self._server.limits.held_bytes_max:
            self._refuse(503, "too many unfinished requests")

    def _refuse(self, status: int, reason: str) -> None:
        self._transport.write(response_bytes(status, TEXT, reason.encode() + b"\n", is_last=True))
        self._transport.close()

    # ------------------------------------------------------------------------------------------ answers

    def answer(self, status: int, headers: bytes = b"", body: bytes = b"") -> None:
        """Answer the request at hand. `headers` are whole lines. Without effect if the client is gone."""
        if not self._is_answering:
            return
        self._stop_timer()
        self._is_answering = False
        is_last = self._reader.is_last
        self._transport.write(response_bytes(status, headers, body, is_last=is_last))
        if is_last:
            self._transport.close()
            return
        self._client_acts_by = self._loop.time() + self._server.limits.idle_timeout_s
        if self._is_read_paused:
            self._is_read_paused = False
            self._transport.resume_reading()
        self._advance()
        self._count_held()

    def upgrade(self, name: bytes, headers: bytes, upgraded: Upgraded) -> None:
        """Answer the request at hand by speaking `name` from now on: bytes go to `upgraded`, and `write` takes its own."""
        self._is_answering = False
        self._upgraded = upgraded
        self._transport.write(switching_bytes(name, headers))
        self._pass_on(upgraded, self._reader.take_held())

    def write(self, data: bytes) -> None:
        """Send bytes of what the connection was upgraded to. Without effect if the client is gone."""
        self._transport.write(data)

    def _pass_on(self, upgraded: Upgraded, data: bytes) -> None:
        before = upgraded.held_bytes
        try:
            upgraded.received(data)
        except FrameError:
            self.abort()
            return
        if not before or upgraded.held_bytes < before + len(data):
            # Nothing was under way, or something has come to its end: what is under way now has its own time.
            self._client_acts_by = self._loop.time() + self._server.limits.read_timeout_s
        self._count_held()

    def answer_text(self, status: int, text: str, headers: bytes = b"") -> None:
        """Answer the request at hand with one line of text."""
        self.answer(status, TEXT + headers, text.encode() + b"\n")

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` later, unless the request is answered or the client is gone by then."""
        self._timer = self._loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
