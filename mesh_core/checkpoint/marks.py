"""Where a cut may go: marks of how far all chains were when so many records had come.

Which cut is taken is up to who proposes it; that it does not tear apart what belongs together is seen to here. A record
about a job is covered together with the job's own or not at all; the last record of a chain stays, because it tells a
participant that was set back to an old backup of its past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry

_PATIENCE_MARKS = 2
"""A record that has waited for its job through so many marks waits for one that is dropped, or never was."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where all chains were when `added` records had come."""

    added: int
    places: Mapping[PeerId, int]


@dataclass(eq=False)
class Marks:
    """Remembers where the chains were while records come. `_retained` records are to be left above every cut; jobs of
    those whom `_may_pay` does not name end with it."""

    _ledger: Ledger
    _retained: int
    _may_pay: Callable[[PeerId], bool]
    _added: int = 0
    _marks: deque[_Mark] = field(default_factory=deque)
    _waits: dict[bytes, int] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """How many records a cut is to cover beyond the last one."""
        return max(1, self._retained // 2)

    def count(self) -> None:
        """A record has come."""
        self._added += 1

    def is_full(self) -> bool:
        """Whether enough have come for the next mark."""
        return not self._marks or self._added - self._marks[-1].added >= self.step

    def resume(self) -> None:
        """After a start nobody knows in which order records came: their authors' clocks will do to find old ones."""
        self._marks.clear()
        held = self._ledger.chains.authors.items()
        entries = [entry for _, chain in held for entry in chain.chain]
        older = len(entries) - self._retained - self.step
        if older > 0:
            entries.sort(key=lambda entry: (entry.head.written_ms, entry.seq))
            old = {entry.hash for entry in entries[:older]}
            places = {author: chain.base.seq + _prefix(chain.chain, old) for author, chain in held}
            self._mark(self._added - self._retained - self.step, places)
        self.mark()

    def mark(self) -> None:
        """Remember where the chains are."""
        held = self._ledger.chains.authors.items()
        self._mark(self._added, {author: chain.head_seq for author, chain in held})

    def keep_beyond(self, records: int) -> None:
        """A cut of so many records has been taken: those that are behind it are of no use."""
        self._marks = deque(mark for mark in self._marks if sum(mark.places.values()) > records)

    def is_due(self, covered: int) -> bool:
        """Whether there is a place that leaves enough records above it and covers a step more than `covered`."""
        while len(self._marks) > 1 and self._added - self._marks[1].added >= self._retained:
            self._marks.popleft()
        if not self._marks or self._added - self._marks[0].added < self._retained:
            return False
        return sum(self._marks[0].places.values()) >= covered + self.step

    def cut(
        self, covered: int, *, strangers: bool = True, without: Container[JobId] = ()
    ) -> Mapping[PeerId, Base] | None:
        """The newest such place, as far as chains have not turned out to fork since; None when that covers too little.

        Without `strangers`, what those have written stays who are neither electors, nor could pay, nor were paid. Jobs of
        `without` are left out.
        """
        if not self.is_due(covered):
            return None
        places = self._fitting(self._marks[0].places, strangers=strangers, without=without)
        if sum(places.values()) < covered + self.step:
            return None
        bases: dict[PeerId, Base] = {}
        for author, seq in places.items():
            name = self._ledger.chains.authors[author].hash_at(seq)
            assert name is not None
            bases[author] = Base(seq, name)
        return bases

    # -------------------------------------------------------------------------------------------- details

    def _mark(self, added: int, places: Mapping[PeerId, int]) -> None:
        waiting = [entry.hash for entry in self._ledger.waiting()]
        self._waits = {name: self._waits.get(name, 0) + 1 for name in waiting}
        self._marks.append(_Mark(added, self._fitting(places, strangers=True)))

    def _fitting(
        self, wanted: Mapping[PeerId, int], *, strangers: bool, without: Container[JobId] = ()
    ) -> dict[PeerId, int]:
        """Where a cut may go that goes no further than `wanted`."""
        budget = self._ledger.budget
        places: dict[PeerId, int] = {}
        for author, held in self._ledger.chains.authors.items():
            stays = bool(held.chain) and not self._may_go(held.chain[-1])
            places[author] = max(held.base.seq, min(wanted.get(author, 0), held.head_seq - stays))
            known = budget.is_trusted(author) or budget.is_elector(author) or budget.is_backed(author)
            if not strangers and not known:
                places[author] = held.base.seq
        for job in self._ledger.open_jobs.values():
            if job.id in without:
                self._lower(places, job.entry)
        self._leave_waiting(places)
        self._leave_open(places)
        self._leave_uncovered(places)
        return places

    def _may_go(self, last: Entry) -> bool:
        """Whether the last record of a chain need not stay: that of a decided job, because others that concern it could
        then not be covered either, and that of a stranger's, which would stay open."""
        job = self._ledger.jobs.get(last.hash)
        return job is not None and (job.final or not self._may_pay(job.submitter))

    def _lower(self, places: dict[PeerId, int], entry: Entry) -> bool:
        """Leave a record out; whether it was covered until now."""
        base = self._ledger.chains.authors[entry.author].base.seq
        place = max(base, entry.seq - 1)
        if place >= places[entry.author]:
            return False
        places[entry.author] = place
        return True

    def _leave_waiting(self, places: dict[PeerId, int]) -> None:
        """Leave out records whose job has not come; who waits for long waits for nothing."""
        for entry in self._ledger.waiting():
            if self._waits.get(entry.hash, 0) <= _PATIENCE_MARKS:
                self._lower(places, entry)

    def _leave_open(self, places: dict[PeerId, int]) -> None:
        """Leave out what would make a snapshot too large: open jobs beyond so many."""
        room = limit("snapshot_open_jobs_max")
        covered = [job for job in self._ledger.open_jobs.values() if job.entry.seq <= places[job.submitter]]
        for job in sorted(covered, key=lambda job: (job.entry.seq, job.id))[room:]:
            self._lower(places, job.entry)

    def _leave_uncovered(self, places: dict[PeerId, int]) -> None:
        """Leave out records of jobs whose own record is left out, and of those whose own is left out by that, and so on.

        Each chain is walked down once, whatever depends on what."""
        jobs: dict[PeerId, list[LedgerJob]] = {}
        for job in self._ledger.jobs.values():
            jobs.setdefault(job.submitter, []).append(job)
        for theirs in jobs.values():
            theirs.sort(key=lambda job: job.entry.seq)
        lowered = list(jobs)
        while lowered:
            author = lowered.pop()
            theirs = jobs.get(author, [])
            while theirs and theirs[-1].entry.seq > places[author]:
                for entry in _concerning(theirs.pop()):
                    if self._lower(places, entry):
                        lowered.append(entry.author)


def _concerning(job: LedgerJob) -> Iterator[Entry]:
    """The records about a job but for its own."""
    yield from job.awards.values()
    yield from (lease for _, lease in job.leases.values())
    if job.settle is not None:
        yield job.settle


def _prefix(chain: Iterable[Entry], old: set[bytes]) -> int:
    """How many records at the beginning of a chain are among the `old`."""
    count = 0
    for entry in chain:
        if entry.hash not in old:
            break
        count += 1
    return count
