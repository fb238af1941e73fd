"""Per-author hash chains and the version vector over them.

What a replica holds of one author is a set of records. The *chain* is its longest unambiguous prefix: from
the *base* on, each record the only one held at its seq and linked to the one before. Everything else — behind a gap,
or from a fork on — are *extras*, named one by one, so that two replicas with equal vectors hold equal sets,
whatever the order in which records came. An author that leaves gaps or forks without end is *full* at some point: from
then on its extras are neither taken nor named nor compared, so that replicas with different ones agree that they are
enough; so is one that has forked far back in a long chain. The base is the last record that a checkpoint covers, seq 0 before the first:
what lies at or below it has been dropped, and nothing that comes later belongs there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.identity.statement import encode
from mesh_core.ledger.record import FIRST_PREV, Entry
from mesh_core.ledger.set_hash import SetHash
from mesh_core.wire.messages import Head
from mesh_core.wire.statements import PeerId

FULL = b""
"""Stands for the names of the extras of an author that is full."""


@dataclass(frozen=True, slots=True)
class Base:
    """The last record of an author that a checkpoint covers."""

    seq: int = 0
    hash: bytes = FIRST_PREV


def covers(cut: Mapping[PeerId, Base], entry: Entry) -> bool:
    """Whether a record lies at or below a cut, on whichever side of a fork."""
    return entry.author in cut and entry.seq <= cut[entry.author].seq


@dataclass(slots=True)
class AuthorChain:
    """All records held of one author."""

    base: Base = Base()
    chain: list[Entry] = field(default_factory=list)
    extras: dict[bytes, Entry] = field(default_factory=dict)
    forked_at: int | None = None
    _extra_seqs: Counter[int] = field(default_factory=Counter)

    @property
    def surplus(self) -> int:
        """How many records there are beyond what an author writes that makes its chain in order: of one that has forked,
        those beyond the first at each place."""
        return len(self.extras) - (len(self._extra_seqs) if self.forked_at is not None else 0)

    @property
    def is_full(self) -> bool:
        """Whether the author has left more gaps or forks, or more behind a fork, than anybody needs to see."""
        return self.surplus >= limit("extras_per_author_max") or len(self.extras) >= limit(
            "extras_linked_max"
        )

    @property
    def head_seq(self) -> int:
        """Seq of the last record of the chain, 0 when there has been none."""
        return self.base.seq + len(self.chain)

    @property
    def head_hash(self) -> bytes:
        """Hash of the last record of the chain."""
        return self.chain[-1].hash if self.chain else self.base.hash

    def hash_at(self, seq: int) -> bytes | None:
        """Hash of the chain's record at `seq`; None where it has none or has dropped it."""
        if seq == self.base.seq:
            return self.base.hash
        return self.chain[seq - self.base.seq - 1].hash if self.base.seq < seq <= self.head_seq else None

    def between(self, first: int, last: int) -> list[Entry]:
        """The chain from `first` to `last`, both included, as far as it is held."""
        return self.chain[max(first - self.base.seq, 1) - 1 : max(last - self.base.seq, 0)]

    def at(self, seq: int) -> Iterator[Entry]:
        """Every record held at `seq`."""
        if self.base.seq < seq <= self.head_seq:
            yield self.chain[seq - self.base.seq - 1]
        if seq in self._extra_seqs:
            yield from (entry for entry in self.extras.values() if entry.seq == seq)

    def highest_seq(self) -> int:
        """The highest seq held, behind gaps too."""
        return max([self.head_seq, *self._extra_seqs])

    def add(self, entry: Entry) -> list[Entry]:
        """Take a record that is not held yet; returns the records it conflicts with (same seq, other bytes)."""
        conflicts = list(self.at(entry.seq)) if entry.seq <= self.head_seq or self.extras else []
        if conflicts:
            self._fork(entry.seq)
        whole = self.forked_at is None or entry.seq < self.forked_at
        if whole and entry.seq == self.head_seq + 1 and entry.head.prev == self.head_hash:
            self.chain.append(entry)
            if self.extras:
                self._absorb()
        else:
            self._set_aside(entry)
        return conflicts

    def _set_aside(self, entry: Entry) -> None:
        self.extras[entry.hash] = entry
        self._extra_seqs[entry.seq] += 1

    def _absorb(self) -> None:
        """Move extras that now continue the chain onto it."""
        by_seq: dict[int, list[Entry]] = {}
        for entry in self.extras.values():
            by_seq.setdefault(entry.seq, []).append(entry)
        while self.forked_at is None or self.head_seq + 1 < self.forked_at:
            following = by_seq.get(self.head_seq + 1, [])
            if len(following) != 1 or following[0].head.prev != self.head_hash:
                return
            del self._extra_seqs[following[0].seq]
            self.chain.append(self.extras.pop(following[0].hash))

    def _fork(self, seq: int) -> None:
        """The author signed two records at `seq`: nothing from there on belongs to the chain."""
        self.forked_at = min(seq, self.forked_at or seq)
        first = self.forked_at - self.base.seq - 1
        for entry in self.chain[first:]:
            self._set_aside(entry)
        del self.chain[first:]

    def entries(self) -> Iterator[Entry]:
        """Everything held."""
        yield from self.chain
        yield from self.extras.values()


