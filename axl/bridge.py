"""The HTTP API of a node: `/topology`, `/send`, `/recv` and `/stream`, for programs on this machine and for nobody else.

A request has to name a loopback host, so that no web page reaches the bridge through a name that resolves to
this machine, and may not come from a browser at all.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

from axl import batch, stream
from axl.bridge_stream import BridgeStream
from axl.endpoint import Endpoint
from axl.http_message import Headers, Request
from axl.http_server import HttpConnection
from axl.inbox import Inbox
from axl.keys import PeerIdError, parse_peer_id
from axl.neighbours import Neighbours
from axl.topology import topology

WAIT_S_MAX = 60.0
"""A longer wait is cut to this."""
BATCH_MESSAGES_MAX = 1024
BATCH_BYTES_MAX = 1024 * 1024
"""Bodies in one batch, unless it is a single larger one."""

_LOOPBACK = rb"127(?:\.[0-9]{1,3}){3}|localhost|\[::1\]"
_SECONDS = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_BYTES = b"Content-Type: application/octet-stream\r\n"
_JSON = b"Content-Type: application/json\r\n"
_BATCH = b"Content-Type: %s\r\n" % batch.CONTENT_TYPE
_WAITED = b"%s: 1\r\n" % batch.WAITED_HEADER


class BadRequest(Exception):
    """The client asked for something that makes no sense; the message says what."""


class Bridge:
    """Answers requests on behalf of one node. `host` is the address it listens on."""

    def __init__(self, neighbours: Neighbours, inbox: Inbox, host: str) -> None:
        self._neighbours = neighbours
        self._inbox = inbox
        self._hosts = re.compile(rb"(?:%s)(?::[0-9]{1,5})?" % _answered_hosts(host), re.IGNORECASE)
        self._loop = asyncio.get_running_loop()
        self._clients: set[HttpConnection] = set()
        """Connections on which somebody has waited for messages: while one is open, a client is there."""
        self._receivers: dict[HttpConnection, int | None] = {}
        """Who waits for messages, longest first, and for how many at once; None for one in the Go node's form."""
        self._watchers: set[HttpConnection] = set()
        """Who waits for the topology to change."""
        self._streams: dict[HttpConnection, BridgeStream] = {}
        """Streams on which messages are wanted, the newest last."""
        self._is_serving_receivers = False
        self._is_serving_watchers = False
        self._routes: dict[bytes, tuple[bytes, Callable[[HttpConnection, Request], None]]] = {
            b"/send": (b"POST", self._send),
            b"/recv": (b"GET", self._receive),
            b"/topology": (b"GET", self._topology),
            stream.PATH: (b"GET", self._stream),
        }
        inbox.on_message = self._message_came
        neighbours.on_change = self._topology_changed

    def handle(self, connection: HttpConnection, request: Request) -> None:
        """Answer a request, now or when what it waits for has happened."""
        if not self._is_local(request.headers):
            connection.answer_text(
                403, "only programs on this machine may use the bridge, by a loopback address"
            )
            return
        method, route = self._routes.get(request.path, (None, None))
        if route is None or method is None:
            connection.answer_text(404, "the bridge has /topology, /send, /recv and /stream")
        elif request.method != method:
            # No body: it would be one too many in the answer to HEAD.
            connection.answer(405, b"Allow: " + method + b"\r\n")
        else:
            try:
                route(connection, request)
            except BadRequest as error:
                connection.answer_text(400, str(error))

    def lost(self, connection: HttpConnection) -> None:
        """A connection ended: nobody waits on it any more, and the last one of a client takes the client along."""
        self._receivers.pop(connection, None)
        self._watchers.discard(connection)
        self._streams.pop(connection, None)
        if connection in self._clients:
            self._clients.remove(connection)
            if not self._clients:
                self._neighbours.set_attached(False)

    def _is_local(self, headers: Headers) -> bool:
        if not self._hosts.fullmatch(headers.get(b"host", b"")):
            return False
        return b"origin" not in headers and not any(name.startswith(b"sec-fetch-") for name in headers)

    # -------------------------------------------------------------------------------------------- /send

    def _send(self, connection: HttpConnection, request: Request) -> None:
        text = request.headers.get(b"x-destination-peer-id")
        if text is None:
            raise BadRequest("Missing X-Destination-Peer-Id header")
        try:
            peer = parse_peer_id(text.decode("latin-1"))
        except PeerIdError:
            raise BadRequest("Invalid destination peer ID: 64 hexadecimal characters are expected") from None
        self._neighbours.send(peer, request.body, _Delivery(connection, peer, len(request.body)))

    # -------------------------------------------------------------------------------------------- /recv

    def _receive(self, connection: HttpConnection, request: Request) -> None:
        parameters = _parameters(request.query)
        wait_s = _wait_s(parameters)
        count = parameters.get(b"max")
        if count is None:
            self._receivers[connection] = None
        else:
            self._receivers[connection] = min(max(1, _whole_number(b"max", count)), BATCH_MESSAGES_MAX)
        if b"wait" in parameters:
            self._note_client(connection)
        if self._inbox:
            self._serve_receivers()
        if connection not in self._receivers:
            return
        if wait_s > 0:
            connection.after(wait_s, lambda: self._answer_empty(connection, _WAITED))
        else:
            self._answer_empty(connection, _WAITED if b"wait" in parameters else b"")

    def _answer_empty(self, connection: HttpConnection, headers: bytes) -> None:
        del self._receivers[connection]
        connection.answer(204, headers)

    def _note_client(self, connection: HttpConnection) -> None:
        self._clients.add(connection)
        if not self._neighbours.attached:
            self._neighbours.set_attached(True)

    def _message_came(self) -> None:
        # What arrives in one read of a link is handed over together, after it.
        if (self._receivers or self._streams) and not self._is_serving_receivers:
            self._is_serving_receivers = True
            self._loop.call_soon(self._serve_receivers)

    def _serve_receivers(self) -> None:
        self._is_serving_receivers = False
        for one in reversed(list(self._streams.values())):
            self._fill(one)
        while self._receivers and self._inbox:
            connection = next(iter(self._receivers))
            count = self._receivers.pop(connection)
            if not connection.is_open:
                continue
            if count is None:
                [(sender, body)] = self._inbox.take(1, BATCH_BYTES_MAX)
                connection.answer(200, _BYTES + b"X-From-Peer-Id: " + sender.hex().encode() + b"\r\n", body)
            else:
                messages = self._inbox.take(count, BATCH_BYTES_MAX)
                connection.answer(200, _BATCH, batch.encode(messages))

    # ------------------------------------------------------------------------------------------ /stream

    def _stream(self, connection: HttpConnection, request: Request) -> None:
        if request.headers.get(b"upgrade", b"").lower() != stream.UPGRADE:
            connection.answer_text(
                426, f"/stream needs Upgrade: {stream.UPGRADE.decode()}", b"Upgrade: %s\r\n" % stream.UPGRADE
            )
            return
        size = self._neighbours.message_bytes_max

        def wants_messages(one: BridgeStream) -> None:
            self._note_client(connection)
            self._streams[connection] = one
            self._fill(one)

        one = BridgeStream(connection, size, self._neighbours.send, wants_messages)
        connection.upgrade(stream.UPGRADE, b"%s: %d\r\n" % (stream.LIMIT_HEADER, size), one)

    def _fill(self, one: BridgeStream) -> None:
        """Give a stream what lies there, as far as it takes it."""
        while self._inbox and one.has_room:
            [(sender, body)] = self._inbox.take(1, BATCH_BYTES_MAX)
            one.deliver(sender, body)

    # ---------------------------------------------------------------------------------------- /topology

    def _topology(self, connection: HttpConnection, request: Request) -> None:
        parameters = _parameters(request.query)
        wait_s = _wait_s(parameters)
        seen = parameters.get(b"version")
        is_current = seen is not None and _whole_number(b"version", seen) == self._neighbours.version
        if is_current and wait_s > 0:
            self._watchers.add(connection)
            connection.after(wait_s, lambda: self._answer_topology(connection))
        else:
            self._answer_topology(connection)

    def _answer_topology(self, connection: HttpConnection) -> None:
        self._watchers.discard(connection)
        connection.answer(200, _JSON, json.dumps(topology(self._neighbours, self._inbox)).encode() + b"\n")

    def _topology_changed(self) -> None:
        if self._watchers and not self._is_serving_watchers:
            self._is_serving_watchers = True
            self._loop.call_soon(self._serve_watchers)

    def _serve_watchers(self) -> None:
        self._is_serving_watchers = False
        for connection in list(self._watchers):
            self._answer_topology(connection)


