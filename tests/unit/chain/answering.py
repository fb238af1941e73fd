"""A server on loopback that answers as a test says: it stands in for nodes that lie, hang or never end, and for JustaName."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Said:
    """One answer; `pieces` go on for as long as there are any."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    endless: bool = False
    hang: bool = False


Answer = Callable[[Asked], Said | Awaitable[Said]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server that answers so."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                said = answer(Asked(method, target, headers, body))
                said = said if isinstance(said, Said) else await said
                if said.hang:
                    await asyncio.Event().wait()
                await _say(writer, said)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _say(writer: asyncio.StreamWriter, said: Said) -> None:
    length = (
        (("Transfer-Encoding", "chunked"),) if said.endless else (("Content-Length", str(len(said.body))),)
    )
    lines = [
        f"HTTP/1.1 {said.status} Said",
        *(f"{name}: {value}" for name, value in (*said.headers, *length)),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    if said.endless:
        while True:
            writer.write(b"%x\r\n%s\r\n" % (len(said.body), said.body))
            await writer.drain()
    writer.write(said.body)
    await writer.drain()
