"""The control API answers its own machine, keeps its token, and cannot be reached from a web page."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing

import pytest

from mesh_core.api import http
from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import Check, CheckedRecord, RecordView
from tests.unit.api.conftest import Running
from tests.unit.api.participants import PEER, TOKEN

JOB = b"\x07" * 32


async def raw(running: Running, request: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    """Status and JSON of one hand-written request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
    writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content or b"{}")


def host(running: Running) -> str:
    return f"Host: 127.0.0.1:{running.server.port}"


async def test_health_and_metrics_are_all_that_is_read_without_the_token(running: Running) -> None:
    anybody, owner = ControlClient(running.url), ControlClient(running.url, TOKEN)
    assert await anybody.health() == {"ready": True, "problem": ""}
    assert await anybody.metrics() == "whisper_up 1\n"
    assert await owner.state() == running.participant.state()


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /state",
        "GET /events",
        "GET /state?token=a-token",
        "GET //health",
        "GET /health/",
        "GET /nothing",
        f"GET /jobs/{JOB.hex()}/certificate",
        f"GET /jobs/{JOB.hex()}/result",
        f"GET /jobs/{JOB.hex()}/records",
        f"GET /members/{JOB.hex()}/records",
        f"GET /records/{JOB.hex()}",
        "POST /commands/submit",
        "POST /commands/nothing",
    ],
)
@pytest.mark.parametrize("shown", ["", "\nAuthorization: Bearer wrong", f"\nAuthorization: Basic {TOKEN}"])
async def test_everything_else_needs_it(running: Running, request_line: str, shown: str) -> None:
    running.participant.certificates[JOB] = running.participant.results[JOB] = b"text"
    request = f"{request_line} HTTP/1.1\n{host(running)}\nContent-Length: 0{shown}"
    status, answer = await raw(running, request)
    assert status == 401
    assert "token of the run directory" in str(answer["error"])
    assert "\n" not in str(answer["error"])
    assert running.participant.commands == []


async def test_a_command_is_carried_out_for_whoever_has_the_token(running: Running) -> None:
    assert await ControlClient(running.url, TOKEN).command("submit", text="x") == {"done": "submit"}
    assert running.participant.commands == [("submit", {"text": "x"})]


async def test_a_refusal_is_one_line(running: Running) -> None:
    client = ControlClient(running.url, TOKEN)
    with pytest.raises(ControlError, match=r"^not today$"):
        await client.command("submit", refuse=True)
    with pytest.raises(ControlError, match="no command 'destroy'; there are submit"):
        await client.command("destroy")


async def test_certificates_and_results_are_handed_out_by_job(running: Running) -> None:
    running.participant.certificates[JOB] = b"certificate"
    running.participant.results[JOB] = b"result"
    owner = ControlClient(running.url, TOKEN)
    assert await owner.certificate(JOB) == b"certificate"
    assert await owner.result(JOB.hex()) == b"result"
    with pytest.raises(ControlError, match="no certificate yet"):
        await owner.certificate(b"\x08" * 32)
    with pytest.raises(ControlError, match="64 hexadecimal"):
        await owner.certificate("..%2Ftoken")


async def test_records_are_handed_out_by_hash_by_job_and_by_author(running: Running) -> None:
    view = RecordView(JOB.hex(), PEER.hex(), 1, "job", JOB.hex(), "q1.1 answer", 5.0, 100)
    checks = [Check("signature", False, "record is not signed by its author")]
    record = CheckedRecord(view, "local", 1, "00" * 32, {"label": "q1.1"}, [], checks, "ab" * 100)
    running.participant.records[JOB] = record
    owner = ControlClient(running.url, TOKEN)
    assert await owner.record(JOB.hex()) == record
    assert await owner.records_of_job(JOB.hex()) == [view]
    assert await owner.records_of_author(PEER.hex()) == [view]
    assert await owner.records_of_author(JOB.hex()) == []
    with pytest.raises(ControlError, match=r"no record (08)+ is held here: it was never seen, or a snapshot"):
        await owner.record("08" * 32)
    with pytest.raises(ControlError, match="a record's hash is 64 hexadecimal characters"):
        await owner.record("..%2F..%2Ftoken")
    with pytest.raises(ControlError, match="a peer id is 64 hexadecimal characters"):
        await owner.records_of_author("node1")


