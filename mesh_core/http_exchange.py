"""One request of a client and its answer, over a connection that is open: h11 on asyncio streams.

Every provider has h11 loaded for its control API: httpx would cost each of them 6 MB and aiohttp 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import h11

_READ_BYTES = 64 << 10


class HttpExchange:
    """Raises h11.ProtocolError when the other side breaks off or speaks no HTTP, OSError when the connection fails, and
    TimeoutError when nothing moves for `silence_s`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._silence_s = silence_s
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, request: h11.Request, payload: bytes | None = None) -> None:
        """Send the request."""
        self._send(request)
        if payload is not None:
            self._send(h11.Data(data=payload))
        self._send(h11.EndOfMessage())
        async with self._patience():
            await self._writer.drain()

    async def status(self) -> int:
        """Status of the answer, once its head is here."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event.status_code
            if not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("the connection was closed without an answer")

    async def body(self) -> AsyncGenerator[bytes, None]:
        """What the answer holds, as it comes."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _next(self) -> h11.Event | None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is not h11.NEED_DATA:
                return None
            async with self._patience():
                self._http.receive_data(await self._reader.read(_READ_BYTES))

    def _patience(self) -> asyncio.Timeout:
        return asyncio.timeout(self._silence_s)
