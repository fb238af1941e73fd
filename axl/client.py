"""Async client of an AXL bridge, this project's or the Go node's: the caller need not know which it is.

With this project's node nothing is polled: one request for messages is always waiting at the bridge, and the
next one leaves before the messages of the last are handed out. The Go node cannot wait, so there the client
asks again and again, quickly while `busy` is set.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from axl import batch
from axl.http_client import Line, Lines
from axl.http_message import HttpError, Response

PEERS_MAX = 1024
"""Peers that connections to the bridge are kept for."""
LONG_POLL_S = 30.0
BATCH_MESSAGES_MAX = 64
POLL_BUSY_S = 0.012
POLL_QUIET_S = 0.1
POLL_TOPOLOGY_S = 1.0
"""The last three are for the Go node, which has to be asked to be heard."""

_SEND = b"POST /send HTTP/1.1\r\nHost: %s\r\nX-Destination-Peer-Id: %s\r\nContent-Length: %d\r\n\r\n"
_GET = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"


class AxlError(Exception):
    """The bridge answered with an error, or with something that is no answer."""


class AxlUnavailable(AxlError):
    """The bridge cannot be reached or does not answer. It may be back later."""


class PeerUnreachable(AxlError):
    """A message is not known to have reached a peer's inbox."""

    def __init__(self, peer: bytes, why: str) -> None:
        super().__init__(f"cannot reach {peer.hex()}: {why}")
        self.peer = peer
        self.why = why


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
        self._poll: asyncio.Future[Response] | None = None
        """The answer to the request for messages that is waiting at the bridge."""
        self._node_waits = False
        """Whether the bridge has shown that it can wait for messages."""
        self._ready: deque[ReceivedMessage] = deque()
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
        self._receive_line.close()
        self._topology_lines.close()
        for lines in self._send_lines.values():
            lines.close()

    # --------------------------------------------------------------------------------------------- send

    async def send(self, peer: bytes, body: bytes) -> None:
        """Put `body` into the inbox of `peer`. Raises PeerUnreachable, AxlUnavailable or AxlError."""
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

    async def receive(
        self, *, wait_s: float, max_messages: int = BATCH_MESSAGES_MAX
    ) -> list[ReceivedMessage]:
        """Up to `max_messages` as soon as there is one, or none after `wait_s`. Raises AxlUnavailable or AxlError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        with self._failures():
            while not self._ready:
                left_s = max(0.0, deadline - loop.time())
                if self._node_waits:
                    if not await self._wait_for_messages(left_s):
                        return []
                elif not await self._ask_for_messages(max_messages):
                    if left_s == 0.0:
                        return []
                    await self._pause(left_s)
        return [self._ready.popleft() for _ in range(min(max_messages, len(self._ready)))]

    async def _wait_for_messages(self, seconds: float) -> bool:
        """Wait for the answer to the poll that is under way; whether it came. The next poll leaves at once."""
        if self._poll is None:
            self._poll = await self._start_poll()
        await asyncio.wait((self._poll,), timeout=seconds)
        if not self._poll.done():
            return False
        answer, self._poll = self._poll, None
        try:
            self._take(answer.result())
        except (OSError, HttpError):
            self._node_waits = False  # whatever is there next may be another kind of node
            raise
        if self._node_waits:
            with suppress(OSError):  # what was received counts now; the next call finds the bridge gone
                self._poll = await self._start_poll()
        return True

    async def _start_poll(self) -> asyncio.Future[Response]:
        request = _GET % (b"/recv?wait=%d&max=%d" % (LONG_POLL_S, BATCH_MESSAGES_MAX), self._host)
        return await self._receive_line.start(request, LONG_POLL_S + self._timeout_s)

    async def _ask_for_messages(self, count_max: int) -> bool:
        """Take what there is without waiting; whether it is worth looking again at once."""
        request = _GET % (b"/recv?wait=0&max=%d" % BATCH_MESSAGES_MAX, self._host)
        before = -1
        while before < len(self._ready) < count_max and not self._node_waits:
            before = len(self._ready)
            self._take(await self._receive_line.ask(request, self._timeout_s))
        return bool(self._ready) or self._node_waits

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

    def _take(self, response: Response) -> None:
        """Keep the messages in an answer, and note what kind of node gave it."""
        is_batch = response.headers.get(b"content-type") == batch.CONTENT_TYPE
        self._node_waits = is_batch or batch.WAITED_HEADER in response.headers
        if is_batch:
            self._ready.extend(_batch(response))
        elif response.status == 200:
            self._ready.append(_single(response))
        elif response.status != 204:
            raise AxlError(f"/recv: {response.status} {_text(response)}")

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
        """Failures of the connection in the terms of this module."""
        try:
            yield
        except HttpError as error:
            raise AxlError(f"the AXL bridge at {self._base_url} does not speak HTTP: {error}") from None
        except OSError as error:
            reason = str(error) or "no answer"
            raise AxlUnavailable(f"the AXL bridge at {self._base_url} cannot be reached: {reason}") from None


def _batch(response: Response) -> list[ReceivedMessage]:
    try:
        return [ReceivedMessage(sender, body) for sender, body in batch.decode(response.body)]
    except batch.BatchError as error:
        raise AxlError(f"/recv: {error}") from None


def _single(response: Response) -> ReceivedMessage:
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
