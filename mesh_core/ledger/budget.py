"""How much is kept of what matters to nobody.

Anybody may sign records without end, and every replica keeps and passes on what it takes. So records are *charged* to
their author, within a budget per author and one for all, unless they matter: what an author writes that is trusted with
money or elected, and what others contribute to jobs whose submitter can pay: of each author the first record of every
lease and of the settlement, also when somebody else has recorded the same before. Of strangers' jobs too, who holds one
half, the job or its settlement, must have room for the other, or replicas would differ for good: so that is *expected*, and
paid for in advance. Charges are kept here; that a budget is
spent only keeps new records from outside out, so that nothing a disk holds is ever dropped for it.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.ledger.record import Entry
from mesh_core.wire import statements as st

Judges = Callable[[bytes], bool]

SETTLEMENT = 0
"""Stands for a job's settlement where its leases are told apart by epoch."""

_ELECTORS_SHARE = 8
"""An elector's budget is so many times a stranger's: what it writes as one is dropped with the next checkpoint."""


@dataclass(slots=True)
class _Author:
    """What is charged to one author: by record, its bytes and the job it is about; `size` is the sum of the bytes."""

    charges: dict[bytes, tuple[int, st.JobId]] = field(default_factory=dict)
    size: int = 0


def _everybody(_: st.PeerId) -> bool:
    return True


def _nobody(_: st.PeerId) -> bool:
    return False


@dataclass(slots=True)
class Budget:
    """The charges of one replica. `is_trusted` names authors that are never charged, `is_backed` those who could pay for a
    job, `is_elector` who elects the next checkpoint, `is_taken` the jobs that this node has taken in; `size` and `count` are
    what all authors are charged. By default nobody is charged anything."""

    is_trusted: Judges = _everybody
    is_backed: Judges = _everybody
    is_elector: Judges = _nobody
    is_taken: Judges = _nobody
    size: int = 0
    count: int = 0
    _authors: dict[st.PeerId, _Author] = field(default_factory=dict)
    _carried: dict[st.JobId, dict[st.PeerId, dict[int, bytes]]] = field(default_factory=dict)
    _expected: set[st.JobId] = field(default_factory=set)

    def has_room(self, author: st.PeerId, size: int = 1, *, expecting: bool = False) -> bool:
        """Whether a record of so many bytes may be kept although it may matter to nobody; `expecting` if it is one half of
        which the other is not here.

        Those who have earned something from somebody with credit, or elect, need not share with strangers.
        """
        if self.is_trusted(author):
            return True
        held = self._authors.get(author) or _Author()
        elects = self.is_elector(author)
        times = _ELECTORS_SHARE if elects else 1
        return (
            len(held.charges) < times * limit("stray_records_max")
            and held.size + size <= times * limit("stray_bytes_max")
            and (self._has_room_for_all(size, expecting=expecting) or elects or self.is_backed(author))
        )

    def has_room_to_spare(self, author: st.PeerId) -> bool:
        """Whether others are likely to have room for what an author has to say beyond what matters: it need not share with
        strangers, or these have used less than half of what they may."""
        used, count = self._used()
        half_empty = (
            used < limit("stray_bytes_total_max") // 2 and count < limit("stray_records_total_max") // 2
        )
        return self.is_elector(author) or self.is_backed(author) or half_empty

    def _used(self) -> tuple[int, int]:
        """Bytes and records of what is charged and what is expected.

        What a record costs is not its bytes alone: an open job is looked at again and again.
        """
        expected = len(self._expected)
        return self.size + expected * limit("half_bytes_max"), self.count + expected

    def _has_room_for_all(self, size: int, *, expecting: bool) -> bool:
        used, count = self._used()
        more = size + expecting * limit("half_bytes_max")
        return used + more <= limit("stray_bytes_total_max") and count + expecting < limit(
            "stray_records_total_max"
        )

    def expect(self, job: st.JobId) -> None:
        """One half has come, a stranger's job or a settlement of a job that is not here: there is to be room for the other."""
        self._expected.add(job)

    def expects(self, job: st.JobId) -> bool:
        """Whether one half of a job is here and there is to be room for the other."""
        return job in self._expected

    def expect_no_more(self, job: st.JobId) -> None:
        """Both halves are here, or none is any more."""
        self._expected.discard(job)

    def is_half(self, submitter: st.PeerId, job: st.JobId, size: int) -> bool:
        """Whether there is room for so many bytes because they are the other half of what is here: always if the job can be
        paid or was taken in; else if it was expected, and is no larger than those of honest strangers."""
        if self.is_backed(submitter) or self.is_taken(job):
            return True
        return self.expects(job) and size <= limit("half_bytes_max")

    def charge(self, entry: Entry) -> None:
        """A record has come, and may matter to nobody."""
        if self.is_trusted(entry.author):
            return
        held = self._authors.setdefault(entry.author, _Author())
        if entry.hash not in held.charges:
            job = entry.about
            held.charges[entry.hash] = len(entry.signed), job
            held.size += len(entry.signed)
            self.size += len(entry.signed)
            self.count += 1

    def may_carry(self, entry: Entry, submitter: st.PeerId, job: st.JobId, epoch: int) -> bool:
        """Whether what a record contributes to a job matters, a lease of an epoch or the `SETTLEMENT`: the job can be paid,
        and its author has not shown the same in another record, nor too much."""
        carried = self._carried.get(job, {}).get(entry.author, {})
        if epoch in carried:
            return carried[epoch] == entry.hash
        return self.is_backed(submitter) and (
            epoch == SETTLEMENT or len(carried) < limit("certificates_per_job_max")
        )

    def carry(self, entry: Entry, submitter: st.PeerId, job: st.JobId, epoch: int) -> None:
        """A record contributes to a job: it is not charged if that matters."""
        if not self.is_trusted(entry.author) and self.may_carry(entry, submitter, job, epoch):
            self._carried.setdefault(job, {}).setdefault(entry.author, {})[epoch] = entry.hash
            self.waive(entry)

    def waive(self, entry: Entry) -> None:
        """A record matters."""
        held = self._authors.get(entry.author)
        if held is not None and entry.hash in held.charges:
            self._release(entry.author, held, entry.hash)

    def keep(self, is_held: Callable[[bytes], bool], jobs: Container[st.JobId]) -> None:
        """Records have been dropped: charged is what is still held, or about a job that is."""
        for author, held in list(self._authors.items()):
            gone = [name for name, (_, job) in held.charges.items() if not is_held(name) and job not in jobs]
            for name in gone:
                self._release(author, held, name)
        self._carried = {job: carried for job, carried in self._carried.items() if job in jobs}

    def _release(self, author: st.PeerId, held: _Author, name: bytes) -> None:
        size, _ = held.charges.pop(name)
        held.size -= size
        self.size -= size
        self.count -= 1
        if not held.charges:
            del self._authors[author]
