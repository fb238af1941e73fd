"""The bridge's HTTP server: keep-alive, order, and what clients can make it hold. Real sockets, no node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import pytest

from axl import http_server
from axl.endpoint import Endpoint
from axl.frames import FrameReader, frame
from axl.http_message import Request
from axl.http_server import HttpConnection, HttpServer, Limits
from axl.listener import bind

Connect: TypeAlias = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
GENEROUS = Limits(body_bytes_max=1_000_000, held_bytes_max=10_000_000, read_timeout_s=60, idle_timeout_s=60)
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def serving(
    handle: Callable[[HttpConnection, Request], None], limits: Limits = GENEROUS
) -> AsyncIterator[tuple[HttpServer, Connect]]:
    server = HttpServer(limits, handle, lambda connection: None)
    listening = bind(Endpoint("127.0.0.1", 0), "nothing")
    address = listening.getsockname()
    await server.serve(listening)
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*address)
        writers.append(writer)
        return reader, writer

    yield server, connect
    for writer in writers:
        writer.transport.abort()
    server.close()


async def happens(condition: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server has no event for each thing a test wants to know
            await asyncio.sleep(0)


def echo(connection: HttpConnection, request: Request) -> None:
    connection.answer(200, b"", request.path + b" " + request.body)


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    bodies = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        bodies.append(await reader.readexactly(size))
    return bodies


async def test_requests_on_one_connection_are_answered_in_turn() -> None:
    waiting: list[tuple[HttpConnection, Request]] = []
    async with serving(lambda connection, request: waiting.append((connection, request))) as (_, connect):
        reader, writer = await connect()
        writer.write(GET % 1 + GET % 2)
        await happens(lambda: bool(waiting))
        [(connection, first)] = waiting
        connection.answer(200, b"", first.path)
        assert await answers(reader, 1) == [b"/1"]
        connection.answer(200, b"", waiting[1][1].path)
        assert await answers(reader, 1) == [b"/2"]


async def test_a_hundred_requests_in_one_piece_get_a_hundred_answers() -> None:
    async with serving(echo) as (_, connect):
        reader, writer = await connect()
        writer.write(b"".join(GET % number for number in range(100)))
        assert await answers(reader, 100) == [b"/%d " % number for number in range(100)]


async def test_a_request_that_wants_the_connection_closed_gets_its_answer_first() -> None:
    async with serving(echo) as (_, connect):
        reader, writer = await connect()
        writer.write(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        response = await reader.read()
        assert b"Connection: close\r\n" in response
        assert response.endswith(b"/last ")


async def test_what_is_no_http_is_refused_and_the_connection_closed() -> None:
    async with serving(echo) as (server, connect):
        reader, writer = await connect()
        writer.write(b"\x16\x03\x01 is how TLS begins\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert server.held_bytes == 0


async def test_a_body_over_the_limit_is_refused_before_it_comes() -> None:
    async with serving(echo) as (_, connect):
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on() -> None:
    async with serving(echo) as (_, connect):
        reader, writer = await connect()
        writer.write(b"POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"ok")
        assert await answers(reader, 1) == [b"/up ok"]


async def test_connections_beyond_the_limit_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 2)
    async with serving(echo) as (server, connect):
        for _ in range(2):
            reader, writer = await connect()
            writer.write(GET % 1)
            await answers(reader, 1)
        turned_away, _ = await connect()
        assert (await turned_away.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await writer.wait_closed()
        await happens(lambda: len(server.connections) < 2)
        reader, writer = await connect()
        writer.write(GET % 2)
        assert await answers(reader, 1) == [b"/2 "]


async def test_who_never_asked_for_anything_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 2)
    async with serving(echo) as (server, connect):
        silent = [await connect() for _ in range(2)]
        await happens(lambda: len(server.connections) == 2)
        reader, writer = await connect()
        writer.write(GET % 1)
        assert await answers(reader, 1) == [b"/1 "]
        assert await silent[0][0].read() == b"", "the first to come is the first to go"
        assert len(server.connections) == 2


async def test_unfinished_requests_are_bounded_in_all_and_given_back() -> None:
    limits = Limits(body_bytes_max=1_000_000, held_bytes_max=1_000_000, read_timeout_s=60, idle_timeout_s=60)
    async with serving(echo, limits) as (server, connect):
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
        first, to_first = await connect()
        to_first.write(head + bytes(800_000))
        await happens(lambda: server.held_bytes >= 800_000)
        second, to_second = await connect()
        to_second.write(head + bytes(800_000))
        with suppress(ConnectionResetError):  # it is closed while bytes are still coming
            assert (await second.read()).startswith(b"HTTP/1.1 503 ")
        to_first.write(bytes(100_000))
        assert [len(body) for body in await answers(first, 1)] == [900_002]
        await happens(lambda: not server.held_bytes)


@pytest.mark.parametrize(
    "begun", [b"", GET % 1, b"POST / HTT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"]
)
async def test_a_client_that_keeps_the_server_waiting_is_cut_off(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "SWEEP_PERIOD_S", 0.01)
    limits = Limits(body_bytes_max=100, held_bytes_max=1000, read_timeout_s=0.05, idle_timeout_s=0.05)
    async with serving(echo, limits) as (_, connect):
        reader, writer = await connect()
        writer.write(begun)
        async with asyncio.timeout(10):
            with suppress(ConnectionResetError):
                await reader.read()


async def test_a_client_that_waits_for_its_answer_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "SWEEP_PERIOD_S", 0.01)
    limits = Limits(body_bytes_max=100, held_bytes_max=1000, read_timeout_s=0.02, idle_timeout_s=0.02)

    def slowly(connection: HttpConnection, request: Request) -> None:
        connection.after(0.2, lambda: connection.answer(200, b"", b"done"))

    async with serving(slowly, limits) as (_, connect):
        reader, writer = await connect()
        writer.write(GET % 1)
        assert await answers(reader, 1) == [b"done"]


async def test_a_client_that_reads_nothing_gets_no_further_requests_served() -> None:
    served = []

    def generous(connection: HttpConnection, request: Request) -> None:
        served.append(request.path)
        connection.answer(200, b"", bytes(500_000))

    async with serving(generous) as (_, connect):
        reader, writer = await connect()
        writer.write(b"".join(GET % number for number in range(100)))
        await asyncio.sleep(0)
        await happens(lambda: bool(served))
        assert len(served) < 50
        assert len(await answers(reader, 100)) == 100
        assert len(served) == 100


async def test_an_answer_to_a_client_that_is_gone_goes_nowhere() -> None:
    waiting: list[HttpConnection] = []
    async with serving(lambda connection, request: waiting.append(connection)) as (server, connect):
        _, writer = await connect()
        writer.write(GET % 1)
        await happens(lambda: bool(waiting))
        writer.transport.abort()
        await happens(lambda: not server.connections)
        waiting[0].answer(200, b"", b"anybody?")


class Hours:
    """A loop's clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time()

    def time(self) -> float:
        return self.now


