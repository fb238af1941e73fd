"""`tls://host:port[?key=hex]`: where a node listens or can be dialled, and which key it must show there."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from axl.keys import parse_peer_id

# Ends in \Z, not $: a newline is not part of an address.
_URI = re.compile(
    r"tls://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})(?:\?key=([0-9a-fA-F]{64}))?\Z"
)
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - recognised here, never chosen


class EndpointError(ValueError):
    """Text that should be `tls://host:port` is not. The message is one line."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place to listen at or to dial. `key` is the peer id expected there, or None to learn it."""

    host: str
    port: int
    key: bytes | None = None

    def __str__(self) -> str:
        pin = f"?key={self.key.hex()}" if self.key else ""
        return f"tls://{self.authority}{pin}"

    @property
    def authority(self) -> str:
        """`host:port`, as in any URI."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether this listens on every interface, so that others must find out the host themselves."""
        return self.host in _WILDCARDS

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine by its very address; a name is never resolved to find out."""
        return is_loopback(self.host)

    @property
    def is_numeric(self) -> bool:
        """Whether the host is an address rather than a name."""
        return _packed(self.host) is not None


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint in `tls://host:port`, optionally with `?key=` and 64 hex digits. Raises EndpointError."""
    match = _URI.match(text)
    if match is None:
        raise EndpointError(f"expected tls://host:port, not {text[:100]!r}")
    bracketed, plain, port, key = match.groups()
    if int(port) > 65535:
        raise EndpointError(f"port {port} of {text[:100]!r} is above 65535")
    if bracketed is not None and _packed(bracketed) is None:
        raise EndpointError(f"{bracketed!r} in {text[:100]!r} is not an IPv6 address")
    return Endpoint(bracketed or plain, int(port), parse_peer_id(key) if key else None)


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address in numbers (127.0.0.0/8 or ::1)."""
    packed = _packed(host)
    if packed is None:
        return False
    return packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\x01"


def _packed(host: str) -> bytes | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, host)
        except OSError:
            continue
    return None
