"""Whether memory and open files of long-living processes grow with more than the ledger.

A replica keeps every record, so that some growth per job is right (README, "Limits": 23 KB of memory per job and
participant). What is judged is the difference between the middle and the last third of a process's life in the storm, when
caches are warm: medians, per job that was settled in between, with room for the allocator's steps. An AXL node and the
supervisor keep nothing of a job.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.e2e.processes import open_files, own_bytes

SAMPLE_S = 1.0
JUDGED_S = 90.0
"""How long a process must have lived for its thirds to say anything."""

SLACK_BYTES = 6 << 20
"""An arena or two of the allocator, and a queue that happens to be full."""

LEDGER_BYTES_PER_JOB = 40_000
"""What a mesh process may keep of a job: the README's figure, and half of it again for jobs that were leased several times."""

FILES_SLACK = 24
"""Connections that happen to be open."""


@dataclass(frozen=True)
class Sample:
    """One process at one moment: `jobs` is how many were settled by then."""

    at_s: float
    bytes: int
    files: int
    jobs: int


@dataclass(frozen=True)
class Growth:
    """Of one process between the last two thirds of its life."""

    who: str
    bytes: int
    files: int
    jobs: int
    bytes_per_job_max: int

    @property
    def is_bounded(self) -> bool:
        return self.bytes <= SLACK_BYTES + self.bytes_per_job_max * self.jobs and self.files <= FILES_SLACK

    def __str__(self) -> str:
        return f"{self.who} {self.bytes / 1024:+.0f} KB, {self.files:+d} files over {self.jobs} jobs"


class Watch:
    """Samples processes until it is cancelled. `pids` tells who runs now, `jobs` how many are settled."""

    def __init__(self, pids: Callable[[], Mapping[str, int]], jobs: Callable[[], int]) -> None:
        self._pids = pids
        self._jobs = jobs
        self.samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            for who, pid in self._pids().items():
                with contextlib.suppress(OSError):  # it has just ended
                    sample = Sample(now(), own_bytes(pid), open_files(pid), self._jobs())
                    self.samples[who, pid].append(sample)
            await asyncio.sleep(SAMPLE_S)


def growth(samples: Mapping[tuple[str, int], Sequence[Sample]]) -> list[Growth]:
    """Of every process that has lived long enough."""
    return [
        _growth(who, taken)
        for (who, _), taken in samples.items()
        if taken[-1].at_s - taken[0].at_s >= JUDGED_S
    ]


def _growth(who: str, taken: Sequence[Sample]) -> Growth:
    third = len(taken) // 3
    middle, last = taken[third : 2 * third], taken[2 * third :]

    def grown(of: Callable[[Sample], int]) -> int:
        return round(median(map(of, last)) - median(map(of, middle)))

    keeps_jobs = who.endswith(" provider")
    return Growth(
        who,
        grown(lambda one: one.bytes),
        grown(lambda one: one.files),
        grown(lambda one: one.jobs),
        LEDGER_BYTES_PER_JOB if keeps_jobs else 0,
    )
