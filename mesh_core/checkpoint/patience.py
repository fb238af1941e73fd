"""For how long something is waited for before a cut goes on without it. Time is counted in marks, each of which stands for
so many records more: in a mesh that is asked nothing nothing is given up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh_core.effects import JobId

_PATIENCE_MARKS = 2
"""A record that has waited for its job through so many marks waits for one that is dropped, or never was; a job of which
some records could be covered and others not is held together through so many."""

_OLD_MARKS = 8
"""A job that has been open through so many marks is no reason any more to leave it out of a cut that would end it."""


@dataclass(slots=True)
class Patience:
    """Through how many marks in a row records have waited for their job, jobs have been torn, and have been open."""

    _waits: dict[bytes, int] = field(default_factory=dict)
    _torn: dict[JobId, int] = field(default_factory=dict)
    _open: dict[JobId, int] = field(default_factory=dict)

    def mark(self, waiting: Iterable[bytes], torn: Iterable[JobId], open_jobs: Iterable[JobId]) -> None:
        """Another mark: these are so still, or again."""
        self._waits = _counted(self._waits, waiting)
        self._torn = _counted(self._torn, torn)
        self._open = _counted(self._open, open_jobs)

    def waits(self, record: bytes) -> bool:
        """Whether the job of a record may still come."""
        return self._waits.get(record, 0) <= _PATIENCE_MARKS

    def torn(self) -> list[JobId]:
        """Jobs that are not held together any longer."""
        return [job for job, times in self._torn.items() if times > _PATIENCE_MARKS]

    def is_old(self, job: JobId) -> bool:
        """Whether a job has been open for longer than anybody need wait for it."""
        return self._open.get(job, 0) > _OLD_MARKS


def _counted(before: dict[bytes, int], now: Iterable[bytes]) -> dict[bytes, int]:
    return {name: before.get(name, 0) + 1 for name in now}
