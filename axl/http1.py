"""HTTP/1.1 as bytes in and messages out, for both ends of the bridge. No sockets here.

Two readers of one grammar. The narrow one takes what the bridge's own client and the common tools send: one
plain head, a Content-Length, nothing optional. Whatever it does not recognise, down to a repeated header, it
leaves to h11 with every byte untouched. So the narrow reader can afford to be strict, and a test holds it
against h11: what it accepts, h11 reads alike.

Why have it: a request and its response cost h11 33 µs at either end and the narrow reader 4 µs, in a path of
about 100 µs that every message of the mesh takes (CPython 3.11, h11 0.16).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

import h11

HEAD_BYTES_MAX = 16 * 1024
HEADERS_MAX = 64

Headers: TypeAlias = Mapping[bytes, bytes]
"""Values by name in lower case. Of a header that came more than once, the last."""

_REQUEST_LINE = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [!-~]+(?: [!-~]+)*")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*)[ \t]*")
_DECIMAL = re.compile(rb"[0-9]{1,10}")
_LEFT_TO_H11 = (b"transfer-encoding", b"connection", b"expect", b"upgrade")
_BODILESS = (204, 304)
_HEAD_END = b"\r\n\r\n"
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class HttpError(Exception):
    """The other side does not speak HTTP/1.1, or not within the limits. `status` is what to answer it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `path` and `query` are as sent, not decoded."""

    method: bytes
    path: bytes
    query: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response."""

    status: int
    headers: Headers
    body: bytes


def response_bytes(status: int, headers: bytes, body: bytes, *, is_last: bool = False) -> bytes:
    """A response. `headers` are whole lines, each with its line end; `is_last` announces the end."""
    length = b"" if status in _BODILESS else b"Content-Length: %d\r\n" % len(body)
    closing = b"Connection: close\r\n" if is_last else b""
    return b"".join((_STATUS_LINES[status], headers, length, closing, b"\r\n", body))


class _Reader:
    """Bytes in, messages out. Subclasses know what a first line looks like and which messages have a body."""

    _first_line: re.Pattern[bytes]

    def __init__(self, body_bytes_max: int) -> None:
        self.is_last = False
        """Whether the message read last ends its connection."""
        self._body_bytes_max = body_bytes_max
        self._held = bytearray()
        self._wanted = 0
        """Bytes to hold before another look is worth it."""
        self._h11: h11.Connection | None = None
        """Reads the present message, if the narrow reader cannot."""
        self._start: h11.Request | h11.Response | None = None
        self._body = bytearray()

    @property
    def held_bytes(self) -> int:
        """Bytes received that are no whole message yet."""
        return len(self._held) + len(self._body)

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes arrived."""
        self._held += data

    def _next(self) -> tuple[tuple[bytes, ...], Headers, bytes] | None:
        """The parts of the first line, the headers and the body of the next whole message. Raises HttpError."""
        if len(self._held) < self._wanted or not self._held:
            return None
        data = bytes(self._held)
        self._held.clear()
        self._wanted = 0
        if self._h11 is None:
            return self._read_narrowly(data)
        self._h11.receive_data(data)
        return self._read_with_h11(self._h11)

    def _read_narrowly(self, data: bytes) -> tuple[tuple[bytes, ...], Headers, bytes] | None:
        head_end = data.find(_HEAD_END)
        if head_end < 0 and len(data) <= HEAD_BYTES_MAX:
            self._held += data
            return None
        head = _plain_head(data[:head_end], self._first_line) if 0 <= head_end <= HEAD_BYTES_MAX else None
        size = self._plain_body_size(*head) if head is not None else None
        if head is None or size is None:
            self._h11 = self._new_h11()
            self._h11.receive_data(data)
            return self._read_with_h11(self._h11)
        if size > self._body_bytes_max:
            raise HttpError(413, f"body of {size} bytes; at most {self._body_bytes_max} are allowed")
        start = head_end + len(_HEAD_END)
        end = start + size
        if end > len(data):
            self._held += data
            self._wanted = end
            return None
        self._held += data[end:]
        self.is_last = False
        return *head, data[start:end]

    def _read_with_h11(self, connection: h11.Connection) -> tuple[tuple[bytes, ...], Headers, bytes] | None:
        try:
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Request | h11.Response):
                    self._start = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > self._body_bytes_max:
                        raise HttpError(413, f"body of more than {self._body_bytes_max} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    return self._finish(connection)
                elif event is h11.NEED_DATA:
                    return None
        except h11.RemoteProtocolError as error:
            raise HttpError(error.error_status_hint, str(error)) from None

    def _finish(self, connection: h11.Connection) -> tuple[tuple[bytes, ...], Headers, bytes]:
        start, body = self._start, bytes(self._body)
        assert start is not None
        self._held[:0] = connection.trailing_data[0]
        self.is_last = connection.their_state is h11.MUST_CLOSE
        self._h11 = self._start = None
        self._body.clear()
        parts = (
            (start.method, start.target) if isinstance(start, h11.Request) else (b"%d" % start.status_code,)
        )
        return parts, dict(start.headers), body

    def _new_h11(self) -> h11.Connection:
        raise NotImplementedError

    def _plain_body_size(self, parts: tuple[bytes, ...], headers: Headers) -> int | None:
        raise NotImplementedError


class RequestReader(_Reader):
    """The bridge's side."""

    _first_line = _REQUEST_LINE

    def next_request(self) -> Request | None:
        """The next whole request, if there is one. Raises HttpError, after which there is none."""
        message = self._next()
        if message is None:
            return None
        (method, target), headers, body = message
        path, _, query = target.partition(b"?")
        return Request(method, path, query, headers, body)

    def interim(self) -> bytes:
        """What to send before a body comes that the client holds back until it is asked for; mostly nothing."""
        if self._h11 is None or not self._h11.they_are_waiting_for_100_continue:
            return b""
        return self._h11.send(h11.InformationalResponse(status_code=100, headers=[])) or b""

    def _new_h11(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)

    def _plain_body_size(self, parts: tuple[bytes, ...], headers: Headers) -> int | None:
        if b"host" not in headers:
            return None
        return _content_length(headers, absent=0 if parts[0] == b"GET" else None)


class ResponseReader(_Reader):
    """The client's side."""

    _first_line = _STATUS_LINE

    def next_response(self) -> Response | None:
        """The next whole response, if there is one. Raises HttpError, after which there is none."""
        message = self._next()
        if message is None:
            return None
        (status,), headers, body = message
        return Response(int(status), headers, body)

    def _new_h11(self) -> h11.Connection:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        # h11 reads a response only to a request it has seen; which one does not matter here.
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
        connection.send(h11.EndOfMessage())
        return connection

    def _plain_body_size(self, parts: tuple[bytes, ...], headers: Headers) -> int | None:
        if int(parts[0]) in _BODILESS:
            return None if b"content-length" in headers else 0
        return _content_length(headers, absent=None)


def _plain_head(head: bytes, first_line: re.Pattern[bytes]) -> tuple[tuple[bytes, ...], Headers] | None:
    """The parts of the first line and the headers; None if anything about them is out of the ordinary."""
    lines = head.split(b"\r\n")
    first = first_line.fullmatch(lines[0])
    if first is None or len(lines) > HEADERS_MAX:
        return None
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        name = header[1].lower()
        if name in headers or name in _LEFT_TO_H11:
            return None
        headers[name] = header[2]
    return first.groups(), headers


def _content_length(headers: Headers, absent: int | None) -> int | None:
    value = headers.get(b"content-length")
    if value is None:
        return absent
    return int(value) if _DECIMAL.fullmatch(value) else None