async def test_events_are_streamed_and_resumed(running: Running) -> None:
    client = ControlClient(running.url, TOKEN)
    async with aclosing(client.events()) as events:
        views = [await anext(events), await anext(events)]
        assert [view.data["name"] for view in views] == ["a", "b"]
        running.hub.moment("first", {"text": "line one\nline two\n\n"})
        first = await anext(events)
        assert first.data == {"text": "line one\nline two\n\n"}
    running.hub.moment("second", {})
    async with aclosing(client.events(first.seq)) as events:
        assert (await anext(events)).kind == "second"


async def test_a_stream_ends_when_the_participant_closes(running: Running) -> None:
    async with aclosing(ControlClient(running.url, TOKEN).events()) as events:
        await anext(events)
        await anext(events)
        await running.server.close()
        assert await anext(events, None) is None


async def test_a_subscriber_that_goes_away_is_forgotten(running: Running) -> None:
    async with aclosing(ControlClient(running.url, TOKEN).events()) as events:
        await anext(events)
        assert running.hub.subscribers == 1
    async with asyncio.timeout(5):
        while running.hub.subscribers:  # noqa: ASYNC110 (the server's end of a connection tells nobody)
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "name",
    [
        *("evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "[::1", "0.0.0.0"),
        *(
            "evil@127.0.0.1",
            "evil@127.0.0.1:80",
            "evil:x@localhost",
            "127.0.0.1/",
            "127.0.0.1#",
            "127.0.0.1:evil",
        ),
        "127.0.0.1\nHost: evil.example",
        "evil.example\nHost: 127.0.0.1",
        "127.0.0.1\nHost: 127.0.0.1",
        "127.0.0.1, evil.example",
    ],
)
async def test_a_rebound_host_name_is_refused(running: Running, name: str) -> None:
    for path in ("/health", "/state"):
        status, answer = await raw(
            running, f"GET {path} HTTP/1.1\nHost: {name}\nAuthorization: Bearer {TOKEN}"
        )
        assert status in (400, 403)
        assert "error" in answer


async def test_a_request_without_host_or_with_one_in_its_target_is_refused(running: Running) -> None:
    assert (await raw(running, "GET /health HTTP/1.0"))[0] == 403
    assert (await raw(running, "GET /health HTTP/1.1"))[0] == 400
    assert (await raw(running, f"GET http://evil.example/health HTTP/1.1\n{host(running)}"))[0] == 401


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST:9", "[::1]:9", "127.0.0.2:9"])
async def test_loopback_names_are_answered(running: Running, name: str) -> None:
    assert (await raw(running, f"GET /health HTTP/1.1\nHost: {name}"))[0] == 200


async def test_a_web_page_is_refused(running: Running) -> None:
    for request in ("GET /state", "POST /commands/leave", "OPTIONS /commands/leave"):
        status, _ = await raw(running, f"{request} HTTP/1.1\n{host(running)}\nOrigin: http://localhost:3000")
        assert status == 403


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nothing", 404),
        ("POST /state", 405),
        ("GET /commands/submit", 405),
        ("DELETE /jobs/1/result", 405),
    ],
)
async def test_what_is_not_there_is_named(running: Running, request_line: str, status: int) -> None:
    head = f"{request_line} HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}\nContent-Length: 0"
    found, answer = await raw(running, head)
    assert found == status
    assert isinstance(answer["error"], str)


async def test_what_a_path_spells_out_does_not_make_a_second_line(running: Running) -> None:
    for path in ("/a%0Ab", "/commands/a%0Ab"):
        _, answer = await raw(running, f"GET {path} HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}")
        assert len(str(answer["error"]).splitlines()) == 1


