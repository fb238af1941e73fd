"""The console in a browser: to this machine only, to its own page only, to whoever knows the address."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.ports import free_ports
from whisper_tui.cli import main
from whisper_tui.commands.serve import _command
from whisper_tui.config.in_force import Flags
from whisper_tui.contexts import RunDirEntrance
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.web import SESSIONS_MAX, ConsoleServer

DRAWING = (
    "import sys; sys.stdout.write('__GANGLION__\\n'); sys.stdout.flush(); "
    "sys.stdout.buffer.write(b'D\\0\\0\\0\\5drawn'); sys.stdout.flush(); sys.stdin.buffer.read(1)"
)


@pytest.fixture
async def server() -> AsyncIterator[ConsoleServer]:
    server = ConsoleServer(shlex.join([sys.executable, "-c", DRAWING]), free_ports(1)[0])
    runner = web.AppRunner(await server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, server.host, server.port).start()
    yield server
    await runner.cleanup()


async def status(server: ConsoleServer, path: str, **headers: str) -> int:
    url = f"http://127.0.0.1:{server.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status


async def test_the_page_is_there_for_whoever_knows_its_address(server: ConsoleServer) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url) as answer:
        page = await answer.text()
        assert answer.status == 200 and f"ws://127.0.0.1:{server.port}/{server.token}/ws" in page
        assert answer.headers["Referrer-Policy"] == "no-referrer", "the address is a secret"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert await status(server, f"/{server.token}/static/js/textual.js") == 200


async def test_without_the_whole_address_there_is_nothing(server: ConsoleServer) -> None:
    for path in (
        "/",
        "/ws",
        "/static/js/textual.js",
        f"/{server.token[:-1]}/",
        f"/{'x' * len(server.token)}/ws",
    ):
        assert await status(server, path) == 403, path


async def test_a_request_about_the_whole_server_is_refused(server: ConsoleServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    async with asyncio.timeout(30):
        assert await reader.readline() == b"HTTP/1.1 403 Forbidden\r\n"
    writer.close()


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "10.0.0.5", "localhost.evil"])
async def test_a_name_that_was_bound_to_loopback_by_somebody_else_is_refused(
    name: str, server: ConsoleServer
) -> None:
    path = f"/{server.token}/"
    assert await status(server, path, Host=f"{name}:{server.port}") == 403
    assert await status(server, path, Host=f"localhost:{server.port}") == 200
    assert await status(server, path, Host="127.0.0.1:1") == 403


async def test_other_pages_are_refused_and_a_stream_must_say_where_it_comes_from(
    server: ConsoleServer,
) -> None:
    path = f"/{server.token}/"
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{server.port}", "http://127.0.0.1:1"):
        assert await status(server, path, Origin=origin) == 403, origin
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Origin": "http://evil.example"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{server.url}ws", headers=headers)
            assert refused.value.status == 403


async def test_the_own_page_gets_what_the_console_draws_and_no_more_than_a_few_are_open(
    server: ConsoleServer,
) -> None:
    origin = {"Origin": f"http://127.0.0.1:{server.port}"}
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        pages = [await session.ws_connect(f"{server.url}ws", headers=origin) for _ in range(SESSIONS_MAX)]
        assert [(await page.receive()).data for page in pages] == [b"drawn"] * SESSIONS_MAX
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{server.url}ws", headers=origin)
        assert refused.value.status == 503
        for page in pages:
            await page.close()


def test_what_a_page_shows_reads_only_unless_actions_were_allowed(tmp_path: Path) -> None:
    entrance, flags = RunDirEntrance(RunDir(tmp_path)), Flags(theme="mono")
    reading = shlex.split(_command(entrance, flags, None, allow_actions=False))
    assert reading[3:] == ["attach", "--run-dir", str(tmp_path), "--read-only", "--theme", "mono"]
    acting = shlex.split(_command(entrance, flags, "lab", allow_actions=True))
    assert acting[3:] == ["attach", "lab", "--theme", "mono"]


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["whisper-tui", "serve", "--run-dir", str(tmp_path / "run")])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "whisper-tui: serve needs the extra `web`" and "pip install textual-serve" in said[1]
