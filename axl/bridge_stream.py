"""The node's end of a client's stream (`axl.stream`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from axl import stream
from axl.frames import FrameError, FrameReader, frame
from axl.http_server import HttpConnection
from axl.link import Waiter

Send = Callable[[bytes, bytes, Waiter], None]


class BridgeStream:
    """One client's stream. `send` passes its messages on; `wants_messages` is called when it has granted credit.

    What happens in one turn of the event loop leaves in one write, unless the client does not read: then it waits, no more
    than there are messages of the client's own under way.
    """

    def __init__(
        self,
        connection: HttpConnection,
        message_bytes_max: int,
        send: Send,
        wants_messages: Callable[[BridgeStream], None],
    ) -> None:
        self._connection = connection
        self._reader = FrameReader(message_bytes_max + stream.FRAME_OVERHEAD_BYTES)
        self._send = send
        self._wants_messages = wants_messages
        self._loop = asyncio.get_running_loop()
        self._credit_bytes = 0
        self._sent: list[int] = []
        self._out: list[bytes] = []
        self._flush_is_due = False

    @property
    def held_bytes(self) -> int:
        """Bytes of an unfinished frame."""
        return self._reader.held_bytes

    @property
    def has_room(self) -> bool:
        """Whether the client takes a message now."""
        return self._credit_bytes > 0 and self._connection.is_open and not self._connection.is_write_paused

    def received(self, data: bytes) -> None:
        """Bytes of the client's. Raises FrameError when it breaks the rules."""
        for kind, body in self._reader.feed(data):
            if kind == stream.Kind.SEND:
                number, peer, message = stream.decode_send(body)
                self._send(peer, message, _Delivery(self, number))
            elif kind == stream.Kind.RECEIVE:
                self._credit_bytes += stream.decode_receive(body)
                self._wants_messages(self)
                self._put(frame(stream.Kind.RECEIVING))
            else:
                raise FrameError(f"a frame of kind {kind} has no place here")

    def deliver(self, sender: bytes, body: bytes) -> None:
        """Give the client a message."""
        self._credit_bytes -= len(body) + stream.MESSAGE_OVERHEAD_BYTES
        self._put(stream.encode_message(sender, body))

    def sent(self, number: int) -> None:
        """A message of the client's has arrived."""
        self._sent.append(number)
        self._flush_soon()

    def failed(self, number: int, reason: str) -> None:
        """A message of the client's is not known to have arrived."""
        self._put(stream.encode_failed(number, reason))

    def writable(self) -> None:
        """The client reads again."""
        self._flush_soon()
        if self.has_room:
            self._wants_messages(self)

    def _put(self, data: bytes) -> None:
        self._out.append(data)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._connection.is_write_paused or not self._connection.is_open:
            return
        if self._sent:
            self._out.append(stream.encode_sent(self._sent))
            self._sent.clear()
        if self._out:
            self._connection.write(b"".join(self._out))
            self._out.clear()


class _Delivery:
    """Tells the client the fate of one message."""

    __slots__ = ("_number", "_stream")

    def __init__(self, stream: BridgeStream, number: int) -> None:
        self._stream = stream
        self._number = number

    def sent(self) -> None:
        self._stream.sent(self._number)

    def failed(self, reason: str) -> None:
        self._stream.failed(self._number, reason)
