"""The command line on a run directory, for tests over real processes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WHISPER = [sys.executable, "-c", "from whisper_tui.cli import main; main()"]
FREE_PORTS = ["--port-base", "auto", "--light", "--chain", "off"]


@dataclass
class Mesh:
    """A run directory, and the command line on it."""

    folder: Path

    def whisper(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*WHISPER, *args, "--run-dir", str(self.folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *args: str) -> Any:
        done = self.whisper(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def up(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.whisper("up", "--detach", "--fast", *FREE_PORTS, *args)

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["name"]: node for node in self.json("nodes")}

    def supervisor(self) -> int:
        return int(json.loads((self.folder / "supervisor.json").read_text())["pid"])

    def pids(self) -> list[int]:
        """Everything that runs: the children and the supervisor."""
        children = [node[part]["pid"] for node in self.nodes().values() for part in ("provider", "axl")]
        return [self.supervisor(), *(pid for pid in children if pid)]

    def ports(self) -> list[int]:
        seats = json.loads((self.folder / "run.json").read_text())["participants"]
        return [seat[name] for seat in seats for name in ("axl_port", "listen_port", "control_port")]


@contextlib.contextmanager
def watching(pids: list[int]) -> Iterator[list[int]]:
    """Handles that stay with these processes, whoever gets their pids later."""
    handles = [os.pidfd_open(pid) for pid in pids]
    try:
        yield handles
    finally:
        for handle in handles:
            os.close(handle)


def all_end(handles: list[int], within_s: float) -> bool:
    """Wait until the processes behind all pidfds have ended."""
    deadline = time.monotonic() + within_s
    for handle in handles:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
    return True
