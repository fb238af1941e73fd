"""Keep-alive HTTP/1.1 connections to one server: one request at a time each, reopened when needed.

Failures are OSErrors, TimeoutError among them, or HttpError for an answer that is no HTTP.
"""

from __future__ import annotations

import asyncio
from typing import cast

from axl.http1 import ResponseReader
from axl.http_message import HttpError, Response

LINES_MAX = 8
"""Requests under way at once, per set of lines."""
RESPONSE_BYTES_MAX = 2**31
"""The server is a program of this machine's own user: its limits are the ones that count."""
RECEIVE_BUFFER_BYTES = 16 * 1024


class Line:
    """One connection, opened when first needed and again after it was lost."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._connection: _Connection | None = None

    async def start(self, request: bytes, timeout_s: float) -> asyncio.Future[Response]:
        """Send a request; its answer is still to come. Does not suspend while the connection is open."""
        connection = self._connection
        if connection is None or not connection.is_open:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(timeout_s):
                _, connection = await loop.create_connection(_Connection, self._host, self._port)
            self._connection = connection
        return connection.start(request, timeout_s)

    async def ask(self, request: bytes, timeout_s: float) -> Response:
        """The answer to a request. Sends it again if a connection that had been idle was lost over it.

        A server may close an idle connection at the moment it is used. That it had read the request by then
        is unlikely; if it had, the request is carried out twice.
        """
        was_open = self._connection is not None and self._connection.is_open
        try:
            return await self._ask_once(request, timeout_s)
        except ConnectionError:
            if not was_open:
                raise
        return await self._ask_once(request, timeout_s)

    async def _ask_once(self, request: bytes, timeout_s: float) -> Response:
        answer = await self.start(request, timeout_s)
        try:
            return await answer
        except asyncio.CancelledError:
            self.close()  # or the next request would get this one's answer
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.abort()


class Lines:
    """As many lines to one server as there are requests under way, up to a bound; the rest wait in turn."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[Line] = []
        self._places = asyncio.Semaphore(LINES_MAX)
        self._under_way = 0

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way or waits for a line."""
        return self._under_way == 0

    async def ask(self, request: bytes, timeout_s: float) -> Response:
        """The answer to a request; waiting for a line does not count as time."""
        self._under_way += 1
        try:
            async with self._places:
                line = self._idle.pop() if self._idle else Line(self._host, self._port)
                try:
                    return await line.ask(request, timeout_s)
                finally:
                    self._idle.append(line)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """End all idle connections; the others end with their request."""
        for line in self._idle:
            line.close()


class _Connection(asyncio.BufferedProtocol):
    """Bytes and futures. A BufferedProtocol for the same reason as in `http_server`."""

    def __init__(self) -> None:
        self._buffer = bytearray(RECEIVE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._reader = ResponseReader(RESPONSE_BYTES_MAX)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def start(self, request: bytes, timeout_s: float) -> asyncio.Future[Response]:
        assert self._answer is None
        self._answer = answer = self._loop.create_future()
        answer.add_done_callback(_look_at)
        self._timer = self._loop.call_later(
            timeout_s, self._fail, TimeoutError(f"no answer within {timeout_s:g} s")
        )
        self._transport.write(request)
        return answer

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.receive(self._view[:nbytes])
        try:
            response = self._reader.next_response()
        except HttpError as error:
            self._fail(error)
            return
        if response is None:
            return
        answer = self._end_of_request()
        if answer is None or self._reader.is_last or self._reader.held_bytes:
            self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionResetError(str(exc) if exc else "the connection was closed"))

    def _fail(self, error: Exception) -> None:
        answer = self._end_of_request()
        self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _end_of_request(self) -> asyncio.Future[Response] | None:
        answer, self._answer = self._answer, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return answer


def _look_at(answer: asyncio.Future[Response]) -> None:
    """An answer nobody waited for any more may be a failure without that being worth a word."""
    if not answer.cancelled():
        answer.exception()
