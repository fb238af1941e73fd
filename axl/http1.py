"""HTTP/1.1 as bytes in and messages out, for both ends of the bridge. No sockets here.

Two readers of one grammar. The narrow one takes what the bridge's own client and the common tools send: one
plain head, a Content-Length, nothing optional. Whatever it does not recognise, down to a repeated header, it
leaves to h11 (`http1_full`) with every byte untouched. So the narrow reader can afford to be strict, and a
test holds it against h11: what it accepts, h11 reads alike.

Why have it: a request and its answer cost h11 33 µs at either end; the narrow reader 4 µs, or 9 when the head
is not one it has just seen (CPython 3.11, h11 0.16). Every message of the mesh takes two such exchanges.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from axl.http_message import HEAD_BYTES_MAX, HEADERS_MAX, Headers, HttpError, Message, Request, Response

if TYPE_CHECKING:
    from axl.http1_full import FullReader

_REQUEST_LINE = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [!-~]+(?: [!-~]+)*")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*)[ \t]*")
_DECIMAL = re.compile(rb"[0-9]{1,10}")
_LEFT_TO_H11 = (b"transfer-encoding", b"connection", b"expect", b"upgrade")
_BODILESS = (204, 304)
_HEAD_END = b"\r\n\r\n"
_LOOSE_HEAD_END = re.compile(rb"\n\r?\n")
"""What some take for the end of a head; so does h11."""
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def response_bytes(status: int, headers: bytes, body: bytes, *, is_last: bool = False) -> bytes:
    """A response. `headers` are whole lines, each with its line end; `is_last` announces the end."""
    length = b"" if status in _BODILESS else b"Content-Length: %d\r\n" % len(body)
    closing = b"Connection: close\r\n" if is_last else b""
    return b"".join((_STATUS_LINES[status], headers, length, closing, b"\r\n", body))


def switching_bytes(name: bytes, headers: bytes) -> bytes:
    """The response that turns the connection over to the protocol `name`; `headers` are whole lines."""
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s\r\n" % (
        name,
        headers,
    )


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
        self._full: FullReader | None = None
        """Reads the present message, if the narrow reader cannot."""

    @property
    def held_bytes(self) -> int:
        """Bytes received that are no whole message yet."""
        return len(self._held) + (self._full.held_bytes if self._full else 0)

    def take_held(self) -> bytes:
        """What has come after the message read last, which is not HTTP."""
        held = bytes(self._held)
        self._held.clear()
        return held

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes arrived."""
        self._held += data

    def _next(self) -> Message | None:
        """The next whole message, if there is one. Raises HttpError."""
        if len(self._held) < self._wanted or not self._held:
            return None
        data = bytes(self._held)
        self._held.clear()
        self._wanted = 0
        return self._read_narrowly(data) if self._full is None else self._read_fully(self._full, data)

    def _read_narrowly(self, data: bytes) -> Message | None:
        head_end = data.find(_HEAD_END, 0, HEAD_BYTES_MAX)
        if head_end < 0 and not _LOOSE_HEAD_END.search(data, 0, HEAD_BYTES_MAX):
            if len(data) >= HEAD_BYTES_MAX:
                raise HttpError(431, f"more than {HEAD_BYTES_MAX} bytes of headers")
            self._held += data
            return None
        head = _plain_head(data[:head_end], self._first_line) if head_end >= 0 else None
        size = self._plain_body_size(*head) if head is not None else None
        if head is None or size is None:
            self._full = self._new_full_reader()
            return self._read_fully(self._full, data)
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

    def _read_fully(self, full: FullReader, data: bytes) -> Message | None:
        message = full.read(data)
        if message is not None:
            self._full = None
            self._held += full.unread()
            self.is_last = full.is_last
        return message

    def _new_full_reader(self) -> FullReader:
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
        return self._full.interim() if self._full else b""

    def _new_full_reader(self) -> FullReader:
        from axl.http1_full import full_request_reader  # noqa: PLC0415 - see there

        return full_request_reader(self._body_bytes_max)

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

    def _new_full_reader(self) -> FullReader:
        from axl.http1_full import full_response_reader  # noqa: PLC0415 - see there

        return full_response_reader(self._body_bytes_max)

    def _plain_body_size(self, parts: tuple[bytes, ...], headers: Headers) -> int | None:
        if int(parts[0]) in _BODILESS:
            return None if b"content-length" in headers else 0
        return _content_length(headers, absent=None)


@lru_cache(maxsize=64)  # a client's polls, and its messages of one size, have the same head each time
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
