"""All of HTTP/1.1, read by h11: what the narrow reader in `http1` leaves alone.

Loaded when first needed, which in a mesh of this project's own programs is never: it would cost each process
5 ms of its start and half a megabyte.
"""

from __future__ import annotations

import h11

from axl.http_message import HEAD_BYTES_MAX, HttpError, Message


class FullReader:
    """Reads one message, after which it is used up."""

    def __init__(self, connection: h11.Connection, body_bytes_max: int) -> None:
        self.is_last = False
        """Whether the connection ends with this message."""
        self._connection = connection
        self._body_bytes_max = body_bytes_max
        self._start: h11.Request | h11.Response | None = None
        self._body = bytearray()
        self._rest = b""
        """What came after the message and was not given to h11."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished body."""
        return len(self._body)

    def read(self, data: bytes) -> Message | None:
        """The message, once `data` completes it. Raises HttpError.

        h11 gets no more at once than one event may have: it would take a longer one that it sees whole, and refuse
        the same in pieces.
        """
        start = 0
        while start < len(data):
            end = start + HEAD_BYTES_MAX + 1 - len(self._connection.trailing_data[0])
            self._connection.receive_data(data[start:end])
            message = self._next()
            if message is not None:
                self._rest = data[end:]
                return message
            start = end
        return None

    def _next(self) -> Message | None:
        try:
            while True:
                event = self._connection.next_event()
                if isinstance(event, h11.Request | h11.Response):
                    self._start = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > self._body_bytes_max:
                        raise HttpError(413, f"body of more than {self._body_bytes_max} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    return self._finish()
                elif not isinstance(event, h11.InformationalResponse):
                    return None
        except h11.RemoteProtocolError as error:
            raise HttpError(error.error_status_hint, str(error)) from None

    def unread(self) -> bytes:
        """What came after the message."""
        return self._connection.trailing_data[0] + self._rest

    def interim(self) -> bytes:
        """What to send to a client that holds its body back until it is asked for it; else nothing."""
        if not self._connection.they_are_waiting_for_100_continue:
            return b""
        return self._connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b""

    def _finish(self) -> Message:
        start = self._start
        assert start is not None
        self.is_last = self._connection.their_state is h11.MUST_CLOSE
        parts = (
            (start.method, start.target) if isinstance(start, h11.Request) else (b"%d" % start.status_code,)
        )
        return parts, dict(start.headers), bytes(self._body)


def full_request_reader(body_bytes_max: int) -> FullReader:
    """Reads a request."""
    return FullReader(h11.Connection(h11.SERVER, HEAD_BYTES_MAX), body_bytes_max)


def full_response_reader(body_bytes_max: int) -> FullReader:
    """Reads a response."""
    connection = h11.Connection(h11.CLIENT, HEAD_BYTES_MAX)
    # h11 reads a response only to a request it has seen; which one does not matter here.
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
    connection.send(h11.EndOfMessage())
    return FullReader(connection, body_bytes_max)
