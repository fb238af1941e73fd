"""One TLS 1.3 link to one neighbour, pinned to its key and kept open.

CPython cannot accept client certificates it does not know. So the dialler takes any certificate and compares
the key in it with the one it expects, and its first frame signs `domain ‖ listener's key ‖ listener's nonce`.
The signature names the listener, so that nobody can pass it on to a third node.

A message counts as sent when the other side says that it is in its inbox. Everything queued in one tick of
the event loop leaves as one TLS record. What a neighbour can make this node hold or do is bounded here.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from axl import control
from axl.allowance import Allowance
from axl.certificate import CertificateError, key_in
from axl.control import Challenge, Hello, Neighbour, Refusal, Welcome
from axl.endpoint import Endpoint
from axl.frames import HANDSHAKE_FRAME_BYTES_MAX, FrameError, FrameReader, Kind, frame, header
from axl.keys import PrivateKey, verify

HELLO_DOMAIN = b"axl link hello v1\x00"
RECEIVE_BUFFER_BYTES = 64 * 1024
HANDSHAKE_TIMEOUT_S = 5.0
"""From the first byte of TCP to a link that carries messages."""
SHUTDOWN_TIMEOUT_S = 1.0
"""How long TLS may say goodbye to a neighbour that does not answer."""
UNACKNOWLEDGED_BYTES_MAX = 16 * 1024 * 1024
"""What may be on its way to one neighbour; at least one message of the largest size in any case."""
MESSAGE_OVERHEAD_BYTES = 200
"""Charged on top of a message's size, so that the bound in bytes also bounds tiny messages by number."""
SEND_TIMEOUT_S = 5.0
"""A message not acknowledged for this long is reported as not delivered."""
PING_AFTER_S = 10.0
"""A neighbour silent for this long is asked whether it is there."""
DROP_AFTER_S = 25.0
"""A neighbour silent, or not reading, for this long is not there."""
PROBE_S = 2.0
"""How long a doubted link has to prove itself."""
MESSAGES_PER_S_MAX = 10_000
"""Above this a neighbour is read more slowly, so that it cannot take the node's whole time."""
CONTROL_FRAMES_PER_S_MAX = 100
CONTROL_FRAMES_BURST_MAX = 1_000
"""Above these a neighbour is cut off: a hundred nodes joining at once stay far below."""


class LinkClosed(Exception):
    """A link never came to be; the message says why, `refusal` also to programs if it is one of those."""

    def __init__(self, reason: str, refusal: Refusal | None = None) -> None:
        super().__init__(reason)
        self.refusal = refusal

    @property
    def is_redundant(self) -> bool:
        """Whether nothing is wrong: the two have another link, or will in a moment."""
        return self.refusal is not None and self.refusal.is_redundant


class LinkLost(LinkClosed):
    """The other side, or the network, ended the connection before the link was up."""


class Waiter(Protocol):
    """Whoever waits for the fate of a message. Exactly one of the two is called, once."""

    def sent(self) -> None:
        """The message is in the neighbour's inbox."""

    def failed(self, reason: str) -> None:
        """It is not, or nobody knows."""


class Owner(Protocol):
    """The node a link belongs to."""

    @property
    def key(self) -> PrivateKey:
        """The key of this node."""

    @property
    def instance(self) -> bytes:
        """Eight random bytes that name this process."""

    @property
    def attached(self) -> bool:
        """Whether a client reads at this node."""

    @property
    def listens(self) -> tuple[Endpoint, ...]:
        """Where this node listens."""

    @property
    def message_bytes_max(self) -> int:
        """The largest message this node takes."""

    def refusal(self, link: Link) -> Refusal | None:
        """Why a link to the peer whose key was just proven is not wanted; None if it is."""

    def refused(self, link: Link, refusal: Refusal) -> None:
        """The other side does not want the link."""

    def link_up(self, link: Link) -> None:
        """The link carries messages from now on."""

    def link_down(self, link: Link, reason: str) -> None:
        """A link that was up carries nothing any more."""

    def deliver(self, sender: bytes, body: bytes) -> None:
        """Put a message into the inbox."""

    def attached_changed(self, link: Link) -> None:
        """The neighbour's client came or went."""

    def told_of(self, link: Link, neighbours: list[Neighbour]) -> None:
        """The neighbour says where others listen."""


class _Pending:
    """A message on its way."""

    __slots__ = ("charge", "deadline", "waiter")

    def __init__(self, waiter: Waiter, charge: int, deadline: float) -> None:
        self.waiter: Waiter | None = waiter
        self.charge = charge
        self.deadline = deadline


