"""The little HTTP that backends need: read an answer whole, or line by line while it is written.

Over aiohttp, which every provider has loaded for its control API: 0.2 MB per provider, where httpx costs 6.
One session per request: a job makes one, and nothing has to be closed later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from mesh_core.work.errors import BackendError
from mesh_core.work.options import CONNECT_S, READ_S

_ANSWER_BYTES_MAX = 4 << 20
_LINE_BYTES_MAX = 1 << 20
_ERROR_CHARS_MAX = 160
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


async def get(url: str, headers: Mapping[str, str]) -> bytes:
    """The body of a 200 answer. Raises BackendError for everything else, and for a body without end."""
    async with _answer("GET", url, headers, None, read_s=CONNECT_S) as response:
        body = await response.content.read(_ANSWER_BYTES_MAX + 1)
        while len(body) <= _ANSWER_BYTES_MAX and (more := await response.content.read(_ANSWER_BYTES_MAX)):
            body += more
        if len(body) > _ANSWER_BYTES_MAX:
            raise BackendError(f"{_shown(url)} sends more than {_ANSWER_BYTES_MAX >> 20} MiB")
        return body


async def post_lines(url: str, headers: Mapping[str, str], body: object) -> AsyncGenerator[bytes, None]:
    """The lines of a 200 answer as they come, without their ends. Closing it closes the connection.

    Raises BackendError when the server is not there, refuses, falls silent or breaks off within a line.
    """
    async with _answer("POST", url, headers, body, read_s=READ_S) as response:
        rest = b""
        async for piece in response.content.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LINE_BYTES_MAX:
                raise BackendError(f"{_shown(url)} sends a line without end")
            for line in lines:
                yield line.rstrip(b"\r")
        if rest:
            yield rest


@asynccontextmanager
async def _answer(
    method: str, url: str, headers: Mapping[str, str], body: object, read_s: float
) -> AsyncIterator[aiohttp.ClientResponse]:
    shown, remote = _shown(url), URL(url).host not in _LOOPBACK
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=read_s)
    sent: dict[str, Any] = {"headers": headers, "allow_redirects": False}
    if body is not None:
        sent["json"] = body
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=remote) as session,
            session.request(method, url, **sent) as response,
        ):
            if response.status != 200:
                text = (await response.content.read(_ERROR_CHARS_MAX)).decode(errors="replace")
                raise BackendError(f"{shown} answers {response.status}: {' '.join(text.split())}")
            yield response
    except TimeoutError as error:
        raise BackendError(f"no answer from {shown} in time") from error
    except aiohttp.ClientConnectorError as error:
        raise BackendError(f"nobody answers at {shown}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise BackendError(f"{shown}: {' '.join(str(error).split()) or type(error).__name__}") from error


def _shown(url: str) -> str:
    """Where a request goes, without whatever secret a URL may carry. Raises BackendError when it is no URL."""
    try:
        return str(URL(url).origin())
    except ValueError as error:
        raise BackendError(
            "its address is none; it must begin with http:// or https:// and a host"
        ) from error