@pytest.mark.parametrize("pieces", [1, 7, 40])
async def test_how_much_may_stand_between_two_chunks_does_not_depend_on_how_it_comes(
    running: Running, pieces: int
) -> None:
    head = f"POST /commands/submit HTTP/1.1\r\n{host(running)}\r\nAuthorization: Bearer {TOKEN}\r\n"
    for size, expected in ((http.HEAD_BYTES_MAX - 1000, 200), (http.HEAD_BYTES_MAX + 100, 431)):
        body = b"2;" + b"x" * size + b"\r\n{}\r\n0\r\n\r\n"
        stream = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
        step = -(-len(stream) // pieces)
        for at in range(0, len(stream), step):
            writer.write(stream[at : at + step])
            await asyncio.sleep(0)
        answer = await reader.read()
        writer.close()
        assert int(answer.split()[1]) == expected


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"{", b"\xff\xfe", b"null", b'{"a":"\xff"}', b'{"a":"\\ud800"}'),
        *(b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":%s}' % (b"9" * 5_000)),
        *(b"[" * 100_000, b'{"a":' * 40_000),
    ],
)
async def test_a_body_that_is_no_object_is_refused(running: Running, body: bytes) -> None:
    head = f"POST /commands/submit HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}\nContent-Length: {len(body)}"
    status, answer = await raw(running, head, body)
    assert status == 400
    assert str(answer["error"]).startswith("the body is n")
    assert running.participant.commands == []


async def test_bytes_that_are_no_http_get_a_line_and_harm_nobody(running: Running) -> None:
    status, answer = await raw(running, "\x16\x03\x01 this is TLS")
    assert status == 400
    assert "not HTTP" in str(answer["error"])
    assert (await ControlClient(running.url).health())["ready"]


async def test_a_bug_behind_the_api_is_a_line_for_the_client_and_told_to_the_owner(running: Running) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: told.append(repr(context["exception"]))
    )

    def fail() -> bytes:
        raise KeyError("oops")

    running.participant.metrics = fail  # type: ignore[method-assign]
    with pytest.raises(ControlError, match="internal error: KeyError"):
        await ControlClient(running.url).metrics()
    assert told == ["KeyError('oops')"]


async def test_a_body_without_end_is_cut(running: Running) -> None:
    head = f"POST /commands/submit HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}\nContent-Length: 300000"
    status, answer = await raw(running, head, b"x" * 300_000)
    assert status == 413
    assert "at most" in str(answer["error"])


async def test_connections_beyond_the_limit_are_turned_away(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECTIONS_MAX", 2)
    client = ControlClient(running.url, TOKEN)
    async with aclosing(client.events()) as first, aclosing(client.events()) as second:
        await asyncio.gather(anext(first), anext(second))
        with pytest.raises(ControlUnavailable):
            await client.health()


async def test_who_says_nothing_makes_room_for_who_has_something_to_say(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECTIONS_MAX", 2)
    silent = [await asyncio.open_connection("127.0.0.1", running.server.port) for _ in range(2)]
    assert (await ControlClient(running.url, TOKEN).health())["ready"]
    assert await silent[0][0].read() == b"", "the first to come is the first to go"
    for _, writer in silent:
        writer.close()


async def test_a_last_event_id_that_is_no_number_is_refused(running: Running) -> None:
    head = f"GET /events HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}\nLast-Event-ID: x"
    assert (await raw(running, head))[0] == 400


async def test_a_period_of_views_that_is_no_number_is_refused_and_any_other_is_taken(
    running: Running,
) -> None:
    head = f"GET /events HTTP/1.1\n{host(running)}\nAuthorization: Bearer {TOKEN}\nView-Period-Ms: often"
    assert (await raw(running, head))[0] == 400
    for period_ms in (0, 250, 10**12):
        async with aclosing(ControlClient(running.url, TOKEN, view_period_ms=period_ms).events()) as events:
            assert (await anext(events)).seq == 0


async def test_nobody_there_is_said_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ControlUnavailable, match=url):
            await ControlClient(url).health()


def test_a_url_that_is_none_is_refused() -> None:
    for url in ("127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1"):
        with pytest.raises(ValueError, match="http://HOST:PORT"):
            ControlClient(url)


async def test_of_a_refusal_without_end_no_more_is_read_than_a_line_can_need() -> None:
    gone = asyncio.Event()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\n\r\n")
        try:
            while True:
                writer.write(b"a" * (64 << 10))
                await writer.drain()
        except OSError:
            gone.set()
        finally:
            writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server, asyncio.timeout(30):
        client = ControlClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", answer_s=20)
        with pytest.raises(ControlError, match="refused with status 500"):
            await client.health()
        await gone.wait()
