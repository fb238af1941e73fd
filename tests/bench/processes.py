"""Memory and CPU of a mesh's processes, from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from whisper_tui.supervisor.rundir import RunDir


@dataclass(frozen=True)
class Group:
    """A supervisor and everything it started, without the model server."""

    pids: tuple[int, ...]

    @classmethod
    def of(cls, run: RunDir) -> Group:
        """The processes of the mesh that runs in `run`."""
        supervisor = run.running()
        assert supervisor is not None
        children = [
            pid for pid in _all_pids() if _parent(pid) == supervisor.pid and not _is_model_server(pid)
        ]
        return cls((supervisor.pid, *children))

    def pss_mb(self) -> float:
        """Proportional set size: shared pages count once."""
        return sum(_pss_kb(pid) for pid in self.pids) / 1024

    def cpu_ms(self) -> float:
        """CPU time of all threads since their start, in milliseconds; nanosecond counters where the kernel has them."""
        return sum(_cpu_ms(pid) for pid in self.pids)


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _is_model_server(pid: int) -> bool:
    return b"model_server" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError(f"no Pss of process {pid}")


def _cpu_ms(pid: int) -> float:
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0]) / 1e6
        except OSError:
            continue  # the thread has just ended
    return total
