"""AXL nodes as processes of their own, on free ports: started, watched through their log, ended."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axl import keys
from axl.client import AxlClient
from axl.config import NodeConfig
from axl.endpoint import Endpoint, parse_endpoint
from axl.keys import PrivateKey
from tests.e2e.axl_nodes import PATIENCE_S, until

ANYWHERE = "tls://127.0.0.1:0"

RECEIVE_FOR_EVER = """
import asyncio, sys
from axl.client import AxlClient

async def main():
    client = AxlClient(sys.argv[1])
    while True:
        await client.receive(wait_s=60)

asyncio.run(main())
"""


@dataclass
class AxlProcess:
    """A running node."""

    key: PrivateKey
    process: asyncio.subprocess.Process
    client: AxlClient
    started: dict[str, Any]
    """The line of its log that says so."""
    lifeline: int | None = None

    @property
    def peer(self) -> bytes:
        return self.key.peer

    @property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.started["listen"][0])

    async def see(self, peers: set[bytes]) -> None:
        """Wait until the node is linked with exactly these."""
        await until(self.client, lambda topology: set(topology.peers) == peers)

    async def log(self) -> list[dict[str, Any]]:
        """What else it logs until it ends."""
        assert self.process.stderr is not None
        return [json.loads(line) async for line in self.process.stderr]

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


class Processes:
    """Starts processes, and leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._started: list[asyncio.subprocess.Process] = []
        self._clients: list[AxlClient] = []
        self._descriptors: list[int] = []

    async def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """A node that is expected to end by itself: its exit code, standard output and standard error."""
        process = await self.spawn("-m", "axl", *arguments, **environment)
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def start(self, *peers: Endpoint, on_lifeline: bool = False) -> AxlProcess:
        """A node that has said that it works."""
        key_file = self._folder / f"key{next(self._numbers)}.pem"
        key = keys.make(key_file)
        config = self.config(NodeConfig(private_key_path=str(key_file), api_port=0, peers=peers))
        environment, write_end = {}, None
        if on_lifeline:
            read_end, write_end = os.pipe()
            os.set_inheritable(read_end, True)
            self._descriptors += [read_end, write_end]
            environment["WHISPER_LIFELINE_FD"] = str(read_end)
        process = await self.spawn("-m", "axl", "-config", config, "-listen", ANYWHERE, **environment)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            started = json.loads(await process.stderr.readline())
        client = AxlClient(started["bridge"])
        self._clients.append(client)
        return AxlProcess(key, process, client, started, write_end)

    async def start_client(self, of: AxlProcess) -> asyncio.subprocess.Process:
        """A program that does nothing but wait for messages at a node."""
        return await self.spawn("-c", RECEIVE_FOR_EVER, of.started["bridge"])

    async def spawn(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=pipe,
            stderr=pipe,
            cwd=self._folder,
            env={**os.environ, **environment},
            close_fds=False,
        )
        self._started.append(process)
        return process

    def config(self, content: NodeConfig | str) -> str:
        """The path of a configuration file."""
        path = self._folder / f"node-config{next(self._numbers)}.json"
        path.write_text(content if isinstance(content, str) else content.to_json())
        return str(path)

    def cut(self, node: AxlProcess) -> None:
        """Close the lifeline of a node."""
        assert node.lifeline is not None
        self._descriptors.remove(node.lifeline)
        os.close(node.lifeline)

    async def end(self) -> None:
        for client in self._clients:
            await client.aclose()
        for descriptor in self._descriptors:
            os.close(descriptor)
        for process in self._started:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()


@asynccontextmanager
async def processes(folder: Path) -> AsyncIterator[Processes]:
    made = Processes(folder)
    try:
        yield made
    finally:
        await made.end()