class Framed:
    """What a connection is upgraded to: frames, of which only their number counts."""

    def __init__(self) -> None:
        self._reader = FrameReader(1_000)
        self.frames = self.bytes = 0

    @property
    def held_bytes(self) -> int:
        return self._reader.held_bytes

    def received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.frames += sum(1 for _ in self._reader.feed(data))

    def writable(self) -> None:
        raise AssertionError("nothing is written")


async def send_frames(pieces: list[bytes], apart_s: float) -> tuple[int, bool]:
    """Send these over an upgraded connection that may take a second to finish a frame; how many frames have come, and
    whether the client was still there at the end."""
    limits = Limits(body_bytes_max=100, held_bytes_max=1_000, read_timeout_s=1.0, idle_timeout_s=1.0)
    framed = Framed()
    upgraded: list[HttpConnection] = []

    def upgrade(connection: HttpConnection, request: Request) -> None:
        connection._loop = clock  # type: ignore[assignment]
        upgraded.append(connection)
        connection.upgrade(b"frames", b"", framed)

    async with serving(upgrade, limits) as (_, connect):
        clock = Hours()
        reader, writer = await connect()
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        [connection] = upgraded
        sent = 0
        for piece in pieces:
            writer.write(piece)
            sent += len(piece)
            await happens(lambda: framed.bytes == sent)  # noqa: B023 - it is awaited at once
            clock.now += apart_s
            connection.sweep(clock.now)
            if not connection.is_open:
                break
        return framed.frames, connection.is_open


async def test_a_client_that_sends_steadily_stays_although_a_frame_is_always_under_way() -> None:
    whole = frame(1, bytes(100))
    assert await send_frames([whole[:50], *(20 * [whole[50:] + whole[:50]])], 0.4) == (20, True)


async def test_a_client_that_stalls_in_the_middle_of_a_frame_is_cut_off_however_many_it_has_sent() -> None:
    whole = frame(1, bytes(100))
    pieces = [3 * whole + whole[:50], *(bytes([0]) for _ in range(20))]
    assert await send_frames(pieces, 0.4) == (3, False)
