"""Async client of an AXL bridge, this project's or the Go node's: the caller need not know which it is.

With this project's node everything but the topology goes over one stream (`axl.stream`), and nothing is polled. The Go
node has none, so there the client asks again and again, quickly while `busy` is set.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from axl.client_stream import ClientStream
from axl.errors import AxlError, PeerUnreachable, explained
from axl.http_client import Line, Lines
from axl.http_message import HttpError, Response

PEERS_MAX = 1024
"""Peers that connections to a Go node's bridge are kept for."""
MESSAGES_MAX = 64
POLL_BUSY_S = 0.012
POLL_QUIET_S = 0.1
POLL_TOPOLOGY_S = 1.0
"""The last three are for the Go node, which has to be asked to be heard."""

_SEND = b"POST /send HTTP/1.1\r\nHost: %s\r\nX-Destination-Peer-Id: %s\r\nContent-Length: %d\r\n\r\n"
_GET = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One peer in `/topology`. The Go node says nothing about `attached`: there it is the same as `up`."""

    up: bool
    attached: bool
    uri: str


@dataclass(frozen=True, slots=True)
class Topology:
    """What `/topology` shows. `version` is None for the Go node. `twin` tells where another node with the same key was
    noticed; the Go node does not notice."""

    our_public_key: bytes
    version: int | None
    listen: tuple[str, ...]
    peers: dict[bytes, Neighbour]
    twin: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message for this client. `sender_hint` is no proof: the Go node's is only the beginning of a key."""

    sender_hint: bytes
    body: bytes


