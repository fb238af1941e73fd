"""Accepts links: bounded in how many strangers may be shaking hands at once, and for how long."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from axl.allowance import Allowance
from axl.endpoint import Endpoint
from axl.link import HANDSHAKE_TIMEOUT_S, SHUTDOWN_TIMEOUT_S, Link, LinkClosed, LinkLost

STRANGERS_MAX = 64
"""Connections that have not yet shown a key; a further one takes the place of the one that is at it longest."""
BACKLOG = 128
OUT_OF_FILES_PAUSE_S = 1.0
REFUSALS_LOGGED_PER_S = 1.0
REFUSALS_LOGGED_BURST = 20

log = logging.getLogger("axl")


class ListenError(Exception):
    """An address cannot be listened on. The message is one line: which address, why, what to do."""


def bind(endpoint: Endpoint, setting: str) -> socket.socket:
    """A listening socket. `setting` is what the user may change about it. Raises ListenError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Named, not 0: asyncio turns Nagle's algorithm off only where it reads TCP, also for what is accepted.
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"cannot listen on {endpoint.authority}: {error.strerror}") from None
    try:
        # Without this a node could not come back to its port while the last one's connections fade out.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        remedy = f"change {setting}" + (" or stop what uses it" if error.errno == errno.EADDRINUSE else "")
        raise ListenError(f"cannot listen on {endpoint.authority}: {error.strerror}; {remedy}") from None
    return listening


def bound_to(listening: socket.socket) -> Endpoint:
    """Where a socket listens, with the port it was given if it asked for any."""
    host, port = listening.getsockname()[:2]
    return Endpoint(str(host), int(port))


class Listener:
    """One listening socket for links."""

    def __init__(
        self, listening: socket.socket, context: ssl.SSLContext, new_link: Callable[[], Link]
    ) -> None:
        self.endpoint = bound_to(listening)
        self._socket = listening
        self._context = context
        self._new_link = new_link
        self._loop = asyncio.get_running_loop()
        self._logged = Allowance(REFUSALS_LOGGED_PER_S, REFUSALS_LOGGED_BURST, self._loop.time())
        self._strangers: dict[asyncio.Task[None], None] = {}
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept nobody any more."""
        self._accepting.cancel()
        for stranger in self._strangers:
            stranger.cancel()
        self._socket.close()

    async def _accept(self) -> None:
        while True:
            try:
                connection, address = await self._loop.sock_accept(self._socket)
            except OSError as error:
                # Out of file descriptors, most likely: nothing but time brings one back.
                log.error("cannot accept links", extra={"reason": str(error)})
                await asyncio.sleep(OUT_OF_FILES_PAUSE_S)
                continue
            if len(self._strangers) >= STRANGERS_MAX:
                # A handshake takes milliseconds: those who say nothing must not keep out who has come to talk.
                longest = next(iter(self._strangers))
                del self._strangers[longest]
                longest.cancel()
            stranger = asyncio.create_task(self._shake_hands(connection, str(address[0])))
            self._strangers[stranger] = None
            stranger.add_done_callback(lambda done: self._strangers.pop(done, None))

    async def _shake_hands(self, connection: socket.socket, host: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                link = self._new_link()
                # The protocol that uvloop answers with is its own TLS, not the link above it.
                transport, _ = await self._loop.connect_accepted_socket(
                    lambda: link, connection, ssl=self._context, ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S
                )
                try:
                    await link.settled
                except asyncio.CancelledError:
                    transport.abort()
                    raise
        except (LinkLost, ConnectionError):
            return  # it left by itself
        except LinkClosed as closed:
            if not closed.is_redundant:
                self._log(host, str(closed))
        except OSError as error:
            self._log(host, str(error) or "no hello in time")

    def _log(self, host: str, reason: str) -> None:
        if self._logged.permits(self._loop.time()):
            log.info("link refused", extra={"host": host, "reason": reason})
