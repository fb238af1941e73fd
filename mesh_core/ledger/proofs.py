"""Publishing proofs: two statements that one author signed for one slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.fold import Ledger, proven_equivocator
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st

Prove: TypeAlias = Callable[[str, bytes, bytes], None]
"""Takes the kind and the two signed statements of what looks like an equivocation."""

_RECORDED_MAX = 64
_RECORDED_BYTES_MAX = limit("stray_bytes_max") // 4
"""Proofs in this node's chain, beyond which it records none against keys that nobody would pay or be paid by: these are
charged to it, and who makes up many keys must not use up what others have room for."""


@dataclass(eq=False)
class Proofs:
    """Turns contradicting statements that this node has met into records, once per author."""

    _context: Context
    _ledger: Ledger
    _replication: Replication

    def __post_init__(self) -> None:
        self._proven: set[PeerId] = set()
        self._missed: list[tuple[str, bytes, bytes]] = []

    def prove(self, kind: str, first: bytes, second: bytes) -> None:
        """Somebody seems to have signed two statements for one slot: publish the proof if it is one."""
        if len(first) + len(second) > limit("record_bytes_max") // 2:
            return
        if not self._context.ready:
            if len(self._missed) < limit("members_max"):
                self._missed.append((kind, first, second))
            return
        proof = st.Equivocation(kind, first, second)
        try:
            author = proven_equivocator(self._context.crypto, self._context.config.network, proof)
        except StatementError:
            return
        proven = author in self._proven or author in self._ledger.proofs
        if author == self._context.me or proven:
            return
        if self._ledger.budget.is_backed(author) or self._may_afford(len(first) + len(second)):
            self._proven.add(author)
            self._replication.append(self._context.now, "equivocation", proof)

    def resume(self) -> None:
        """After a start: publish what came to light before this node might sign, unless somebody else has."""
        missed, self._missed = self._missed, []
        for kind, first, second in missed:
            self.prove(kind, first, second)

    def _may_afford(self, size: int) -> bool:
        """Whether others are sure to have room for one more proof of so many bytes, although it matters to nobody."""
        me, ledger = self._context.me, self._ledger
        own = ledger.chains.authors.get(me, AuthorChain())
        held = [len(entry.signed) for entry in own.chain if isinstance(entry.body, st.Equivocation)]
        fits = len(held) < _RECORDED_MAX and sum(held) + size <= _RECORDED_BYTES_MAX
        return fits and ledger.budget.has_room_to_spare(me)
