"""The jobs that are not decided, and what they reserve of their submitters' credit."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st


@dataclass(slots=True)
class _Submitter:
    """The open jobs of one submitter. `seqs` and `sums`, in order of its chain, are made when they are asked for."""

    jobs: dict[st.JobId, LedgerJob] = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    stale: bool = True

    def reserved_micro(self, seq: int) -> int:
        """The maximum prices of all jobs up to `seq` together."""
        if self.stale:
            ordered = sorted(self.jobs.values(), key=lambda job: job.entry.seq)
            self.seqs = [job.entry.seq for job in ordered]
            self.sums = [0, *accumulate(job.job.max_price_micro for job in ordered)]
            self.stale = False
        return self.sums[bisect_right(self.seqs, seq)]


class OpenJobs(Mapping[st.JobId, LedgerJob]):
    """By id, in the order in which they came. What a submitter's jobs reserve, and how many of them a peer holds
    (`leases_of`), is found without looking at others'."""

    def __init__(self) -> None:
        self.leases_of: Counter[st.PeerId] = Counter()
        self._jobs: dict[st.JobId, LedgerJob] = {}
        self._holders: dict[st.JobId, st.PeerId] = {}
        self._submitters: dict[st.PeerId, _Submitter] = {}

    def __getitem__(self, job: st.JobId) -> LedgerJob:
        return self._jobs[job]

    def __iter__(self) -> Iterator[st.JobId]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def newest_first(self) -> Iterator[LedgerJob]:
        """Those that came last before the others."""
        return reversed(self._jobs.values())

    def of(self, submitter: st.PeerId) -> Iterable[LedgerJob]:
        """Those of one submitter."""
        held = self._submitters.get(submitter)
        return held.jobs.values() if held is not None else ()

    def add(self, job: LedgerJob) -> None:
        """A job has come."""
        self._jobs[job.id] = job
        submitter = self._submitters.setdefault(job.submitter, _Submitter())
        submitter.jobs[job.id] = job
        submitter.stale = True

    def leased(self, job: LedgerJob) -> None:
        """The holder of a job may have changed; nothing happens when it is not here."""
        if job.id in self._jobs and job.holder is not None:
            self._release(job.id)
            self._holders[job.id] = job.holder
            self.leases_of[job.holder] += 1

    def _release(self, job: st.JobId) -> None:
        holder = self._holders.pop(job, None)
        if holder is not None:
            self.leases_of[holder] -= 1
            if not self.leases_of[holder]:
                del self.leases_of[holder]

    def remove(self, job: LedgerJob) -> None:
        """A job is decided; nothing happens when it is not here."""
        if self._jobs.pop(job.id, None) is None:
            return
        self._release(job.id)
        submitter = self._submitters[job.submitter]
        del submitter.jobs[job.id]
        submitter.stale = True
        if not submitter.jobs:
            del self._submitters[job.submitter]

    def reserved_micro(self, submitter: st.PeerId, seq: int) -> int:
        """What the open jobs of a submitter up to a place of its chain may cost at most, in micro-AXL."""
        held = self._submitters.get(submitter)
        return held.reserved_micro(seq) if held is not None else 0
