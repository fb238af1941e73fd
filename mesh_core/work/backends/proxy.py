"""The way to servers of other machines: straight, or through the proxy that the environment names.

HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean what they mean to curl, in either case. What listens on this machine is never
asked for through a proxy.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from mesh_core.work.errors import BackendError

PORTS = {"http": 80, "https": 443}
_PROXY_PORT = 3128
_LIMIT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header, empty without."""

    host: str
    port: int
    authorization: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What every request to it carries."""
        return [("Proxy-Authorization", self.authorization)] if self.authorization else []

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}"


def proxy_for(target: SplitResult) -> Proxy | None:
    """The proxy through which `target` is to be asked, None for none. Raises BackendError for one that cannot be used."""
    host = target.hostname or ""
    if _is_here(host):
        return None
    from urllib import request  # noqa: PLC0415 (1.5 MB)

    named = request.getproxies_environment().get(target.scheme, "")
    if not named or request.proxy_bypass_environment(host):  # type: ignore[attr-defined] # there, but in no stub
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    try:
        port = parts.port or _PROXY_PORT
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise BackendError(f"{target.scheme.upper()}_PROXY names no proxy; expected http://HOST:PORT")
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
    return Proxy(parts.hostname, port, f"Basic {b64encode(secret.encode()).decode()}" if secret else "")


async def connect(
    target: SplitResult, proxy: Proxy | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which `target` can be asked. Raises OSError, and BackendError when the proxy refuses."""
    host, port = target.hostname or "", target.port or PORTS[target.scheme]
    encrypted = target.scheme == "https"
    if proxy is None:
        return await asyncio.open_connection(host, port, ssl=encrypted or None)
    try:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=_LIMIT_BYTES)
    except OSError as error:
        raise BackendError(f"nobody answers at {proxy}") from error
    if encrypted:
        try:
            await _tunnel(reader, writer, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            await writer.start_tls(ssl.create_default_context(), server_hostname=host)
        except BaseException:
            writer.transport.abort()
            raise
    return reader, writer


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: Proxy, authority: str
) -> None:
    """Have the proxy connect to `authority`: what follows on the connection is between the two ends."""
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = ""
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        status = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").partition("\r\n")[0]
    version, _, code = status.partition(" ")
    if not version.startswith("HTTP/1.") or not code.startswith("2"):
        raise BackendError(f"{proxy} does not connect to {authority}: {code[:80] or 'it says nothing'}")


def _is_here(host: str) -> bool:
    """Whether a name or address is this machine's own by itself."""
    if host in {"", "localhost"} or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
