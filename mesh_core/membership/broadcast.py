"""What is worth telling: each update a limited number of times, newest and least told first (SWIM §4.1)."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

from mesh_core.effects import PeerId
from mesh_core.wire.messages import Update

RETRANSMITS = 4

Topic: TypeAlias = tuple[PeerId, PeerId]
"""(subject, author): a member's own statement and each accusation of it are told side by side."""


def transmissions_max(size: int) -> int:
    """How often one update is sent by each member of a mesh of `size`."""
    return RETRANSMITS * math.ceil(math.log10(size + 1))


@dataclass(slots=True)
class _Entry:
    update: Update
    serial: int
    told: int = 0


class Broadcast:
    """Updates on their way. Its size is bounded by the members and the few accusers that each may have."""

    def __init__(self) -> None:
        self._entries: dict[Topic, _Entry] = {}
        self._serials = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, subject: PeerId, author: PeerId, update: Update) -> None:
        """Tell `update` from now on, instead of what this author said of this subject before."""
        self._entries[subject, author] = _Entry(update, next(self._serials))

    def drop(self, subject: PeerId) -> None:
        """Tell nothing of `subject` any more: what was said is outdated."""
        for topic in [topic for topic in self._entries if topic[0] == subject]:
            del self._entries[topic]

    def take(self, count: int, transmissions: int) -> tuple[Update, ...]:
        """Up to `count` updates for one message; each leaves the queue once taken `transmissions` times."""
        chosen = heapq.nsmallest(
            count, self._entries.items(), key=lambda item: (item[1].told, -item[1].serial)
        )
        for topic, entry in chosen:
            entry.told += 1
            if entry.told >= transmissions:
                del self._entries[topic]
        return tuple(entry.update for _, entry in chosen)
