"""Per-author hash chains and the version vector over them (PROTOCOL §3).

What a replica holds of one author is a set of records. The *chain* is its longest unambiguous prefix: from
seq 1 on, each record the only one held at its seq and linked to the one before. Everything else — behind a gap,
or from a fork on — are *extras*, named one by one, so that two replicas with equal vectors hold equal sets,
whatever the order in which records came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.identity.statement import digest, encode
from mesh_core.ledger.record import FIRST_PREV, Entry
from mesh_core.wire.messages import Head
from mesh_core.wire.statements import PeerId


@dataclass(slots=True)
class AuthorChain:
    """All records held of one author."""

    chain: list[Entry] = field(default_factory=list)
    extras: dict[bytes, Entry] = field(default_factory=dict)
    forked_at: int | None = None

    @property
    def head_seq(self) -> int:
        """Seq of the last record of the chain, 0 when there is none."""
        return len(self.chain)

    @property
    def head_hash(self) -> bytes:
        """Hash of the last record of the chain."""
        return self.chain[-1].hash if self.chain else FIRST_PREV

    def at(self, seq: int) -> Iterator[Entry]:
        """Every record held at `seq`."""
        if 1 <= seq <= len(self.chain):
            yield self.chain[seq - 1]
        for entry in self.extras.values():
            if entry.seq == seq:
                yield entry

    def highest_seq(self) -> int:
        """The highest seq held, behind gaps too."""
        return max([self.head_seq, *(entry.seq for entry in self.extras.values())])

    def add(self, entry: Entry) -> list[Entry]:
        """Take a record that is not held yet; returns the records it conflicts with (same seq, other bytes)."""
        conflicts = list(self.at(entry.seq)) if entry.seq <= len(self.chain) or self.extras else []
        if conflicts:
            self._fork(entry.seq)
        whole = self.forked_at is None or entry.seq < self.forked_at
        if whole and entry.seq == self.head_seq + 1 and entry.head.prev == self.head_hash:
            self.chain.append(entry)
            if self.extras:
                self._absorb()
        else:
            self.extras[entry.hash] = entry
        return conflicts

    def _absorb(self) -> None:
        """Move extras that now continue the chain onto it."""
        by_seq: dict[int, list[Entry]] = {}
        for entry in self.extras.values():
            by_seq.setdefault(entry.seq, []).append(entry)
        while self.forked_at is None or self.head_seq + 1 < self.forked_at:
            following = by_seq.get(self.head_seq + 1, [])
            if len(following) != 1 or following[0].head.prev != self.head_hash:
                return
            self.chain.append(self.extras.pop(following[0].hash))

    def _fork(self, seq: int) -> None:
        """The author signed two records at `seq`: nothing from there on belongs to the chain."""
        self.forked_at = min(seq, self.forked_at or seq)
        for entry in self.chain[self.forked_at - 1 :]:
            self.extras[entry.hash] = entry
        del self.chain[self.forked_at - 1 :]


class Chains:
    """Every author's records, found by hash or by place."""

    def __init__(self, is_known: Callable[[PeerId], bool] = lambda _: False) -> None:
        """`is_known` names authors for whom there is always room, however many strangers have come."""
        self._is_known = is_known
        self.authors: dict[PeerId, AuthorChain] = {}
        self._by_hash: dict[bytes, Entry] = {}
        self._with_extras: dict[PeerId, AuthorChain] = {}
        self._vector_hash: bytes | None = None

    def __len__(self) -> int:
        return len(self._by_hash)

    def __contains__(self, record_hash: bytes) -> bool:
        return record_hash in self._by_hash

    def get(self, record_hash: bytes) -> Entry | None:
        """The record with that hash, or None."""
        return self._by_hash.get(record_hash)

    def has_room(self, entry: Entry) -> bool:
        """Whether a record may be kept: those beyond a gap or a fork are bounded per author."""
        held = self.authors.get(entry.author)
        if held is None and len(self.authors) >= limit("members_max") and not self._is_known(entry.author):
            return False
        held = held or AuthorChain()
        if held.forked_at is None and entry.seq == held.head_seq + 1:
            return True
        extras = sum(len(other.extras) for other in self._with_extras.values())
        return len(held.extras) < limit("extras_per_author_max") and extras < limit("extras_total_max")

    def add(self, entry: Entry) -> list[Entry]:
        """Take a record that is not held yet; returns those it conflicts with."""
        self._by_hash[entry.hash] = entry
        self._vector_hash = None
        held = self.authors.setdefault(entry.author, AuthorChain())
        conflicts = held.add(entry)
        if held.extras:
            self._with_extras[entry.author] = held
        else:
            self._with_extras.pop(entry.author, None)
        return conflicts

    def vector(self) -> tuple[Head, ...]:
        """The version vector, in author order."""
        return tuple(
            Head(author, held.head_seq, held.head_hash, tuple(sorted(held.extras)))
            for author, held in sorted(self.authors.items())
        )

    def vector_hash(self) -> bytes:
        """Hash of the version vector: equal exactly when two replicas hold the same records."""
        if self._vector_hash is None:
            self._vector_hash = digest(encode(self.vector()))
        return self._vector_hash

    def range(self, author: PeerId, first: int, last: int) -> Iterator[Entry]:
        """The author's chain from `first` to `last`, both included, as far as it is held."""
        held = self.authors.get(author)
        if held is not None:
            yield from held.chain[max(first, 1) - 1 : max(last, 0)]

    def missing(self) -> int:
        """Records known to exist but not held: gaps before extras."""
        gaps = 0
        for held in self._with_extras.values():
            if held.forked_at is None:
                gaps += (
                    held.highest_seq() - held.head_seq - len({entry.seq for entry in held.extras.values()})
                )
        return gaps
