"""Where a cut may go: marks of how far all chains were when so many records had come.

Which cut is taken is up to who proposes it; that it does not tear apart what belongs together is seen to here. A record
about a job is covered together with the job's own or not at all; the last record of a chain stays, because it tells a
participant that was set back to an old backup of its past.

That ends where a place cannot be covered for long: beyond a fork or a gap, behind a job that stays open, at the end of a
chain whose author has gone. What was written about the same jobs elsewhere would stay for ever with it, then what was
written about other jobs behind that, and so on. So a job is held together for so many marks; after that the others go, and
the cut names the one record that is left and counts nevertheless (`beyond`).
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
"""A record that has waited for its job through so many marks waits for one that is dropped, or never was; a job of which
some records could be covered and others not is held together through so many."""

_OLD_MARKS = 8
"""A job that has been open through so many marks is no reason any more to leave it out of a cut that would end it."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where all chains were when `added` records had come."""

    added: int
    places: Mapping[PeerId, int]


@dataclass(eq=False)
class Marks:
    """Remembers where the chains were while records come. `_retained` records are to be left above every cut; jobs of
    those whom `_may_pay` does not name end with it, and `_is_trusted` names those who need no earnings to pay."""

    _ledger: Ledger
    _retained: int
    _may_pay: Callable[[PeerId], bool]
    _is_trusted: Callable[[PeerId], bool]
    _added: int = 0
    _marks: deque[_Mark] = field(default_factory=deque)
    _waits: dict[bytes, int] = field(default_factory=dict)
    _torn: dict[JobId, int] = field(default_factory=dict)
    _ages: dict[JobId, int] = field(default_factory=dict)

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
        heads = {author: chain.head_seq for author, chain in self._ledger.chains.authors.items()}
        waiting = [entry.hash for entry in self._ledger.waiting()]
        self._waits = {name: self._waits.get(name, 0) + 1 for name in waiting}
        places = self._reach(heads)
        torn = [job.id for job in self._ledger.jobs.values() if self._is_torn(job, places)]
        self._torn = {name: self._torn.get(name, 0) + 1 for name in torn}
        self._ages = {name: self._ages.get(name, 0) + 1 for name in self._ledger.open_jobs}
        self._mark(self._added, heads)

    def is_old(self, job: JobId) -> bool:
        """Whether a job has been open for longer than anybody need wait for it."""
        return self._ages.get(job, 0) > _OLD_MARKS

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

    def beyond(self, bases: Mapping[PeerId, Base]) -> tuple[bytes, ...]:
        """Records above these places that a cut there must name: they decide jobs that cannot be held together, and jobs of
        submitters without credit, of which a snapshot does not keep all that are open."""
        places = {author: base.seq for author, base in bases.items()}
        loose = self._loose()
        torn = [job for job in self._ledger.jobs.values() if self._needs_naming(job, places, loose)]
        torn.sort(key=lambda job: job.id not in loose)
        recorded: dict[JobId, list[Entry]] = {job.id: [] for job in torn[: self._room_apart()]}
        held = [chain for _, chain in sorted(self._ledger.chains.authors.items())] if recorded else []
        for entry in (entry for chain in held for entry in chain.entries()):
            job_id = getattr(entry.body, "job", b"")
            if job_id in recorded and entry.body == self._ledger.jobs[job_id].certificate:
                recorded[job_id].append(entry)
        named = (self._left_of(self._ledger.jobs[name], of, places) for name, of in recorded.items() if of)
        return tuple(sorted(entry.hash for entry in named if entry is not None))

    def _needs_naming(self, job: LedgerJob, places: Mapping[PeerId, int], loose: Container[JobId]) -> bool:
        covered = _covers(places, job.entry)
        if job.settle is None or _covers(places, job.settle) == covered:
            return False
        return job.id in loose or (
            covered and not self._is_trusted(job.submitter) and self._may_pay(job.submitter)
        )

    def _left_of(self, job: LedgerJob, recorded: list[Entry], places: Mapping[PeerId, int]) -> Entry | None:
        """Of a decided job the record that is left above a cut, where another is below: its own, or that of its settlement,
        wherever most others will have it."""
        is_settled = any(_covers(places, entry) for entry in recorded)
        if is_settled == _covers(places, job.entry):
            return None
        full = self._ledger.chains.full()
        return job.entry if is_settled else min(recorded, key=lambda entry: entry.author in full)

    # -------------------------------------------------------------------------------------------- details

    def _mark(self, added: int, places: Mapping[PeerId, int]) -> None:
        self._marks.append(_Mark(added, self._fitting(places)))

    def _fitting(
        self, wanted: Mapping[PeerId, int], *, strangers: bool = True, without: Container[JobId] = ()
    ) -> dict[PeerId, int]:
        """Where a cut may go that goes no further than `wanted`."""
        places = self._reach(wanted, strangers=strangers, without=without)
        self._leave_uncovered(places)
        return places

    def _reach(
        self, wanted: Mapping[PeerId, int], *, strangers: bool = True, without: Container[JobId] = ()
    ) -> dict[PeerId, int]:
        """The same, as far as each chain goes for itself."""
        budget = self._ledger.budget
        places: dict[PeerId, int] = {}
        for author, held in self._ledger.chains.authors.items():
            stays = bool(held.chain) and not self._may_go(held.chain[-1])
            places[author] = max(held.base.seq, min(wanted.get(author, 0), held.head_seq - stays))
            known = budget.is_trusted(author) or budget.is_elector(author) or budget.is_backed(author)
            if not strangers and not known:
                places[author] = held.base.seq
        for job in self._ledger.jobs.values():
            if job.id in without:
                self._lower(places, job.entry)
        self._leave_waiting(places)
        self._leave_open(places)
        return places

    def _is_torn(self, job: LedgerJob, places: Mapping[PeerId, int]) -> bool:
        """Whether some of a job's records can be covered and others, which belong to them, cannot.

        Of an open one leases can wait until it is decided, unless that is up to who has forked, left a gap, or has no credit.
        """
        covered = _covers(places, job.entry)
        if job.settle is not None:
            return _covers(places, job.settle) != covered
        chain = self._ledger.chains.authors[job.submitter]
        is_sound = self._is_trusted(job.submitter) and chain.hash_at(job.entry.seq) == job.id
        return not covered and not is_sound and any(_covers(places, entry) for entry in _concerning(job))

    def _loose(self) -> set[JobId]:
        """Jobs that have been torn for so long that they are not held together any more, as many as a snapshot has room to
        remember."""
        ledger = self._ledger
        jobs = [
            ledger.jobs[name]
            for name, times in self._torn.items()
            if times > _PATIENCE_MARKS and name in ledger.jobs
        ]
        jobs.sort(key=lambda job: (not self._is_trusted(job.submitter), job.id))
        return {job.id for job in jobs[: self._room_apart()]}

    def _room_apart(self) -> int:
        return max(0, limit("snapshot_apart_max") - len(self._ledger.apart))

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
        """Leave out what would make a snapshot too large: jobs that are open at the cut beyond so many, or so large. Those
        of submitters without credit take no room: the snapshot drops what is too much of them."""
        loose = self._loose()
        jobs, size = limit("snapshot_open_jobs_max"), limit("snapshot_open_bytes_max")
        found = [
            job
            for job in self._ledger.jobs.values()
            if _covers(places, job.entry) and job.id not in loose and self._is_trusted(job.submitter)
            if job.settle is None or not _covers(places, job.settle)
        ]
        for job in sorted(found, key=lambda job: (job.entry.seq, job.id)):
            jobs -= 1
            size -= sum(len(entry.signed) for entry in (job.entry, *_concerning(job)))
            if jobs < 0 or size < 0:
                self._lower(places, job.entry)

    def _leave_uncovered(self, places: dict[PeerId, int]) -> None:
        """Leave out records of jobs whose own record is left out, and of those whose own is left out by that, and so on.

        Each chain is walked down once, whatever depends on what."""
        jobs: dict[PeerId, list[LedgerJob]] = {}
        for job in self._ledger.jobs.values():
            jobs.setdefault(job.submitter, []).append(job)
        for theirs in jobs.values():
            theirs.sort(key=lambda job: job.entry.seq)
        lowered, loose = list(jobs), self._loose()
        while lowered:
            author = lowered.pop()
            theirs = jobs.get(author, [])
            while theirs and theirs[-1].entry.seq > places[author]:
                job = theirs.pop()
                for entry in _concerning(job) if job.id not in loose else ():
                    if self._lower(places, entry):
                        lowered.append(entry.author)


def _covers(places: Mapping[PeerId, int], entry: Entry) -> bool:
    return entry.seq <= places.get(entry.author, 0)


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
