"""The address book: where peers listen, as they said themselves or as their neighbours did.

Nothing in it is trusted: an address is a place to dial, and whoever answers there has to show the peer's key.
So what a lying neighbour can do is waste dials and room, and both are bounded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from axl.control import ENDPOINTS_PER_PEER_MAX
from axl.endpoint import Endpoint

PEERS_MAX = 512
STRANGERS_PER_TELLER_MAX = 128
"""How many peers that never were linked one neighbour may have in the book."""


@dataclass(slots=True)
class Entry:
    """What is known about one peer."""

    peer: bytes
    teller: bytes
    """Who spoke of it first; the peer itself if it was linked before anyone did."""
    own: tuple[Endpoint, ...] = ()
    """Where it listens, by its own word over a link pinned to its key."""
    hearsay: tuple[Endpoint, ...] = ()
    """The same by the word of others, newest first."""
    was_linked: bool = False
    is_spoken_of: bool = False
    """Whether a neighbour has said, since the last link to it was lost, that it is there."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Places to dial, best first."""
        return _bounded(self.own + self.hearsay)


class AddressBook:
    """Entries by peer, bounded in all and by teller."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._strangers: Counter[bytes] = Counter()
        """Entries of peers that never were linked, by teller."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, peer: bytes) -> Entry | None:
        """What is known about `peer`."""
        return self._entries.get(peer)

    def linked(self, peer: bytes, endpoints: tuple[Endpoint, ...]) -> Entry:
        """`peer` has a link, over which it said where it listens."""
        entry = self._entries.get(peer)
        if entry is None:
            entry = self._entries[peer] = Entry(peer, teller=peer, was_linked=True)
            self._make_room()
        elif not entry.was_linked:
            self._count(entry, -1)
        entry.own, entry.was_linked = _bounded(endpoints), True
        return entry

    def told(self, teller: bytes, peer: bytes, endpoints: tuple[Endpoint, ...]) -> Entry | None:
        """`teller` says that `peer` listens there; None if there is no room for what it says."""
        entry = self._entries.get(peer)
        if entry is None:
            if self._strangers[teller] >= STRANGERS_PER_TELLER_MAX:
                return None
            entry = self._entries[peer] = Entry(peer, teller)
            self._count(entry, 1)
            self._make_room()
        entry.hearsay = _bounded(endpoints + entry.hearsay)
        entry.is_spoken_of = True
        return self._entries.get(peer)

    def forget(self, peer: bytes) -> None:
        """It is not worth dialling any more."""
        entry = self._entries.pop(peer, None)
        if entry is not None and not entry.was_linked:
            self._count(entry, -1)

    def _count(self, stranger: Entry, change: int) -> None:
        self._strangers[stranger.teller] += change
        if not self._strangers[stranger.teller]:
            del self._strangers[stranger.teller]

    def _make_room(self) -> None:
        """Forget the oldest entry that never was linked; if all were, the oldest."""
        if len(self._entries) > PEERS_MAX:
            oldest = next(iter(self._entries))
            stranger = next((e.peer for e in self._entries.values() if not e.was_linked), oldest)
            self.forget(stranger)


def _bounded(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    return tuple(dict.fromkeys(endpoints))[:ENDPOINTS_PER_PEER_MAX]
