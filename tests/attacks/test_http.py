"""The two local HTTP interfaces, attacked from the same machine: by web pages, by other users, by slow clients."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh_core.wire import messages as ms
from tests.attacks.attacker import Attacker
from tests.attacks.customer import award, bids_for, gives_the_key, make_offer
from tests.attacks.market import Market, unharmed
from tests.e2e.mesh import PATIENCE_S, TOKEN, Mesh, Participant

HELD = 700
"""Connections that one attacker holds open: more than either server keeps."""

OWNER_WAITS_S = 3.0


async def ask(port: int, request: bytes, *, half_closed: bool = False) -> bytes:
    """All that a server answers to these bytes until it closes, or for a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(request)
        if half_closed:
            writer.write_eof()
        async with asyncio.timeout(1.0):
            while piece := await reader.read(65536):
                answer += piece
    except (TimeoutError, OSError):
        pass
    finally:
        writer.transport.abort()
    return answer


async def ask_all(port: int, requests: list[bytes], *, half_closed: bool = False) -> list[bytes]:
    """The answers to requests that are made at the same time."""
    return list(await asyncio.gather(*(ask(port, one, half_closed=half_closed) for one in requests)))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(method: str, path: str, *headers: str, body: bytes = b"", host: str = "127.0.0.1") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


BEARER = f"Authorization: Bearer {TOKEN}"
PLACES = [("GET", "/health"), ("GET", "/state"), ("GET", "/events"), ("POST", "/commands/leave")]
BRIDGE_PLACES = [("GET", "/topology"), ("GET", "/recv"), ("POST", "/send")]
HOSTS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "0.0.0.0",
         "[::1].evil.example", "2130706433", "127.1", "0x7f.1", "", "evil.example:80", "127.0.0.1:80:80"]  # fmt: skip


async def test_a_name_rebound_to_this_machine_opens_nothing(market: Market) -> None:
    victim = market.operator
    target = f"X-Destination-Peer-Id: {victim.peer}"
    async with unharmed(market):
        for host in HOSTS:
            control = [request(*place, BEARER, host=host) for place in PLACES]
            bridge = [request(*place, target, host=host) for place in BRIDGE_PLACES]
            answers = await ask_all(victim.control_port, control) + await ask_all(victim.axl_port, bridge)
            assert {status(answer) for answer in answers} <= {400, 403}, (host, answers)


async def test_a_web_page_is_answered_nothing(market: Market) -> None:
    victim = market.operator
    target = f"X-Destination-Peer-Id: {victim.peer}"
    async with unharmed(market):
        for header in ("Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1"):
            control = [request(*place, BEARER, header) for place in PLACES]
            bridge = [request(*place, target, header) for place in BRIDGE_PLACES]
            answers = await ask_all(victim.control_port, control) + await ask_all(victim.axl_port, bridge)
            assert {status(answer) for answer in answers} == {403}
            preflight = request("OPTIONS", "/commands/leave", header, "Access-Control-Request-Method: POST")
            for port in (victim.control_port, victim.axl_port):
                assert b"access-control" not in (await ask(port, preflight)).lower()


WRONG = ["", "Bearer", "Bearer x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN,
         f"Bearer {TOKEN.upper()}", "Bearer \xff\xfe", f"Bearer {'x' * 8000}"]  # fmt: skip


async def test_another_user_of_the_machine_reads_and_commands_nothing(market: Market) -> None:
    victim = market.operator
    places = [*PLACES[1:], ("GET", f"/state?token={TOKEN}"), ("GET", "//state"), ("GET", "/health/../state")]
    places += [("GET", "/jobs/" + "0" * 64 + "/result"), ("GET", "/%73tate"), ("POST", "/commands/submit")]
    async with unharmed(market):
        for shown in WRONG:
            requests = [request(*place, f"Authorization: {shown}") for place in places]
            answers = await ask_all(victim.control_port, requests)
            assert {status(answer) for answer in answers} <= {400, 401}, (shown, answers)
            assert not any(TOKEN.encode() in answer for answer in answers)


def started_with(pid: int) -> list[bytes]:
    """What `ps` shows of a process to whoever asks."""
    return [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]


async def test_the_token_and_the_keys_are_in_no_log_argument_environment_or_answer(market: Market) -> None:
    await market.answers()
    wrong = request("POST", "/commands/no-such", BEARER)
    shown = [await ask(one.control_port, wrong) for one in market.everybody]
    for participant in market.everybody:
        client = participant.client()
        shown += [(await client.metrics()).encode(), repr(await client.state()).encode()]
        for files in ("*.log", "store.db*"):
            kept = [path.read_bytes() for path in participant.folder.glob(files)]
            assert kept, files
            shown += kept
        for process in (participant.provider, participant.axl):
            assert process is not None
            shown += started_with(process.pid)
        for name in ("key.pem", "store.db"):
            assert (participant.folder / name).stat().st_mode & 0o077 == 0
    secrets = [TOKEN.encode()]
    secrets += [one.key.seed for one in market.everybody] + [
        one.key.seed.hex().encode() for one in market.everybody
    ]
    for text in shown:
        assert not any(secret in text for secret in secrets)


TRAVERSALS = ["/../token", "/..%2ftoken", "/jobs/../../token/result", "/jobs/..%2f..%2ftoken/result", "/%2e%2e/token",
              "/jobs/%00/certificate", "//etc/passwd", "/jobs//etc/passwd/result", "/commands/..%2f..%2fkey.pem",
              "/jobs/" + "../" * 40 + "etc/passwd/certificate", "/..\\..\\token", "http://127.0.0.1/../token"]  # fmt: skip


