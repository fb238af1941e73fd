"""What electors have decided at a height, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh_core.checkpoint.electors import Certificate
from mesh_core.effects import JobId
from mesh_core.wire import statements as st


@dataclass(frozen=True, slots=True)
class Decision:
    """A height has come to `finding`: `checkpoints` are the votes of a quorum, of whichever round, and `handovers` those
    that named other electors than had signed them, oldest first, from the ones that this node knew.

    It is what a replica that was away too long needs the snapshot for, and has the place of a job there. Whoever shows it
    may have heard of other votes: that makes no other decision of it.
    """

    height: int
    finding: st.Finding
    checkpoints: Certificate = field(compare=False)
    handovers: tuple[Certificate, ...] = field(compare=False)

    @property
    def job(self) -> JobId:
        """What is settled when the snapshot is not needed any more."""
        return self.finding.snapshot
