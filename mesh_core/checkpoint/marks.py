"""Marks of how far all chains were when so many records had come: they tell what is old enough to be covered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

from mesh_core.checkpoint.patience import Patience
from mesh_core.checkpoint.places import Places
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where all chains were when `added` records had come."""

    added: int
    places: Mapping[PeerId, int]


class Marks:
    """Remembers where the chains were while records come."""

    def __init__(
        self,
        ledger: Ledger,
        retained: int,
        may_pay: Callable[[PeerId], bool],
        is_trusted: Callable[[PeerId], bool],
    ) -> None:
        """`retained` records are to be left above every cut. Jobs of those whom `may_pay` does not name end with it, and
        `is_trusted` names those who need no earnings to pay."""
        self._ledger = ledger
        self._retained = retained
        self._patience = Patience()
        self._places = Places(ledger, self._patience, may_pay, is_trusted)
        self._added = 0
        self._marks: deque[_Mark] = deque()

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
        waiting = (entry.hash for entry in self._ledger.waiting())
        self._patience.mark(waiting, self._places.torn(heads), self._ledger.open_jobs)
        self._mark(self._added, heads)

    def is_old(self, job: JobId) -> bool:
        """Whether a job has been open for longer than anybody need wait for it."""
        return self._patience.is_old(job)

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
        places = self._places.fitting(self._marks[0].places, strangers=strangers, without=without)
        if sum(places.values()) < covered + self.step:
            return None
        bases: dict[PeerId, Base] = {}
        for author, seq in places.items():
            name = self._ledger.chains.authors[author].hash_at(seq)
            assert name is not None
            bases[author] = Base(seq, name)
        return bases

    def beyond(self, bases: Mapping[PeerId, Base]) -> tuple[bytes, ...]:
        """Records above these places that a cut there must name."""
        return self._places.beyond({author: base.seq for author, base in bases.items()})

    def _mark(self, added: int, places: Mapping[PeerId, int]) -> None:
        self._marks.append(_Mark(added, self._places.fitting(places)))


def _prefix(chain: Iterable[Entry], old: set[bytes]) -> int:
    """How many records at the beginning of a chain are among the `old`."""
    count = 0
    for entry in chain:
        if entry.hash not in old:
            break
        count += 1
    return count
