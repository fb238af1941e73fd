"""A process that serves the whole mesh: kept running for as long as the mesh is, with growing pauses when it dies.

Nothing in the mesh waits for one: it works without any of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from whisper_tui.supervisor.child import Child, Command, last_line
from whisper_tui.supervisor.schema import Part, ProcessView

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 30.0

WELL_S = 60.0
"""One that has run for so long is well: should it die after that, it is started again soon."""

LINE_BYTES_MAX = 256 << 10


class Service:
    """The process `argv`, which logs to `part`.log in the folder `logs`.

    One that `greets` prints a line of JSON with its url on stdout once it is ready; what it prints later goes to `heard`. One that ends with an exit code of
    `done_without` is not asked again: the mesh goes on without it, as is said there.
    """

    def __init__(
        self,
        part: Part,
        argv: Sequence[str],
        logs: Path,
        changed: Callable[[ProcessView], None],
        *,
        greets: bool,
        done_without: Mapping[int, str] | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        self.child = Child(ProcessView(part, part, since_ms=time.time() * 1000), changed)
        self._command = Command(argv, logs, logs / f"{part}.log", piped=greets)
        self._done_without = done_without or {}
        self._heard = heard
        self._ending = False

    async def run(self, lifeline: int, env: Mapping[str, str]) -> None:
        """Keep it running until `end`, or until it turns out that it cannot run here."""
        pause_s = BACKOFF_FIRST_S
        while not self._ending:
            began = time.monotonic()
            read_end = self.child.start(self._command, lifeline, env)
            if read_end is None:
                self.child.running()
            else:
                await self._listen(read_end)
            await self.child.gone()
            if self._ending:
                return
            instead = self._done_without.get(self.child.view.exit_code or 0)
            if instead is not None:
                self.child.absent(f"{last_line(self._command.out)}; {instead}")
                return
            if time.monotonic() - began > WELL_S:
                pause_s = BACKOFF_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    def end(self) -> None:
        """SIGTERM, for good."""
        self._ending = True
        self.child.terminate()

    async def _listen(self, read_end: int) -> None:
        """Read its greeting, and what it prints after that: whoever has no use for it drops it, so that it never blocks on us."""
        reader = asyncio.StreamReader(LINE_BYTES_MAX)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
        )
        try:
            while line := await reader.readline():
                if url := _url(line):
                    self.child.running(url)
                elif self._heard is not None:
                    self._heard(line)
        except ValueError:
            pass  # a line without end is not ours to understand
        finally:
            transport.close()


def _url(line: bytes) -> str:
    try:
        greeting = json.loads(line)
    except ValueError:
        return ""
    url = greeting.get("url", "") if isinstance(greeting, dict) else ""
    return url if isinstance(url, str) else ""
