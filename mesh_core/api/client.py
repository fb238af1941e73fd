"""A client of one participant's control API, for consoles, commands and scripts.

One connection a request; importing it costs a command no noticeable time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import h11
import msgspec

from mesh_core.api.schema import VIEW_PERIOD_HEADER, CheckedRecord, Event, RecordView, State
from mesh_core.http_exchange import HttpExchange

CONNECT_S = 2.0
ANSWER_S = 10.0
SILENCE_S = 45.0
"""A stream says something at least every 15 s; one that is silent this long is dead."""

ANSWER_BYTES_MAX = 256 << 20
REFUSAL_BYTES_MAX = 64 << 10
"""Of a refusal no more is read."""

EVENT_BYTES_MAX = 16 << 20

_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_state: msgspec.json.Decoder[State] = msgspec.json.Decoder(State)
_record: msgspec.json.Decoder[CheckedRecord] = msgspec.json.Decoder(CheckedRecord)
_any: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_records: msgspec.json.Decoder[list[RecordView]] = msgspec.json.Decoder(list[RecordView])

T = TypeVar("T")


class ControlError(Exception):
    """The participant refused; the message is its one line."""


class ControlUnavailable(Exception):
    """No participant answers there, or it broke off; the message says where."""


class ControlClient:
    """Talks to the control API at `url`; `token` is needed for everything but `health` and `metrics`. Answers
    take at most `answer_s` seconds. `view_period_ms`: how often views of what changes are wanted at most, as often as
    there are any by default."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        answer_s: float = ANSWER_S,
        view_period_ms: int | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"a control API is http://HOST:PORT, not {url!r}")
        self.url = f"http://{parts.netloc}"
        self._host = parts.hostname
        self._port = parts.port
        self._netloc = parts.netloc
        self._token = token
        self._answer_s = answer_s
        self._view_period_ms = view_period_ms
        self._writers: set[asyncio.StreamWriter] = set()

    async def state(self) -> State:
        """Everything the participant shows."""
        return _state.decode(await self._exchange("GET", "/state"))

    async def health(self) -> dict[str, Any]:
        """Whether it works, in a few words."""
        return _object(await self._exchange("GET", "/health"))

    async def metrics(self) -> str:
        """Its counters as Prometheus text."""
        return (await self._exchange("GET", "/metrics")).decode()

    async def certificate(self, job: str | bytes) -> bytes:
        """The certificate of a settled job, as a file that `verify receipt` reads. ControlError without one."""
        return await self._exchange("GET", f"/jobs/{_hex(job)}/certificate")

    async def result(self, job: str | bytes) -> bytes:
        """The opened result of a job that this participant submitted. ControlError without one."""
        return await self._exchange("GET", f"/jobs/{_hex(job)}/result")

    async def record(self, name: str) -> CheckedRecord:
        """One signed record by its hash, and every check of it. ControlError when it is not held there."""
        record = _read(await self._exchange("GET", f"/records/{_hex(name)}"), _record)
        try:
            bytes.fromhex(record.raw)
        except ValueError:
            raise ControlUnavailable("an answer that cannot be read: raw is not hexadecimal") from None
        return record

    async def records_of_job(self, job: str) -> list[RecordView]:
        """The newest records about a job that are held there."""
        return _read(await self._exchange("GET", f"/jobs/{_hex(job)}/records"), _records)

    async def records_of_author(self, peer: str) -> list[RecordView]:
        """The newest records by a member that are held there."""
        return _read(await self._exchange("GET", f"/members/{_hex(peer)}/records"), _records)

    async def get(self, path: str) -> bytes:
        """What stands at `path`, for APIs that show more than a participant's."""
        return await self._exchange("GET", path)

    async def command(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Carry out a command of `schema.COMMANDS`; its answer."""
        return _object(await self._exchange("POST", f"/commands/{quote(name)}", msgspec.json.encode(args)))

    async def events(self, last_event_id: int | None = None) -> AsyncGenerator[Event, None]:
        """Events after `last_event_id`, or every view and then what happens, until the other side ends it.

        Raises ControlUnavailable when the connection fails or falls silent.
        """
        headers = [] if last_event_id is None else [("Last-Event-ID", str(last_event_id))]
        if self._view_period_ms is not None:
            headers.append((VIEW_PERIOD_HEADER, str(self._view_period_ms)))
        async with self._request("GET", "/events", headers=headers) as pieces:
            lines = bytearray()
            async for piece in pieces:
                lines += piece
                *blocks, rest = bytes(lines).split(b"\n\n")
                lines = bytearray(rest)
                for block in blocks:
                    data = b"\n".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
                    if data:
                        yield _decoded(data)
                if len(lines) > EVENT_BYTES_MAX:
                    raise ControlUnavailable(
                        f"{self.url} sends an event of more than {EVENT_BYTES_MAX} bytes"
                    )

    async def close(self) -> None:
        """Cut what is still open."""
        for writer in list(self._writers):
            writer.close()

    async def _exchange(self, method: str, path: str, body: bytes = b"") -> bytes:
        answer = bytearray()
        try:
            async with asyncio.timeout(self._answer_s), self._request(method, path, body=body) as pieces:
                async for piece in pieces:
                    answer += piece
                    if len(answer) > ANSWER_BYTES_MAX:
                        raise ControlUnavailable(f"{self.url} answers more than {ANSWER_BYTES_MAX} bytes")
        except TimeoutError:
            raise ControlUnavailable(f"{self.url} did not answer in {self._answer_s:.0f} s") from None
        return bytes(answer)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, body: bytes = b"", headers: list[tuple[str, str]] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of the answer's body. Raises ControlError for a refusal, ControlUnavailable otherwise."""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise ControlUnavailable(f"nobody answers at {self.url}: {_reason(error)}") from None
        self._writers.add(writer)
        try:
            exchange = HttpExchange(reader, writer, SILENCE_S)
            fields = [*self._headers(), *(headers or []), ("Content-Length", str(len(body)))]
            await exchange.ask(h11.Request(method=method, target=path, headers=fields), body)
            status = await exchange.status()
            if status != 200:
                raise ControlError(await _refusal(status, exchange))
            yield exchange.body()
        except TimeoutError:
            raise ControlUnavailable(f"{self.url} broke off: silent for {SILENCE_S:.0f} s") from None
        except (OSError, h11.ProtocolError) as error:
            raise ControlUnavailable(f"{self.url} broke off: {_reason(error)}") from None
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _headers(self) -> list[tuple[str, str]]:
        headers = [("Host", self._netloc), ("Connection", "close")]
        if self._token is not None:
            headers.append(("Authorization", f"Bearer {self._token}"))
        return headers


async def _refusal(status: int, exchange: HttpExchange) -> str:
    body = bytearray()
    async with aclosing(exchange.body()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > REFUSAL_BYTES_MAX:
                break
    try:
        return str(msgspec.json.decode(body)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"refused with status {status}"


def _decoded(data: bytes) -> Event:
    try:
        return _event.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ControlUnavailable(f"an event that cannot be read: {error}") from None


def _object(body: bytes) -> dict[str, Any]:
    return _read(body, _any)


def _read(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ControlUnavailable(f"an answer that cannot be read: {error}") from None


def _hex(name: str | bytes) -> str:
    return name.hex() if isinstance(name, bytes) else quote(name, safe="")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