class AxlClient:
    """Talks to the bridge at `base_url`, as in `http://127.0.0.1:9002`, within one event loop.

    `timeout_s` is how long the bridge may take to answer, on top of what it was asked to wait. Connections are
    opened when first needed and again after a failure. Any number of sends and topology requests may be under
    way at once, but only one `receive`.
    """

    def __init__(self, base_url: str, *, timeout_s: float = 10.0) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"expected http://host:port, not {base_url!r}")
        self._base_url = base_url
        self._address = (parts.hostname, parts.port or 80)
        self._host = parts.netloc.encode()
        self._timeout_s = timeout_s
        self._send_lines: dict[bytes, Lines] = {}
        self._topology_lines = Lines(*self._address)
        self._last_topology: Topology | None = None
        self._receive_line = Line(*self._address)
        self._stream: ClientStream | None = None
        self._opening: asyncio.Task[ClientStream | None] | None = None
        self._is_go = False
        """Whether the node has shown that it has no streams."""
        self._posts: set[asyncio.Task[None]] = set()
        """Messages that wait for the stream, or go to a Go node."""
        self._ready: deque[ReceivedMessage] = deque()
        self._turn = asyncio.Event()
        """Set when the stream has brought something."""
        self._busy = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether messages are expected soon: a Go node is then asked for them every 12 ms, else every 100."""
        return self._busy.is_set()

    @busy.setter
    def busy(self, value: bool) -> None:
        if value:
            self._busy.set()
        else:
            self._busy.clear()

    async def aclose(self) -> None:
        """End all connections; the node takes this as the end of its client."""
        if self._opening is not None:
            self._opening.cancel()
        if self._stream is not None:
            self._stream.close()
        self._receive_line.close()
        self._topology_lines.close()
        for lines in self._send_lines.values():
            lines.close()

    # --------------------------------------------------------------------------------------------- send

    async def send(self, peer: bytes, body: bytes) -> None:
        """Put `body` into the inbox of `peer`. Raises PeerUnreachable, AxlUnavailable or AxlError."""
        await self.post(peer, body)

    def post(self, peer: bytes, body: bytes) -> asyncio.Future[None]:
        """`send` for those who do not wait: the future has its outcome. Messages to one peer keep their order with this
        project's node."""
        if self._stream is not None and self._stream.lost is None:
            return self._stream.send(peer, body)
        task = asyncio.get_running_loop().create_task(self._send(peer, body))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)
        return task

    async def _send(self, peer: bytes, body: bytes) -> None:
        stream = await self._open()
        if stream is not None:
            await stream.send(peer, body)
        else:
            await self._send_alone(peer, body)

    async def _send_alone(self, peer: bytes, body: bytes) -> None:
        """One request for one message, as the Go node has it."""
        lines = self._send_lines.get(peer)
        if lines is None:
            lines = self._new_lines(peer)
        request = _SEND % (self._host, peer.hex().encode(), len(body)) + body
        with self._failures():
            try:
                response = await lines.ask(request, self._timeout_s)
            except TimeoutError as error:
                # The Go node dials for every message: a peer that does not answer is no fault of the bridge.
                raise PeerUnreachable(peer, str(error) or "no answer") from None
        if response.status == 502:
            self._let_go(peer, lines)
            raise PeerUnreachable(peer, _text(response).removeprefix(f"cannot reach {peer.hex()}: "))
        if response.status != 200:
            raise AxlError(f"/send: {response.status} {_text(response)}")

    async def _open(self) -> ClientStream | None:
        """The stream; None if the node has none. Raises AxlError."""
        if self._stream is not None and self._stream.lost is None:
            return self._stream
        if self._is_go:
            return None
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect())
        try:
            return await asyncio.shield(self._opening)
        finally:
            if self._opening is not None and self._opening.done():
                self._opening = None

    async def _connect(self) -> ClientStream | None:
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                _, stream = await asyncio.get_running_loop().create_connection(
                    lambda: ClientStream(
                        self._base_url, self._host, self._timeout_s, self._came, self._turn.set
                    ),
                    *self._address,
                )
        try:
            self._is_go = not await stream.opened
        except asyncio.CancelledError:
            stream.close()
            raise
        self._stream = None if self._is_go else stream
        return self._stream

    def _came(self, sender: bytes, body: bytes) -> None:
        self._ready.append(ReceivedMessage(sender, body))

    def _new_lines(self, peer: bytes) -> Lines:
        """Connections for a peer, in place of those of one that has long had nothing to get."""
        if len(self._send_lines) >= PEERS_MAX:
            idle = next((known for known, lines in self._send_lines.items() if lines.is_idle), None)
            if idle is not None:
                self._let_go(idle, self._send_lines[idle])
        lines = self._send_lines[peer] = Lines(*self._address)
        return lines

    def _let_go(self, peer: bytes, lines: Lines) -> None:
        """Keep no connections for a peer that may never come back."""
        if lines.is_idle and self._send_lines.get(peer) is lines:
            del self._send_lines[peer]
            lines.close()

    # ------------------------------------------------------------------------------------------ receive

    async def receive(self, *, wait_s: float, max_messages: int = MESSAGES_MAX) -> list[ReceivedMessage]:
        """Up to `max_messages` as soon as there is one, or none after `wait_s`. Raises AxlUnavailable or AxlError."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while not self._ready:
            stream = await self._open()
            if not await (
                self._wait(stream, deadline) if stream is not None else self._poll(deadline, max_messages)
            ):
                break
        taken = [self._ready.popleft() for _ in range(min(max_messages, len(self._ready)))]
        if self._stream is not None:
            for message in taken:
                self._stream.taken(len(message.body))
        return taken

    async def _wait(self, stream: ClientStream, deadline: float) -> bool:
        """Wait until something comes; False when it is late and nothing lies at the node either."""
        stream.receive()
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0 and stream.told:
            return False
        self._turn.clear()
        try:
            async with asyncio.timeout(left_s if left_s > 0 else self._timeout_s):
                await self._turn.wait()
        except TimeoutError:
            return False
        if stream.lost is not None and not self._ready:
            raise stream.lost
        return True

    async def _poll(self, deadline: float, max_messages: int) -> bool:
        """Ask a Go node once, and rest a little if it has nothing; False when it is late."""
        with self._failures():
            try:
                if await self._ask_for_messages(max_messages):
                    return True
            except (OSError, HttpError):
                self._is_go = False  # whatever is there next may be another kind of node
                raise
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            return False
        await self._pause(left_s)
        return True

    async def _ask_for_messages(self, count_max: int) -> bool:
        """Take what there is without waiting, up to a count; whether there was anything."""
        request = _GET % (b"/recv", self._host)
        while len(self._ready) < count_max:
            response = await self._receive_line.ask(request, self._timeout_s)
            if response.status == 204:
                break
            if response.status != 200:
                raise AxlError(f"/recv: {response.status} {_text(response)}")
            self._ready.append(_received(response))
        return bool(self._ready)

    async def _pause(self, seconds: float) -> None:
        """Between two questions to a Go node; ends early when `busy` is set."""
        if self.busy:
            await asyncio.sleep(min(seconds, POLL_BUSY_S))
            return
        try:
            async with asyncio.timeout(min(seconds, POLL_QUIET_S)):
                await self._busy.wait()
        except TimeoutError:
            return

    # ----------------------------------------------------------------------------------------- topology

    async def topology(self, *, wait_s: float = 0.0, version: int | None = None) -> Topology:
        """Who is there. With `version`, waits up to `wait_s` for it to be another. Raises AxlUnavailable or AxlError.

        The Go node has no versions: there a waiting call asks every second until the answer differs from the
        last one given.
        """
        query = b"" if version is None else b"?wait=%.3f&version=%d" % (wait_s, version)
        seen = self._last_topology
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            topology = await self._ask_for_topology(query, self._timeout_s + wait_s)
            left_s = deadline - asyncio.get_running_loop().time()
            if topology.version is not None or topology != seen or left_s <= 0:
                self._last_topology = topology
                return topology
            await asyncio.sleep(min(POLL_TOPOLOGY_S, left_s))

    async def _ask_for_topology(self, query: bytes, timeout_s: float) -> Topology:
        with self._failures():
            response = await self._topology_lines.ask(_GET % (b"/topology" + query, self._host), timeout_s)
        if response.status != 200:
            raise AxlError(f"/topology: {response.status} {_text(response)}")
        try:
            return _topology(json.loads(response.body))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise AxlError("/topology: the answer is not what an AXL node gives") from None

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Failures of the connection in the terms of `axl.errors`."""
        try:
            yield
        except (HttpError, OSError) as error:
            raise explained(self._base_url, error) from None


def _received(response: Response) -> ReceivedMessage:
    try:
        sender = bytes.fromhex(response.headers.get(b"x-from-peer-id", b"").decode("latin-1"))
    except ValueError:
        sender = b""
    return ReceivedMessage(sender, response.body)


def _topology(document: dict[str, Any]) -> Topology:
    # The Go node writes an empty list as null, and lists a configured peer it never met without a key.
    peers = [peer for peer in document["peers"] or () if peer["public_key"]]
    return Topology(
        our_public_key=bytes.fromhex(document["our_public_key"]),
        version=document.get("version"),
        listen=tuple(document.get("listen", ())),
        twin=str(document.get("twin", "")),
        peers={
            bytes.fromhex(peer["public_key"]): Neighbour(
                up=peer["up"], attached=peer.get("attached", peer["up"]), uri=peer["uri"]
            )
            for peer in peers
        },
    )


def _text(response: Response) -> str:
    return response.body[:500].decode("utf-8", "replace").strip()
