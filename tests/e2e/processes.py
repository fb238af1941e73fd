"""What the kernel says of processes."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def belonging_to(folder: Path) -> dict[int, str]:
    """Processes but this one that were started for `folder` or in it: their command lines by pid. One that is ending,
    or has ended and was not waited for, has none any more."""
    found = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            line = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            home = str((PROC / str(pid) / "cwd").readlink())
            if line and pid != os.getpid() and (str(folder) in line or home.startswith(str(folder))):
                found[pid] = line
    return found


def _pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def own_bytes(pid: int) -> int:
    """Memory that a process has to itself. Raises OSError when it is gone."""
    status = (PROC / str(pid) / "status").read_text()
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon")), 0)


def open_files(pid: int) -> int:
    """How many descriptors it holds. Raises OSError when it is gone."""
    return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())


def limit_files(pid: int, bytes_max: int | None) -> None:
    """From now on no file of this process grows beyond `bytes_max`: whatever it writes further is refused by the kernel, as
    on a disk that is full. Zero refuses every write; None lifts the limit. The hard limit stays, so that no privilege is
    needed. Raises ProcessLookupError when it is gone."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    soft = resource.RLIM_INFINITY if bytes_max is None else bytes_max
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