class Link(asyncio.BufferedProtocol):
    """One connection to one neighbour, from its handshake to its end.

    `dialled` is the endpoint this side dialled, None on the side that listened. `expected` is the key the
    dialler wants to find there; None takes whoever answers.
    """

    def __init__(self, owner: Owner, dialled: Endpoint | None = None, expected: bytes | None = None) -> None:
        self.dialled = dialled
        self.peer = b""
        """The neighbour's key, once it is proven."""
        self.instance = b""
        """Names the neighbour's process."""
        self.attached = False
        """Whether a client reads at the neighbour."""
        self.listens: tuple[Endpoint, ...] = ()
        """Where the neighbour says it listens."""
        self.remote = Endpoint("", 0)
        """The other end of the connection."""
        self.is_up = False
        self.used_at = float("-inf")
        """When this node's client last sent something over it."""
        self._owner = owner
        self._expected = expected
        self._loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[None] = self._loop.create_future()
        """Done when the link is up; a LinkClosed if it never came up."""
        self._end_reason = ""
        self._reader = FrameReader(HANDSHAKE_FRAME_BYTES_MAX)
        self._received = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._nonce = os.urandom(control.NONCE_BYTES)
        self._allowed_now: dict[int, Callable[[bytes], None]] = {}
        now = self._loop.time()
        self._drop_at = now + DROP_AFTER_S
        self._messages = Allowance(MESSAGES_PER_S_MAX, MESSAGES_PER_S_MAX, now)
        self._control_frames = Allowance(CONTROL_FRAMES_PER_S_MAX, CONTROL_FRAMES_BURST_MAX, now)
        self._out: list[bytes] = []
        self._arrived = 0
        """Messages put into the inbox and not yet acknowledged."""
        self._flush_is_due = False
        self._write_paused_at: float | None = None
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._transport: asyncio.Transport

    # ---------------------------------------------------------------------------------------- handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: the listener challenges, the dialler looks at the key it was shown."""
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.remote = Endpoint(str(host), int(port))
        if self.dialled is None:
            self._allowed_now = {Kind.HELLO: self._on_hello}
            self._write(Challenge(self._owner.instance, self._nonce).encode())
            return
        try:
            self.peer = key_in(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
        except CertificateError as error:
            self.close(str(error))
            return
        if self._expected is not None and self.peer != self._expected:
            self.close(f"expected key {self._expected.hex()} but found {self.peer.hex()}")
            return
        self._allowed_now = {Kind.CHALLENGE: self._on_challenge}

    def _on_challenge(self, body: bytes) -> None:
        challenge = control.decode_challenge(body)
        self.instance = challenge.instance
        refusal = self._owner.refusal(self)
        if refusal is not None:
            self.close(str(refusal), refusal)
            return
        owner = self._owner
        signature = owner.key.sign(HELLO_DOMAIN + self.peer + challenge.nonce)
        self._write(Hello(owner.instance, owner.key.peer, signature, owner.attached, owner.listens).encode())
        self._allowed_now = {Kind.WELCOME: self._on_welcome, Kind.REFUSED: self._on_refused}

    def _on_hello(self, body: bytes) -> None:
        hello = control.decode_hello(body)
        signed = HELLO_DOMAIN + self._owner.key.peer + self._nonce
        if not verify(hello.peer, signed, hello.signature):
            raise FrameError(f"its hello is not signed by {hello.peer.hex()}")
        self.peer, self.instance = hello.peer, hello.instance
        self.attached, self.listens = hello.attached, hello.listens
        refusal = self._owner.refusal(self)
        if refusal is not None:
            self._write(control.encode_refusal(refusal))
            self.close(str(refusal), refusal)
            return
        self._write(Welcome(self._owner.attached, self._owner.listens).encode())
        self._come_up()

    def _on_welcome(self, body: bytes) -> None:
        welcome = control.decode_welcome(body)
        self.attached, self.listens = welcome.attached, welcome.listens
        self._come_up()

    def _on_refused(self, body: bytes) -> None:
        refusal = control.decode_refusal(body)
        self._owner.refused(self, refusal)
        self.close(f"refused: {refusal}", refusal)

    def _come_up(self) -> None:
        self._allowed_now = {
            Kind.ACK: self._on_ack,
            Kind.ATTACHED: self._on_attached,
            Kind.NEIGHBOURS: self._on_neighbours,
            Kind.PING: self._on_ping,
            Kind.PONG: self._on_pong,
        }
        self._reader.size_max = self._owner.message_bytes_max + 1
        self.is_up = True
        if not self.settled.done():
            self.settled.set_result(None)
        self._owner.link_up(self)

    # ---------------------------------------------------------------------------------------- receiving

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived; a neighbour that breaks the rules loses the link."""
        data = bytes(self._received[:nbytes])
        if self._end_reason:
            return  # TLS may still hand over what came before the end
        now = self._loop.time()
        self._drop_at = now + DROP_AFTER_S
        try:
            messages, others = self._take_frames(data)
            if others and self._control_frames.debt_s(others, now) > 0:
                raise FrameError("too many control frames")
        except FrameError as error:
            self.close(str(error))
            return
        if messages:
            self._arrived += messages
            self._flush_soon()
            debt_s = self._messages.debt_s(messages, now)
            if debt_s > 0:
                self._transport.pause_reading()
                self._loop.call_later(debt_s, self._read_on)

    def _take_frames(self, data: bytes) -> tuple[int, int]:
        """Handle every whole frame; how many messages and how many other frames there were."""
        messages = others = 0
        for kind, body in self._reader.feed(data):
            if kind == Kind.MESSAGE and self.is_up:
                self._owner.deliver(self.peer, body)
                messages += 1
                continue
            handle = self._allowed_now.get(kind)
            if handle is None:
                raise FrameError(f"a frame of kind {kind} has no place here")
            handle(body)
            others += kind != Kind.ACK  # each of these answers a message of this side's
            if self._end_reason:
                break
        return messages, others

    def _read_on(self) -> None:
        if not self._end_reason:
            self._transport.resume_reading()

    def _on_ack(self, body: bytes) -> None:
        count = control.decode_ack(body)
        if not 1 <= count <= len(self._pending):
            raise FrameError("it acknowledges messages that were never sent")
        for _ in range(count):
            pending = self._pending.popleft()
            self._pending_bytes -= pending.charge
            if pending.waiter is not None:
                pending.waiter.sent()

    def _on_attached(self, body: bytes) -> None:
        attached = control.decode_flag(body)
        if attached != self.attached:
            self.attached = attached
            self._owner.attached_changed(self)

    def _on_neighbours(self, body: bytes) -> None:
        self._owner.told_of(self, control.decode_neighbours(body))

    def _on_ping(self, _body: bytes) -> None:
        self._write(frame(Kind.PONG))

    def _on_pong(self, _body: bytes) -> None:
        """Having been heard is all there is to it."""

    # ------------------------------------------------------------------------------------------ sending

    def send(self, body: bytes, waiter: Waiter) -> None:
        """Send a message; `waiter` learns whether it arrived."""
        charge = len(body) + MESSAGE_OVERHEAD_BYTES
        if self._pending and self._pending_bytes + charge > UNACKNOWLEDGED_BYTES_MAX:
            waiter.failed(f"{self._pending_bytes} bytes are already on their way to it")
            return
        self.used_at = self._loop.time()
        self._pending.append(_Pending(waiter, charge, self.used_at + SEND_TIMEOUT_S))
        self._pending_bytes += charge
        self._out.append(header(Kind.MESSAGE, len(body)))
        self._out.append(body)
        self._flush_soon()

    def tell_attached(self, attached: bool) -> None:
        """Tell the neighbour that this node's client came or went."""
        self._write(control.encode_attached(attached))

    def tell_of(self, neighbours: list[Neighbour]) -> None:
        """Tell the neighbour where others listen."""
        self._write(control.encode_neighbours(neighbours))

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._write_paused_at is not None or self._transport.is_closing():
            return
        if self._arrived:
            self._out.append(control.encode_ack(self._arrived))
            self._arrived = 0
        self._transport.write(b"".join(self._out))
        self._out.clear()

    def pause_writing(self) -> None:
        """The neighbour reads more slowly than this side writes; acknowledgements pile up as one number."""
        self._write_paused_at = self._loop.time()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._write_paused_at = None
        self._flush()

    # ------------------------------------------------------------------------------------------- health

    def probe(self) -> None:
        """Somebody doubts this link: it has a moment to prove itself."""
        self._drop_at = min(self._drop_at, self._loop.time() + PROBE_S)
        self._write(frame(Kind.PING))

    def sweep(self, now: float) -> None:
        """Called about once a second: report what was not delivered in time, look after a silent neighbour."""
        for pending in self._pending:
            if pending.deadline > now:
                break
            if pending.waiter is not None:
                pending.waiter.failed(f"not acknowledged within {SEND_TIMEOUT_S:g} s")
                pending.waiter = None
        if now >= self._drop_at:
            self.close("it fell silent")
        elif self._write_paused_at is not None and now - self._write_paused_at > DROP_AFTER_S:
            self.close("it does not read")
        elif self._drop_at - now < DROP_AFTER_S - PING_AFTER_S:
            self._write(frame(Kind.PING))

    # ---------------------------------------------------------------------------------------------- end

    def close(self, reason: str, refusal: Refusal | None = None) -> None:
        """End the link for a reason of this side's; what was queued before still leaves."""
        if self._end_reason:
            return
        self._flush()
        self._end(LinkClosed(reason, refusal))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._end(LinkLost(str(exc) if exc else "the other side closed the connection"))

    def _end(self, closed: LinkClosed) -> None:
        if self._end_reason:
            return
        self._end_reason = reason = str(closed)
        if not self.settled.done():
            self.settled.set_exception(closed)
        pending, self._pending = self._pending, deque()
        for one in pending:
            if one.waiter is not None:
                one.waiter.failed(reason)
        if self.is_up:
            self.is_up = False
            self._owner.link_down(self, reason)
