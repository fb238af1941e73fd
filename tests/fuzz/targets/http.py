"""HTTP at the bridge and at the control API: well-formed answers or a closed connection, however the bytes are cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from unittest import mock

import h11
import msgspec

from axl.bridge import Bridge
from axl.http1 import RequestReader, ResponseReader
from axl.http_message import HttpError
from axl.http_server import HttpConnection, HttpServer, Limits
from axl.inbox import Inbox
from axl.link import Waiter
from mesh_core.api import commands
from mesh_core.api.commands import Commands
from mesh_core.api.http import HttpError as ApiError
from mesh_core.api.http import Request
from mesh_core.api.hub import EventHub
from mesh_core.api.server import CommandRefusedError, ControlServer
from mesh_core.effects import Input, SubmitQuery
from mesh_core.simulation.world import OPERATOR
from tests.fuzz.honest import honest
from tests.fuzz.mutate import by_bytes
from tests.fuzz.target import Target, require_one_line
from tests.fuzz.targets.pieces import CUT_BYTES, ways_to_cut
from tests.fuzz.victim import Victim
from tests.fuzz.wire import Wire, on_a_loop
from tests.unit.api.participants import PEER, TOKEN, FakeParticipant, Things

BODY_MAX = 2000
ANSWERS_MAX = 200
_LIMITS = Limits(body_bytes_max=BODY_MAX, held_bytes_max=100_000, read_timeout_s=60, idle_timeout_s=60)


def _answers(written: bytes) -> list[tuple[int, bytes]]:
    """Status and body of the answers in `written`, as a client reads them. Raises what h11 objects to."""
    answers: list[tuple[int, bytes]] = []
    if not written:
        return answers
    client = h11.Connection(h11.CLIENT)
    client.receive_data(written)
    for _ in range(ANSWERS_MAX):
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        status, body, lasts = 0, b"", False
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
                lasts = (
                    dict(event.headers)[b"content-type"] == b"text/event-stream" if status == 200 else False
                )
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                if lasts:
                    return [*answers, (status, b"a stream, which ends with its client")]
                assert not status and not client.trailing_data[0], "half an answer"
                return answers
        answers.append((status, body))
        if client.their_state is not h11.DONE:
            assert not client.trailing_data[0], "something follows the last answer"
            return answers
        client.start_next_cycle()
    return answers


def _require_alike(answers: list[list[tuple[int, bytes]]]) -> None:
    """The same answers however the question was cut; h11's words tell how far it had read."""
    short = [[(status, body if status < 400 else b"") for status, body in ones] for ones in answers]
    assert all(one == short[0] for one in short[1:]), "it matters how the bytes are cut"


# ------------------------------------------------------------------------------------------- the readers


def _read(reader: RequestReader | ResponseReader, pieces: Iterable[bytes]) -> list[Any]:
    """What comes out, and how it ends."""
    take = reader.next_request if isinstance(reader, RequestReader) else reader.next_response
    found: list[Any] = []
    for piece in pieces:
        reader.receive(piece)
        try:
            while (message := take()) is not None:
                found.append(message)
                if reader.is_last:
                    return found
        except HttpError as error:
            return [*found, error.status]
    return found


def run_http_response(data: bytes) -> None:
    """What an AXL node answers its client."""
    ways = ways_to_cut(data[:CUT_BYTES], data[CUT_BYTES:])
    found = [_read(ResponseReader(BODY_MAX), pieces) for pieces in ways]
    assert all(one == found[0] for one in found[1:]), "it matters how the bytes are cut"


# -------------------------------------------------------------------------------------------- the bridge


class _Neighbours:
    """The part of a node that the bridge needs: it reaches one neighbour and nobody else."""

    def __init__(self) -> None:
        self.peer = bytes(32)
        self.attached = False
        self.version = 7
        self.twin = ""
        self.links: dict[bytes, object] = {}
        self.listens = ()
        self.on_change: Callable[[], None] = lambda: None

    def set_attached(self, attached: bool) -> None:
        self.attached = attached

    def send(self, peer: bytes, body: bytes, waiter: Waiter) -> None:
        if peer == b"\xab" * 32:
            waiter.sent()
        else:
            waiter.failed("nobody there")