async def test_no_path_leads_to_a_file(market: Market) -> None:
    victim = market.operator
    requests = [request(method, path, BEARER) for path in TRAVERSALS for method in ("GET", "POST")]
    async with unharmed(market):
        for port in (victim.control_port, victim.axl_port):
            for answer in await ask_all(port, requests):
                assert status(answer) in (400, 403, 404, 405), answer
                assert b"root:" not in answer
                assert b"PRIVATE KEY" not in answer


async def test_no_corpus_shard_or_kind_of_a_job_leads_to_a_file(market: Market, customer: Attacker) -> None:
    """What a customer asks for names a corpus, and never a place on a provider's disk."""
    works = [
        ms.Work("answer", "root", "../../../../../../etc/passwd", 0),
        ms.Work("answer", "token", "../token", 0),
        ms.Work("answer", "token", "/proc/self/environ", -1),
        ms.Work("../../../bin/sh", "token", "", 2**63 - 1),
        ms.Work("combine", "\x1b[2J" * 100, "\0", None, (("../../x", b"\x91" * 50_000),)),
        ms.Work("answer", 'x" OR 1=1 -- NEAR(' * 200, "' OR 1=1 --", 0),
    ]
    async with unharmed(market, pays=True):
        for work in works:
            offer = make_offer(customer, market, work=work, retries=1)
            gives_the_key(customer, offer)
            bids = await bids_for(customer, market, offer)
            await award(customer, market, offer, bids, sorted(bids))
            job = await market.job_where(market.operator, offer.id, "settled", "failed", "cancelled")
            for text in (job.reason, job.text):
                assert "root:" not in text
                assert TOKEN not in text


def malformed() -> dict[str, bytes]:
    head = f"POST /commands/cancel HTTP/1.1\r\nHost: localhost\r\n{BEARER}\r\n".encode()
    deep = b"[" * 200_000
    bodies = {"nested": deep, "closed": deep[:50_000] + b"]" * 50_000, "keys": b'{"a":' * 50_000,
              "number": b'{"job":' + b"9" * 200_000 + b"}", "exponent": b'{"job":1e999999999}',
              "surrogate": b'{"job":"\\ud800"}', "not text": b"\xff" * 1000, "array": b"[1]", "null": b"null",
              "zipped": gzip.compress(b"x" * (64 << 20))}  # fmt: skip
    return {
        name: head + b"Content-Length: %d\r\n\r\n" % len(body) + body for name, body in bodies.items()
    } | {
        "two lengths": head + b"Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}",
        "length and chunks": head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "negative length": head + b"Content-Length: -1\r\n\r\n",
        "endless length": head + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        "endless chunk": head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "zipped body": head + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "long line": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "many headers": head + b"".join(b"x%d: 1\r\n" % one for one in range(30_000)) + b"\r\n",
        "folded": b"GET /health HTTP/1.1\r\nHost: localhost\r\n x: y\r\n\r\n",
        "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "no http": os.urandom(5_000),
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500),
        "zeros": bytes(100_000),
    }


async def test_requests_that_are_none_harm_nobody(market: Market) -> None:
    victim = market.operator
    async with unharmed(market):
        before = market.held_bytes(victim)
        for port in (victim.control_port, victim.axl_port):
            answers = await ask_all(port, list(malformed().values()), half_closed=True)
            for what, answer in zip(malformed(), answers, strict=True):
                assert status(answer) not in (200, 500), (what, answer)
        assert market.held_bytes(victim) < before + (64 << 20)


@asynccontextmanager
async def held_open(port: int, first: bytes) -> AsyncIterator[None]:
    """Very many connections on which a request begins and never ends."""
    writers = []
    try:
        for _ in range(HELD):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(first)
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


async def test_slow_clients_do_not_keep_the_owner_from_the_control_api(market: Market) -> None:
    async with unharmed(market):
        for first in (b"", b"POST /commands/submit HTTP/1.1\r\nHost: localh", b"GET /events HTTP/1.1\r\n"):
            async with held_open(market.operator.control_port, first), asyncio.timeout(OWNER_WAITS_S):
                await market.operator.client().state()


async def test_slow_clients_do_not_keep_a_participant_from_its_bridge(market: Market) -> None:
    victim = market.operator
    assert victim.provider is not None
    async with unharmed(market):
        for first in (b"", b"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"):
            victim.provider.kill()
            victim.provider.wait()
            async with held_open(victim.axl_port, first):
                victim.start_provider()
                await market.agreed()


BOMBS = {
    "toml nested": ("provider.toml", "a = " + "[" * 100_000),
    "toml tables": ("provider.toml", "[" + ".".join("a" * 5_000) + "]\n"),
    "toml number": ("provider.toml", "price_micro = " + "9" * 100_000),
    "toml bytes": ("provider.toml", "\0" * 100),
    "json nested": ("node-config.json", "[" * 1_000_000),
    "json number": ("node-config.json", '{"api_port": ' + "9" * 100_000 + "}"),
    "json large": ("node-config.json", " " * (2 << 20)),
}


@pytest.mark.parametrize("what", BOMBS)
async def test_a_bomb_in_a_settings_file_is_one_line(tmp_path: Path, what: str) -> None:
    name, content = BOMBS[what]
    victim: Participant = Mesh(tmp_path).add("victim")
    (victim.folder / name).write_text(content)
    module = ["mesh_core", "--config"] if name == "provider.toml" else ["axl", "-config"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, name, cwd=victim.folder, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert said.count(b"\n") == 1
    assert len(said) < 1_000
    assert b"Traceback" not in said
