"""What HTTP/1.1 says, whoever reads or writes it: messages, their limits, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

HEAD_BYTES_MAX = 16 * 1024
HEADERS_MAX = 64

Headers: TypeAlias = Mapping[bytes, bytes]
"""Values by name in lower case. Of a header that came more than once, the last."""

Message: TypeAlias = tuple[tuple[bytes, ...], Headers, bytes]
"""What a request's first line asks for or a response's status, the headers, the body."""


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
