"""Where a cut may go: how far along each chain, so that it does not tear apart what belongs together.

Which cut is taken is up to who proposes it; what it must not do is seen to here. A record about a job is covered together
with the job's own or not at all; the last record of a chain stays, because it tells a participant that was set back to an
old backup of its past.

That ends where a place cannot be covered for long: beyond a fork or a gap, behind a job that stays open, at the end of a
chain whose author has gone. What was written about the same jobs elsewhere would stay for ever with it, then what was
written about other jobs behind that, and so on. So a job is held together for so many marks; after that the others go, and
the cut names the one record that is left and counts nevertheless (`beyond`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass

from mesh_core.checkpoint.patience import Patience
from mesh_core.config import limit
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.wire import statements as st

Settlements = Mapping[JobId, Collection[Entry]]
"""The records of each job's settlement: its certificate may be recorded more than once."""

_EARNERS_IN_A_ROW = 16
"""Of submitters each of whom has earned only in a job of the one before so many are left out at once: every one costs a
walk, and has cost whoever has its key a job that was paid."""


@dataclass(eq=False)
class Places:
    """Finds places in the chains of a ledger. Jobs of those whom `_may_pay` does not name end with a cut, and `_is_trusted`
    names those who need no earnings to pay."""

    _ledger: Ledger
    _patience: Patience
    _may_pay: Callable[[PeerId], bool]
    _is_trusted: Callable[[PeerId], bool]

    def fitting(
        self, wanted: Mapping[PeerId, int], *, strangers: bool = True, without: Container[JobId] = ()
    ) -> dict[PeerId, int]:
        """Where a cut may go that goes no further than `wanted`. Without `strangers`, what those have written stays who are
        neither electors, nor could pay, nor were paid; so do jobs of `without`."""
        settlements, loose = self._settlements(), self._loose()
        places = self._reach(wanted, settlements, loose, strangers=strangers, without=without)
        self._leave_uncovered(places, settlements, loose)
        for _ in range(_EARNERS_IN_A_ROW):
            if not self._leave_unpaid(places, settlements):
                break
            self._leave_uncovered(places, settlements, loose)
        return places

    def torn(self, wanted: Mapping[PeerId, int]) -> list[JobId]:
        """Jobs of which some records can be covered that far and others, which belong to them, cannot."""
        settlements = self._settlements()
        places = self._reach(wanted, settlements, self._loose())
        jobs = self._ledger.jobs.values()
        return [job.id for job in jobs if self._is_torn(job, settlements.get(job.id, ()), places)]

    def beyond(self, places: Mapping[PeerId, int]) -> tuple[bytes, ...]:
        """Records above these places that a cut there must name: they decide jobs that are not held together, and jobs of
        submitters without credit, of which a snapshot does not keep all that are open."""
        settlements, loose = self._settlements(), self._loose()
        named: list[tuple[bool, bytes]] = []
        for job in self._ledger.jobs.values():
            left = self._left_of(job, settlements.get(job.id, ()), places)
            if left is not None and (
                job.id in loose or (left is not job.entry and self._earns(job.submitter))
            ):
                named.append((job.id not in loose, left.hash))
        return tuple(sorted(name for _, name in sorted(named)[: self._room_apart()]))

    # ----------------------------------------------------------------------------------- what is torn

    def _settlements(self) -> dict[JobId, list[Entry]]:
        """Of each decided job all records that settle it for the same value, in order of their authors."""
        found: dict[JobId, list[Entry]] = {}
        for _, chain in sorted(self._ledger.chains.authors.items()):
            for entry in chain.entries():
                body = entry.body
                job = self._ledger.jobs.get(body.job) if isinstance(body, st.SettleCertificate) else None
                if job is not None and job.certificate is not None and body.value == job.certificate.value:
                    found.setdefault(job.id, []).append(entry)
        return found

    def _is_torn(self, job: LedgerJob, settlements: Collection[Entry], places: Mapping[PeerId, int]) -> bool:
        """Of an open job leases can wait until it is decided, unless that is up to who has forked, left a gap, or has no
        credit. Of jobs that nobody pays nothing is kept anyway."""
        if not self._may_pay(job.submitter):
            return False
        covered = _covers(places, job.entry)
        if job.settle is not None:
            return any(_covers(places, entry) for entry in settlements) != covered
        chain = self._ledger.chains.authors[job.submitter]
        is_sound = self._is_trusted(job.submitter) and chain.hash_at(job.entry.seq) == job.id
        return not covered and not is_sound and any(_covers(places, entry) for entry in _leading_to(job))

    def _loose(self) -> set[JobId]:
        """Jobs that are not held together any more: as many as a snapshot has room to remember."""
        held = self._ledger.jobs
        jobs = [held[name] for name in self._patience.torn() if name in held]
        jobs.sort(key=lambda job: (not self._is_trusted(job.submitter), job.id))
        return {job.id for job in jobs[: self._room_apart()]}

    def _room_apart(self) -> int:
        return max(0, limit("snapshot_apart_max") - len(self._ledger.apart))

    def _left_of(
        self, job: LedgerJob, settlements: Collection[Entry], places: Mapping[PeerId, int]
    ) -> Entry | None:
        """Of a decided job the record that is left above a cut, where another is below: its own, or that of its settlement,
        wherever most others will have it. Of settlements those count that say what has been checked here."""
        checked = [entry for entry in settlements if entry.body == job.certificate]
        is_settled = any(_covers(places, entry) for entry in checked)
        if not checked or is_settled == _covers(places, job.entry):
            return None
        full = self._ledger.chains.full()
        return job.entry if is_settled else min(checked, key=lambda entry: entry.author in full)

    def _earns(self, submitter: PeerId) -> bool:
        return self._may_pay(submitter) and not self._is_trusted(submitter)

    # ---------------------------------------------------------------------------------- what is left out

    def _reach(
        self,
        wanted: Mapping[PeerId, int],
        settlements: Settlements,
        loose: Container[JobId],
        *,
        strangers: bool = True,
        without: Container[JobId] = (),
    ) -> dict[PeerId, int]:
        """How far each chain goes for itself."""
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
        for entry in self._ledger.waiting():
            if self._patience.waits(entry.hash):
                self._lower(places, entry)
        self._leave_open(places, settlements, loose)
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

    def _leave_open(
        self, places: dict[PeerId, int], settlements: Settlements, loose: Container[JobId]
    ) -> None:
        """Leave out what would make a snapshot too large: jobs that are open at the cut beyond so many, or so large. Those
        of submitters without credit take no room: the snapshot drops what is too much of them."""
        jobs, size = limit("snapshot_open_jobs_max"), limit("snapshot_open_bytes_max")
        found = [
            job
            for job in self._ledger.jobs.values()
            if _covers(places, job.entry) and job.id not in loose and self._is_trusted(job.submitter)
            if not any(_covers(places, entry) for entry in settlements.get(job.id, ()))
        ]
        for job in sorted(found, key=lambda job: (job.entry.seq, job.id)):
            jobs -= 1
            size -= sum(len(entry.signed) for entry in (job.entry, *_leading_to(job)))
            if jobs < 0 or size < 0:
                self._lower(places, job.entry)

    def _leave_uncovered(
        self, places: dict[PeerId, int], settlements: Settlements, loose: Container[JobId]
    ) -> None:
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
                job = theirs.pop()
                if job.id in loose:
                    continue
                for entry in _all_of(job, settlements):
                    if self._lower(places, entry):
                        lowered.append(entry.author)

    def _leave_unpaid(self, places: dict[PeerId, int], settlements: Settlements) -> bool:
        """Leave out jobs of submitters who have earned all that they may spend in jobs that are left out: a snapshot would
        know nothing of that, and tell nothing of theirs. Whether there were any: leaving them out may leave out what others
        have earned."""
        left: Counter[PeerId] = Counter()
        for job in self._ledger.jobs.values():
            value = job.value
            if value is None or not self._is_trusted(job.submitter) or self._is_trusted(value.holder):
                continue
            if not self._is_told(job, settlements, places):
                left[value.holder] += value.price_micro
        unpaid = {peer for peer, micro in left.items() if micro > 0 and self._earned(peer) <= micro}
        theirs = [job for job in self._ledger.jobs.values() if job.final and job.submitter in unpaid]
        lowered = [self._lower(places, entry) for job in theirs for entry in _all_of(job, settlements)]
        return any(lowered)

    def _is_told(self, job: LedgerJob, settlements: Settlements, places: Mapping[PeerId, int]) -> bool:
        settled = any(_covers(places, entry) for entry in settlements.get(job.id, ()))
        return settled and _covers(places, job.entry)

    def _earned(self, peer: PeerId) -> int:
        """What a peer has been paid by submitters who need no earnings to pay."""
        earned = self._ledger.account(peer).earned_micro.items()
        return sum(micro for payer, micro in earned if self._is_trusted(payer))


def _all_of(job: LedgerJob, settlements: Settlements) -> Iterator[Entry]:
    yield job.entry
    yield from _leading_to(job)
    yield from settlements.get(job.id, ())


def _covers(places: Mapping[PeerId, int], entry: Entry) -> bool:
    return entry.seq <= places.get(entry.author, 0)


def _leading_to(job: LedgerJob) -> Iterator[Entry]:
    """The records about a job but for its own and those of its settlement."""
    yield from job.awards.values()
    yield from (lease for _, lease in job.leases.values())