class Chains:
    """Every author's records, found by hash or by place."""

    def __init__(self, is_known: Callable[[PeerId], bool] = lambda _: False) -> None:
        """`is_known` names authors for whom there is always room, however many strangers have come."""
        self._is_known = is_known
        self.authors: dict[PeerId, AuthorChain] = {}
        self._by_hash: dict[bytes, Entry] = {}
        self._with_extras: dict[PeerId, AuthorChain] = {}
        self._vector_sum = SetHash()
        self._summed: dict[PeerId, bytes] = {}
        self._changed: dict[PeerId, None] = {}
        self._first_named = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def __contains__(self, record_hash: bytes) -> bool:
        return record_hash in self._by_hash

    def get(self, record_hash: bytes) -> Entry | None:
        """The record with that hash, or None."""
        return self._by_hash.get(record_hash)

    def has_room(self, entry: Entry, *, trusted: bool = False) -> bool:
        """Whether a record may be kept: those beyond a gap or a fork are bounded per author and in all.

        What `trusted` authors wrote before they were caught needs not share with strangers.
        """
        held = self.authors.get(entry.author)
        if held is None and not trusted and not self._admits(entry.author):
            return False
        held = held or AuthorChain()
        if entry.seq <= held.base.seq:
            return False
        goes_on = entry.seq == held.head_seq + 1 and (held.forked_at is None or entry.seq < held.forked_at)
        if goes_on or entry.seq <= held.head_seq:
            return True  # it goes on with the chain, or shows an earlier fork than any known, once for each place
        if held.is_full:
            return False
        linked = held.forked_at is not None and entry.head.prev in held.extras and not any(held.at(entry.seq))
        if linked and trusted:
            return True  # what an author wrote before it was caught counts, and comes after the fork by now
        return sum(len(other.extras) for other in self._with_extras.values()) < limit("extras_total_max")

    def _admits(self, author: PeerId) -> bool:
        """Whether somebody new may begin a chain: its head stays for ever, in every vector and every cut."""
        count = len(self.authors)
        return count < limit("members_max") or (count < limit("authors_max") and self._is_known(author))

    def add(self, entry: Entry) -> list[Entry]:
        """Take a record that is not held yet; returns those it conflicts with."""
        self._by_hash[entry.hash] = entry
        held = self.authors.setdefault(entry.author, AuthorChain())
        conflicts = held.add(entry)
        self._has_changed(entry.author, held)
        return conflicts

    def is_closed(self, author: PeerId, seq: int) -> bool:
        """Whether a checkpoint covers this place: nothing that comes for it counts any more."""
        held = self.authors.get(author)
        return held is not None and seq <= held.base.seq

    def path(self, author: PeerId, to: Base) -> list[Entry] | None:
        """The author's records above its base up to `to`, in order, also on one side of a fork; None when some of them
        are not held, or are dropped."""
        held = self.authors.get(author) or AuthorChain()
        if held.hash_at(to.seq) == to.hash:
            return held.between(held.base.seq + 1, to.seq)
        path: list[Entry] = []
        place = to
        while place.seq > held.base.seq:
            entry = self._by_hash.get(place.hash)
            if entry is None or (entry.author, entry.seq) != (author, place.seq):
                return None
            path.append(entry)
            place = Base(place.seq - 1, entry.head.prev)
        return path[::-1] if place == held.base else None

    def rebase(self, cut: Mapping[PeerId, Base]) -> None:
        """Drop everything at or below `cut`, whether it was held or not, also the sides of forks that lost."""
        for author, base in cut.items():
            held = self.authors.get(author) or AuthorChain()
            if base.seq < held.base.seq:
                continue
            kept = AuthorChain(base)
            for entry in sorted(held.entries(), key=lambda one: one.seq):
                if entry.seq > base.seq:
                    kept.add(entry)
                else:
                    del self._by_hash[entry.hash]
            self.authors[author] = kept
            self._has_changed(author, kept)

    def _has_changed(self, author: PeerId, held: AuthorChain) -> None:
        self._changed[author] = None
        if held.extras:
            self._with_extras[author] = held
        else:
            self._with_extras.pop(author, None)

    def vector(self) -> tuple[Head, ...]:
        """The version vector, in author order. It stays within a frame: extras beyond so many are not named this time,
        as if their author were full; each time the naming begins at another author."""
        named = self._named()
        return tuple(
            _head(author, held, named=author in named) for author, held in sorted(self.authors.items())
        )

    def _named(self) -> set[PeerId]:
        authors = sorted(author for author, held in self._with_extras.items() if not held.is_full)
        first = self._first_named % max(1, len(authors))
        named: set[PeerId] = set()
        room = limit("extras_total_max")
        for author in (*authors[first:], *authors[:first]):
            room -= len(self._with_extras[author].extras)
            if room < 0:
                self._first_named = first + len(named)
                break
            named.add(author)
        return named

    def vector_hash(self) -> bytes:
        """Hash of the version vector: equal exactly when two replicas hold the same records but for the extras of
        authors that are full, wherever their bases are."""
        for author in self._changed:
            before, now = self._summed.get(author), encode(_head(author, self.authors[author]))
            if before is not None:
                self._vector_sum.remove(before)
            self._vector_sum.add(now)
            self._summed[author] = now
        self._changed.clear()
        return self._vector_sum.digest()

    def range(self, author: PeerId, first: int, last: int) -> Iterable[Entry]:
        """The author's chain from `first` to `last`, both included, as far as it is held."""
        held = self.authors.get(author)
        return held.between(first, last) if held is not None else ()

    def full(self) -> set[PeerId]:
        """Authors whose records beyond a gap or a fork are neither named nor fetched any more."""
        return {author for author, held in self._with_extras.items() if held.is_full}

    def missing(self) -> int:
        """Records known to exist but not held: gaps before extras."""
        gaps = 0
        for held in self._with_extras.values():
            if held.forked_at is None:
                gaps += held.highest_seq() - held.head_seq - len(held.extras)
        return gaps


def _head(author: PeerId, held: AuthorChain, *, named: bool = True) -> Head:
    unnamed = held.is_full or (held.extras and not named)
    return Head(author, held.head_seq, held.head_hash, (FULL,) if unnamed else tuple(sorted(held.extras)))
