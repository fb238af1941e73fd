"""The client's end of a stream (`axl.stream`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from axl import stream
from axl.errors import AxlError, PeerUnreachable, explained
from axl.frames import FrameError, FrameReader
from axl.http1 import ResponseReader
from axl.http_message import HEAD_BYTES_MAX, HttpError

RECEIVE_BUFFER_BYTES = 64 * 1024
CREDIT_BYTES = 4 * 1024 * 1024
"""Messages that may lie here untaken, overhead included, and one more."""
FRAME_BYTES_MAX = 2**31
"""The node is a program of this machine's own user: its limits are the ones that count."""

_REQUEST = b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"
_SWITCHING = b"HTTP/1.1 101 "
_HEAD_END = b"\r\n\r\n"
_NO_STREAMS = (400, 404, 405, 426, 501)
"""What a bridge answers that does not know what is wanted."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A message whose fate is not known yet."""

    peer: bytes
    fate: asyncio.Future[None]
    since: float


class ClientStream(asyncio.BufferedProtocol):
    """One connection to the bridge at `url` that is, or is about to be, a stream.

    `opened` tells whether the node has streams. `on_message` gets (sender, body); `on_turn` is called after each read, and
    when the connection is lost. What is sent in one turn of the event loop leaves in one write.
    """

    def __init__(
        self,
        url: str,
        host: bytes,
        timeout_s: float,
        on_message: Callable[[bytes, bytes], None],
        on_turn: Callable[[], None],
    ) -> None:
        self._url = url
        self._host = host
        self._timeout_s = timeout_s
        self._on_message = on_message
        self._on_turn = on_turn
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._head = b""
        self._frames = FrameReader(FRAME_BYTES_MAX)
        self._transport: asyncio.Transport
        self.opened: asyncio.Future[bool] = self._loop.create_future()
        self.opened.add_done_callback(_look_at)
        self.lost: AxlError | None = None
        """Why the connection is no more."""
        self.told = False
        """Whether what lay at the node when credit was granted first is here."""
        self._message_bytes_max = 0
        self._number = 0
        self._under_way: dict[int, _UnderWay] = {}
        self._out: list[bytes] = []
        self._is_receiving = False
        self._taken_bytes = 0
        """Taken since credit was granted last."""
        self._asked_at = 0.0
        self._watch: asyncio.TimerHandle | None = None

    # ---------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_REQUEST % (stream.PATH, self._host, stream.UPGRADE))
        self._asked_at = self._loop.time()
        self._watch = self._loop.call_at(self._asked_at + self._timeout_s, self._look)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes arrived."""
        data = bytes(self._buffer[:nbytes])
        try:
            if not self.opened.done():
                data = self._answered(data)
            for kind, body in self._frames.feed(data):
                self._take(kind, body)
        except FrameError as error:
            self._end(AxlError(f"the AXL bridge at {self._url} breaks the rules of its stream: {error}"))
            return
        except HttpError as error:
            self._end(explained(self._url, error))
            return
        self._on_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(
            explained(self._url, ConnectionResetError(str(exc) if exc else "the connection was closed"))
        )

    def close(self) -> None:
        """End the connection."""
        self._end(explained(self._url, ConnectionAbortedError("the client was closed")))

    # ------------------------------------------------------------------------------------------ sending

    def send(self, peer: bytes, body: bytes) -> asyncio.Future[None]:
        """Send a message; its fate is None, a PeerUnreachable, or an AxlError."""
        fate = self._loop.create_future()
        fate.add_done_callback(_look_at)
        if self.lost is not None:
            fate.set_exception(self.lost)
        elif len(body) > self._message_bytes_max:
            fate.set_exception(
                AxlError(f"a message of {len(body)} bytes; at most {self._message_bytes_max} are allowed")
            )
        else:
            now = self._loop.time()
            self._number = (self._number + 1) % 2**32
            self._under_way[self._number] = _UnderWay(peer, fate, now)
            if self._watch is None:
                self._watch = self._loop.call_at(now + self._timeout_s, self._look)
            self._put(stream.encode_send(self._number, peer, body))
        return fate

    def receive(self) -> None:
        """From now on messages may come."""
        if not self._is_receiving:
            self._is_receiving = True
            self._put(stream.encode_receive(CREDIT_BYTES))

    def taken(self, size: int) -> None:
        """A message of so many bytes does not lie here any more."""
        self._taken_bytes += size + stream.MESSAGE_OVERHEAD_BYTES
        if self._taken_bytes >= CREDIT_BYTES // 4:
            self._put(stream.encode_receive(self._taken_bytes))
            self._taken_bytes = 0

    def _put(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self.lost is None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    # ---------------------------------------------------------------------------------------- receiving

    def _answered(self, data: bytes) -> bytes:
        """Read the answer to the upgrade; what follows it. Raises HttpError."""
        self._head += data
        head, end, rest = self._head.partition(_HEAD_END)
        if end and head.startswith(_SWITCHING):
            self._message_bytes_max = _message_bytes_max(head)
            self.opened.set_result(True)
            return rest
        reader = ResponseReader(HEAD_BYTES_MAX)
        reader.receive(self._head)
        response = reader.next_response()
        if response is None:
            return b""
        if response.status not in _NO_STREAMS:
            text = response.body[:500].decode("utf-8", "replace").strip()
            self._end(AxlError(f"{stream.PATH.decode()}: {response.status} {text}"))
        else:
            self.opened.set_result(False)
            self._end(AxlError("the node has no streams"))
        return b""

    def _take(self, kind: int, body: bytes) -> None:
        if kind == stream.Kind.MESSAGE:
            self._on_message(*stream.decode_message(body))
        elif kind == stream.Kind.SENT:
            for number in stream.decode_sent(body):
                sent = self._under_way.pop(number, None)
                if sent is not None and not sent.fate.done():
                    sent.fate.set_result(None)
        elif kind == stream.Kind.FAILED:
            number, reason = stream.decode_failed(body)
            failed = self._under_way.pop(number, None)
            if failed is not None and not failed.fate.done():
                failed.fate.set_exception(PeerUnreachable(failed.peer, reason))
        elif kind == stream.Kind.RECEIVING:
            self.told = True
        else:
            raise FrameError(f"a frame of kind {kind} has no place here")

    # ------------------------------------------------------------------------------------------- ending

    def _look(self) -> None:
        """Nothing may be without an answer for longer than the time-out: the node answers each message much sooner."""
        self._watch = None
        if self.opened.done():
            oldest = next(iter(self._under_way.values()), None)
            if oldest is None:
                return
            due = oldest.since + self._timeout_s
        else:
            due = self._asked_at + self._timeout_s
        if due <= self._loop.time():
            self._end(explained(self._url, TimeoutError(f"no answer within {self._timeout_s:g} s")))
        else:
            self._watch = self._loop.call_at(due, self._look)

    def _end(self, error: AxlError) -> None:
        if self.lost is not None:
            return
        self.lost = error
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()
        if not self.opened.done():
            self.opened.set_exception(error)
        under_way, self._under_way = self._under_way, {}
        for one in under_way.values():
            if not one.fate.done():
                one.fate.set_exception(error)
        self._on_turn()


def _message_bytes_max(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == stream.LIMIT_HEADER and value.strip().isdigit():
            return int(value)
    raise HttpError(502, "a stream that does not say how large a message may be")


def _look_at(fate: asyncio.Future[bool] | asyncio.Future[None]) -> None:
    """A fate nobody waited for may be a failure without that being worth a word."""
    if not fate.cancelled():
        fate.exception()
