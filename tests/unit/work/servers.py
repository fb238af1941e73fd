"""A scripted HTTP server: says what a test wants a model server to say, and notices who hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"


class ScriptedServer:
    """Answers each path with a fixed text. `answers` may be changed at any time; `requests` records bodies.

    An answer that ends in `HANG` keeps the connection open until the client closes it, which sets `hung_up`.
    """

    HANG = "\0hang"

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.hung_up = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = lines[0].split(" ")[1]
        self.requests.append((path, headers, json.loads(body) if body else None))
        answer = self.answers.get(path, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nnot here")
        writer.write(answer.removesuffix(self.HANG).encode(errors="surrogateescape"))
        await writer.drain()
        if answer.endswith(self.HANG):
            await reader.read()
            self.hung_up.set()
        writer.close()


@asynccontextmanager
async def scripted(answers: dict[str, str]) -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port of loopback."""
    script = ScriptedServer(answers)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()


def stream(*parts: object, encode: Callable[[object], str] = json.dumps) -> str:
    """An OpenAI stream of these chunks; a string is sent as it is."""
    lines = [part if isinstance(part, str) else f"data: {encode(part)}" for part in parts]
    return OK + "".join(f"{line}\n\n" for line in lines)


def chunk(text: str | None, finish: str | None = None) -> dict[str, Any]:
    """One chunk of an OpenAI stream."""
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}
