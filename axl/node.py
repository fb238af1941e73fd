"""One AXL node: links to other nodes on one side, the HTTP bridge on the other, an inbox between them."""

from __future__ import annotations

import logging
import socket

from axl.bridge import Bridge
from axl.certificate import server_context
from axl.config import NodeConfig
from axl.endpoint import Endpoint
from axl.http_server import HttpServer, Limits
from axl.inbox import Inbox
from axl.keys import PrivateKey
from axl.listener import Listener, bind, bound_to
from axl.neighbours import Neighbours

INBOX_BYTES_MAX = 32 * 1024 * 1024
"""What waits for a client that does not read; at least two of the largest messages."""
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Unfinished requests of all clients together; at least two of the largest messages."""

log = logging.getLogger("axl")


class Node:
    """Everything one process runs. Has to be made inside a running event loop.

    Raises ListenError when a port is taken; then nothing has been started.
    """

    def __init__(self, config: NodeConfig, key: PrivateKey) -> None:
        self._bridge_socket, *link_sockets = _bind_all(config)
        inbox = Inbox(max(INBOX_BYTES_MAX, 2 * config.max_message_size))
        self._neighbours = Neighbours(key, inbox, config.max_message_size, config.max_concurrent_conns)
        bridge = Bridge(self._neighbours, inbox, config.bridge_addr)
        limits = Limits(
            body_bytes_max=config.max_message_size,
            held_bytes_max=max(HELD_BYTES_MAX, 2 * config.max_message_size),
            read_timeout_s=config.conn_read_timeout_secs,
            idle_timeout_s=config.conn_idle_timeout_secs,
        )
        self._http = HttpServer(limits, bridge.handle, bridge.lost)
        context = server_context(key)
        self._listeners = [Listener(one, context, self._neighbours.new_link) for one in link_sockets]
        self._neighbours.listens = tuple(listener.endpoint for listener in self._listeners)
        for endpoint in config.peers:
            self._neighbours.keep(endpoint)

    @property
    def bridge_url(self) -> str:
        """Where the bridge answers."""
        return f"http://{bound_to(self._bridge_socket).authority}"

    @property
    def listens(self) -> tuple[Endpoint, ...]:
        """Where the node listens for links."""
        return self._neighbours.listens

    async def serve(self) -> None:
        """Answer on the bridge from now on."""
        await self._http.serve(self._bridge_socket)
        listen = [str(endpoint) for endpoint in self.listens]
        log.info(
            "started",
            extra={"peer": self._neighbours.peer.hex(), "bridge": self.bridge_url, "listen": listen},
        )

    def close(self) -> None:
        """End every connection."""
        for listener in self._listeners:
            listener.close()
        self._http.close()
        self._neighbours.close()


def _bind_all(config: NodeConfig) -> list[socket.socket]:
    """The bridge's socket, then one per address to listen for links on; all of them or none."""
    wanted = [(Endpoint(config.bridge_addr, config.api_port), "api_port or bridge_addr")]
    wanted += [(endpoint, "Listen or -listen") for endpoint in config.listen]
    sockets: list[socket.socket] = []
    try:
        for endpoint, setting in wanted:
            sockets.append(bind(endpoint, setting))
    except BaseException:
        for bound in sockets:
            bound.close()
        raise
    return sockets
