"""Publishing proofs: two statements that one author signed for one slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.fold import proven_equivocator
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st

Prove: TypeAlias = Callable[[str, bytes, bytes], None]
"""Takes the kind and the two signed statements of what looks like an equivocation."""


@dataclass(eq=False)
class Proofs:
    """Turns contradicting statements that this node has met into records, once per author."""

    _context: Context
    _replication: Replication

    def __post_init__(self) -> None:
        self._proven: set[PeerId] = set()

    def prove(self, kind: str, first: bytes, second: bytes) -> None:
        """Somebody seems to have signed two statements for one slot: publish the proof if it is one."""
        if not self._context.ready or len(first) + len(second) > limit("record_bytes_max") // 2:
            return
        proof = st.Equivocation(kind, first, second)
        try:
            author = proven_equivocator(self._context.crypto, self._context.config.network, proof)
        except StatementError:
            return
        if author != self._context.me and author not in self._proven:
            self._proven.add(author)
            self._replication.append(self._context.now, "equivocation", proof)
