"""Two AXL nodes as processes: what one client can send to the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from axl.client import AxlClient
from axl.keys import make
from tests.bench.figures import Figure, at_least, at_most, bench, percentile
from whisper_tui.supervisor.ports import free_ports

MESSAGES = 20_000
IN_FLIGHT = 8
BODY = bytes(300)
PACED_PER_S = 1_000
PACED_S = 5


@bench("axl")
def axl_messages() -> Iterator[Figure]:
    """Messages per second, and how long one takes at a thousand per second."""
    with _two_nodes() as (first, second):
        rate, waits = asyncio.run(_measure(first, second))
    how = f"two node processes on loopback, {len(BODY)} bytes each"
    yield at_least(
        "axl_messages_per_s", rate, "messages/s", 5_000, f"{how}, {IN_FLIGHT} in flight, {MESSAGES} sent"
    )
    yield at_most(
        "axl_p99_ms_at_1000_per_s", percentile(waits, 0.99), "ms", 5, f"{how}, /send to /recv, {PACED_S} s"
    )


async def _measure(first: int, second: int) -> tuple[float, list[float]]:
    sender, receiver = (AxlClient(f"http://127.0.0.1:{port}") for port in (first, second))
    try:
        peer = await _meet(sender, receiver)
        rate = await _flood(sender, receiver, peer)
        return rate, await _paced(sender, receiver, peer)
    finally:
        await sender.aclose()
        await receiver.aclose()


@contextlib.contextmanager
def _two_nodes() -> Iterator[tuple[int, int]]:
    """The bridges' ports of two connected nodes."""
    with tempfile.TemporaryDirectory(prefix="whisper-bench-") as folder, contextlib.ExitStack() as stack:
        listen, first, second = free_ports(3)
        link = [f"tls://127.0.0.1:{listen}"]
        for name, port, side in (("a", first, "Listen"), ("b", second, "Peers")):
            home = Path(folder) / name
            home.mkdir()
            make(home / "key.pem")
            config = {side: link, "PrivateKeyPath": str(home / "key.pem"), "api_port": port}
            (home / "node-config.json").write_text(json.dumps(config))
            command = [sys.executable, "-m", "axl", "-config", str(home / "node-config.json")]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield first, second


async def _meet(sender: AxlClient, receiver: AxlClient) -> bytes:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Exception):
                peer = (await receiver.topology()).our_public_key
                if peer in (await sender.topology()).peers:
                    return peer
            await asyncio.sleep(0.05)


async def _flood(sender: AxlClient, receiver: AxlClient, peer: bytes) -> float:
    left = iter(range(MESSAGES))

    async def lane() -> None:
        for _ in left:
            await sender.send(peer, BODY)

    since = time.perf_counter()
    taking = asyncio.create_task(_take(receiver, MESSAGES))
    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
    await taking
    return MESSAGES / (time.perf_counter() - since)


async def _take(receiver: AxlClient, count: int) -> None:
    while count > 0:
        count -= len(await receiver.receive(wait_s=10.0))


async def _paced(sender: AxlClient, receiver: AxlClient, peer: bytes) -> list[float]:
    waits: list[float] = []
    count = PACED_PER_S * PACED_S

    async def take() -> None:
        while len(waits) < count:
            for message in await receiver.receive(wait_s=10.0):
                waits.append((time.perf_counter() - float(message.body[:32].strip(b"\0"))) * 1000)

    taking = asyncio.create_task(take())
    sends = set()
    since = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, since + number / PACED_PER_S - time.perf_counter()))
        stamp = repr(time.perf_counter()).encode().ljust(32, b"\0")
        task = asyncio.create_task(sender.send(peer, stamp + BODY))
        sends.add(task)
        task.add_done_callback(sends.discard)
    await taking
    return waits