class _Delivery:
    """Answers a `/send` when the fate of its message is known."""

    __slots__ = ("_connection", "_peer", "_size")

    def __init__(self, connection: HttpConnection, peer: bytes, size: int) -> None:
        self._connection = connection
        self._peer = peer
        self._size = size

    def sent(self) -> None:
        self._connection.answer(200, _BYTES + b"X-Sent-Bytes: %d\r\n" % self._size)

    def failed(self, reason: str) -> None:
        self._connection.answer_text(502, f"cannot reach {self._peer.hex()}: {reason}")


def _answered_hosts(listening: str) -> bytes:
    """The hosts a Host header may name, as a pattern: loopback, and the address the bridge was told to listen on;
    "every interface" is no address."""
    endpoint = Endpoint(listening, 0)
    if endpoint.is_wildcard or not endpoint.is_numeric:
        return _LOOPBACK
    return _LOOPBACK + b"|" + re.escape(endpoint.authority.removesuffix(":0").encode())


def _parameters(query: bytes) -> dict[bytes, bytes]:
    """Names and values of a query; none of those known here needs decoding."""
    pairs = (pair.partition(b"=") for pair in query.split(b"&") if pair)
    return {name: value for name, _, value in pairs}


def _wait_s(parameters: dict[bytes, bytes]) -> float:
    value = parameters.get(b"wait")
    if value is None:
        return 0.0
    if not _SECONDS.fullmatch(value):
        raise BadRequest("wait has to be a number of seconds")
    return min(float(value), WAIT_S_MAX)


def _whole_number(name: bytes, value: bytes) -> int:
    if not _NUMBER.fullmatch(value):
        raise BadRequest(f"{name.decode()} has to be a whole number")
    return int(value)
