"""The shared model server: the one child that is started again when it dies, with growing pauses."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from whisper_tui.supervisor.child import Child, Command, last_line
from whisper_tui.supervisor.schema import ProcessView

MODEL = "model"
MISSING = 3
"""Its exit code when the model or the library is not installed."""

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 30.0
GREETING_BYTES_MAX = 64 << 10


class ModelService:
    """`python -m mesh_core.work.model_server`, which prints one JSON line with its url when it is ready.

    One that says that there is no model is not asked again: answers come from search.
    """

    def __init__(self, argv: list[str], logs: Path, changed: Callable[[ProcessView], None]) -> None:
        self.child = Child(ProcessView(MODEL, "model", since_ms=time.time() * 1000), changed)
        self._command = Command(argv, logs, logs / "model.log", piped=True)
        self._backoff_s = BACKOFF_FIRST_S
        self._ending = False

    async def run(self, lifeline: int, env: Mapping[str, str]) -> None:
        """Keep it running until `end` or until it turns out that it cannot run here."""
        while not self._ending:
            read_end = self.child.start(self._command, lifeline, env)
            if read_end is not None:
                await self._listen(read_end)
            await self.child.gone()
            if self._ending:
                return
            if self.child.view.exit_code == MISSING:
                self.child.absent(f"{last_line(self._command.out)}; answers come from search")
                return
            await asyncio.sleep(self._backoff_s)
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)

    def end(self) -> None:
        """SIGTERM, for good."""
        self._ending = True
        self.child.terminate()

    async def _listen(self, read_end: int) -> None:
        """Read its greeting; what it prints after that is read and dropped, so that it never blocks on us."""
        reader = asyncio.StreamReader(GREETING_BYTES_MAX)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
        )
        try:
            while line := await reader.readline():
                if url := _url(line):
                    self._backoff_s = BACKOFF_FIRST_S
                    self.child.running(url)
        except ValueError:
            pass  # a line without end is not ours to understand
        finally:
            transport.close()


def model_command(port: int) -> list[str]:
    """Its argv."""
    return [sys.executable, "-P", "-m", "mesh_core.work.model_server", "--port", str(port)]


def _url(line: bytes) -> str:
    try:
        greeting = json.loads(line)
    except ValueError:
        return ""
    url = greeting.get("url", "") if isinstance(greeting, dict) else ""
    return url if isinstance(url, str) else ""
