"""The little HTTP that backends need: read an answer whole, or line by line while it is written.

One connection per request, of which there is one per job: nothing has to be closed later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, urlsplit

import h11

from mesh_core.http_exchange import HttpExchange
from mesh_core.work.backends.proxy import PORTS, Proxy, connect, proxy_for
from mesh_core.work.errors import BackendError
from mesh_core.work.options import CONNECT_S, READ_S

_ANSWER_BYTES_MAX = 4 << 20
_LINE_BYTES_MAX = 1 << 20
_ERROR_CHARS_MAX = 160
_OK = 200


async def get(url: str, headers: Mapping[str, str]) -> bytes:
    """The body of a 200 answer. Raises BackendError for everything else, and for a body without end."""
    body = b""
    async with _answer("GET", url, headers, None, CONNECT_S) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > _ANSWER_BYTES_MAX:
                raise BackendError(f"{_shown(url)} sends more than {_ANSWER_BYTES_MAX >> 20} MiB")
    return body


async def post_lines(url: str, headers: Mapping[str, str], body: object) -> AsyncGenerator[bytes, None]:
    """The lines of a 200 answer as they come, without their ends. Closing it closes the connection.

    Raises BackendError when the server is not there, refuses, falls silent or breaks off within a line.
    """
    async with _answer("POST", url, headers, body, READ_S) as pieces:
        rest = b""
        async for piece in pieces:
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
) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """The pieces of the body of a 200 answer. Everything that goes wrong is a BackendError of one line."""
    shown, parts = _shown(url), urlsplit(url)
    proxy = proxy_for(parts)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await connect(parts, proxy)
    except TimeoutError as error:
        raise BackendError(f"no answer from {shown} in time") from error
    except OSError as error:
        raise BackendError(f"nobody answers at {shown}{f' through the {proxy}' if proxy else ''}") from error
    exchange = HttpExchange(reader, writer, read_s)
    payload = None if body is None else json.dumps(body).encode()
    try:
        await exchange.ask(_request(method, parts, headers, payload, proxy), payload)
        status = await exchange.status()
        pieces = exchange.body()
        if status != _OK:
            text = (await anext(pieces, b""))[:_ERROR_CHARS_MAX].decode(errors="replace")
            raise BackendError(f"{shown} answers {status}: {' '.join(text.split())}")
        yield pieces
    except TimeoutError as error:
        raise BackendError(f"no answer from {shown} in time") from error
    except (h11.ProtocolError, OSError) as error:
        raise BackendError(f"{shown}: {' '.join(str(error).split()) or type(error).__name__}") from error
    finally:
        writer.transport.abort()  # nothing is left to say, and a farewell over TLS may be waited for


def _request(
    method: str,
    parts: SplitResult,
    headers: Mapping[str, str],
    payload: bytes | None,
    proxy: Proxy | None,
) -> h11.Request:
    fields = [("Host", parts.netloc.rpartition("@")[2]), ("Connection", "close"), *headers.items()]
    if payload is not None:
        fields += [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if proxy is not None and parts.scheme == "http":
        # Without a tunnel the proxy reads the request, and has to be told where it goes (RFC 9112 §3.2.2).
        fields += proxy.headers
        target = f"http://{fields[0][1]}{target}"
    return h11.Request(method=method, target=target, headers=fields)


def _shown(url: str) -> str:
    """Where a request goes, without whatever secret a URL may carry. Raises BackendError when it is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in PORTS or not parts.hostname:
        raise BackendError("its address is none; it must begin with http:// or https:// and a host")
    return f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