def run_http_bridge(data: bytes) -> None:
    """One client's bytes at the bridge."""
    ways = ways_to_cut(data[:CUT_BYTES], data[CUT_BYTES:])
    found = [_read(RequestReader(BODY_MAX), pieces) for pieces in ways]
    assert all(one == found[0] for one in found[1:]), "it matters how the bytes are cut"
    answers = [on_a_loop(_ask_bridge(pieces)) for pieces in ways]
    _require_alike(answers)
    assert len(answers[0]) <= len(found[0]), "more answers than requests"


async def _ask_bridge(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    neighbours, inbox = _Neighbours(), Inbox(1 << 20)
    bridge = Bridge(neighbours, inbox, "127.0.0.1")  # type: ignore[arg-type]
    for number in range(3):
        inbox.put(bytes([number]) * 32, b"message")
    server = HttpServer(_LIMITS, bridge.handle, bridge.lost)
    connection, wire = HttpConnection(server), Wire()
    connection.connection_made(wire)
    for piece in pieces:
        for at in range(0, len(piece), 16 * 1024):
            part = piece[at : at + 16 * 1024]
            if not wire.is_closed:
                connection.get_buffer(-1)[: len(part)] = part
                connection.buffer_updated(len(part))
    await asyncio.sleep(0)
    connection.connection_lost(None)
    server.close()
    assert not server.connections and not server.strangers and not neighbours.attached
    return _answers(bytes(wire.written))


def _bridge_seeds() -> list[bytes]:
    cut = bytes(CUT_BYTES)
    host = b"Host: 127.0.0.1:9002\r\n"
    send = b"POST /send HTTP/1.1\r\n" + host + b"X-Destination-Peer-Id: " + b"ab" * 32
    return [
        cut + send + b"\r\nContent-Length: 5\r\n\r\nhello" + b"GET /topology HTTP/1.1\r\n" + host + b"\r\n",
        cut
        + b"GET /recv HTTP/1.1\r\n"
        + host
        + b"\r\n"
        + b"GET /recv?wait=1.5&max=2 HTTP/1.1\r\n"
        + host
        + b"\r\n",
        cut + send + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n",
        cut + send + b"\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
        cut
        + b"GET /topology?version=7&wait=3 HTTP/1.1\n"
        + host
        + b"Connection: keep-alive\n\nGET / HTTP/1.0\n\n",
        cut + b"HEAD /recv HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
    ]


_WORDS = (
    *(
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\n\r\n",
        b": ",
        b"GET / HTTP/1.1\r\n",
        b"Host: 127.0.0.1\r\n",
        b"\t",
    ),
    *(
        b"Content-Length: 3\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Upgrade: x\r\n",
    ),
    *(
        b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
        b"Expect: 100-continue\r\n",
        b"HTTP/1.0",
        b"HTTP/1.2",
    ),
    *(
        b"HEAD ",
        b"CONNECT ",
        b"PUT ",
        b"POST ",
        b"GET ",
        b"ffffffff\r\n",
        b"0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"\x00",
    ),
    *(
        b"?wait=60",
        b"?max=",
        b"&version=7",
        b"/recv",
        b"/send",
        b"/topology",
        b"A: " + b"b" * 17_000,
        b"\xff",
    ),
    *(
        b"/state",
        b"/events",
        b"/metrics",
        b"/health",
        b"/jobs/",
        b"/commands/submit",
        b"/result",
        b"%00",
        b"%2F",
        b"%0A",
    ),
    *(
        b"Authorization: Bearer a-token\r\n",
        b"Last-Event-ID: 5\r\n",
        b"Origin: x\r\n",
        b"x" * 2001,
        b"[::1]",
        b"{}",
    ),
)


def _response_seeds() -> list[bytes]:
    cut = bytes(CUT_BYTES)
    return [
        cut
        + b"HTTP/1.1 200 OK\r\nX-From-Peer-Id: 00ff\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No Content\r\n\r\n",
        cut + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        cut
        + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        cut + b"HTTP/1.0 200 OK\n\nuntil the end",
    ]


# --------------------------------------------------------------------------------------- the control API


def run_http_control(data: bytes) -> None:
    """One client's bytes at a participant's control API."""
    answers = [on_a_loop(_ask_control(pieces)) for pieces in ways_to_cut(data[:CUT_BYTES], data[CUT_BYTES:])]
    _require_alike(answers)
    for status, body in answers[0]:
        assert status != 500, body
        if status >= 400:
            require_one_line(json.loads(body)["error"])


class _Writer:
    """The part of a StreamWriter that is needed."""

    def __init__(self, wire: Wire) -> None:
        self.write, self.close, self.is_closing = wire.write, wire.close, wire.is_closing

    async def drain(self) -> None:
        await asyncio.sleep(0)


async def _ask_control(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    participant = FakeParticipant()
    participant.results[bytes(32)] = b"result"
    hub = EventHub(PEER, 3, Things(a=1), lambda: 5.0)
    server = ControlServer(participant, hub, TOKEN)
    reader, wire = asyncio.StreamReader(), Wire()
    serving: Callable[[asyncio.StreamReader, _Writer], Awaitable[None]] = server._server._connected  # type: ignore[assignment]
    task = asyncio.ensure_future(serving(reader, _Writer(wire)))
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    await task
    await server.close()
    assert wire.is_closed and not server._server._open
    return _answers(bytes(wire.written))


def _control_seeds() -> list[bytes]:
    cut = bytes(CUT_BYTES)
    head = b" HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAuthorization: Bearer a-token\r\n"
    return [
        cut + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        *(
            cut + b"GET " + path + head + b"\r\n"
            for path in (b"/state", b"/metrics", b"/jobs/" + b"00" * 32 + b"/result")
        ),
        cut + b"GET /events" + head + b"Last-Event-ID: 3000000001\r\n\r\n",
        cut + b"POST /commands/submit" + head + b'Content-Length: 12\r\n\r\n{"text":"x"}',
        cut + b"POST /commands/cancel" + head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        cut + b"GET /nothing" + head + b"Origin: http://evil.example\r\n\r\n",
    ]


# ------------------------------------------------------------------------------------------ its commands


def run_command(data: bytes) -> None:
    """The name of a command, a line's end, and its arguments, given to an operator's node."""
    name, _, body = data.partition(b"\n")
    on_a_loop(_command(name.decode("latin-1"), body))


async def _command(name: str, body: bytes) -> None:
    told = honest()
    victim = Victim(told.places[OPERATOR], told, gullible=True)

    def step(event: Input) -> None:
        victim.do(lambda: victim.node.step(victim.now, event))

    def submit(request: SubmitQuery) -> bytes:
        query, effects = victim.node.submit(victim.now, request)
        victim.do(lambda: effects)
        return query

    steering = Commands(victim.node, step, submit, lambda: None, "corpus", 3)
    try:
        args = Request("POST", f"/commands/{name}", {}, body).json(dict[str, Any])
        with mock.patch.object(commands, "ACCEPTED_S", 0):
            json.loads(msgspec.json.encode(await steering.run(name, args)))
    except ApiError as error:
        require_one_line(error.line)
    except CommandRefusedError as error:
        require_one_line(str(error))
    victim.wait(1.0)
    victim.check()


def _command_seeds() -> list[bytes]:
    return [
        b'submit\n{"text":"why?","label":"q7","max_price_micro":50000,"fault_bound":1,"submitter_weight":4,'
        b'"retries":2,"auction_ms":100,"execution_ms":1000,"total_ms":5000}',
        b'submit\n{"text":"why?"}',
        b'cancel\n{"job":"q1"}',
        b'cancel\n{"job":"' + b"ab" * 32 + b'"}',
        b'partition\n{"hidden":["' + b"ab" * 32 + b'"]}',
        b"leave\n{}",
    ]


_COMMAND_WORDS = (
    *(
        b'"',
        b"{",
        b"}",
        b":",
        b",",
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"9" * 30,
        b"\\u0000",
        b"\\ud800",
    ),
    *(
        b"\\n",
        b"\\u2028",
        b"0",
        b"16",
        b"1000000000000",
        b"[" * 3000,
        b"x" * 5000,
        b'"fault_bound":5',
        b"\xff",
    ),
)


TARGETS = (
    Target(
        "http_bridge", "a client at an AXL node's bridge", run_http_bridge, _bridge_seeds, by_bytes(_WORDS)
    ),
    Target("http_response", "what an AXL node answers", run_http_response, _response_seeds, by_bytes(_WORDS)),
    Target("http_control", "a client at a control API", run_http_control, _control_seeds, by_bytes(_WORDS)),
    Target("command", "arguments of commands", run_command, _command_seeds, by_bytes(_COMMAND_WORDS)),
)
