"""One job as the ledger knows it, and the table of its states."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mesh_core.identity.statement import peek
from mesh_core.ledger.record import Entry
from mesh_core.quorum.certificate import OUTCOMES
from mesh_core.wire import statements as st

TRANSITIONS: tuple[tuple[str, str, str], ...] = (
    ("", "job record", "open"),
    ("open", "award record", "awarded"),
    ("open", "lease certificate", "leased"),
    ("awarded", "lease certificate", "leased"),
    ("leased", "lease certificate of a higher epoch", "leased"),
    ("open", "settle certificate", "settled, cancelled or failed"),
    ("awarded", "settle certificate", "settled, cancelled or failed"),
    ("leased", "settle certificate", "settled, cancelled or failed"),
)
"""(state, what arrives, next state). A state never goes back; records may arrive in any order."""

Contradiction: TypeAlias = Literal["", "settled twice", "forged by its own submitter"]


@dataclass(slots=True)
class LedgerJob:
    """A job's part of the fold. `leases` maps epoch to (holder, record); `frozen` marks two certificates that
    disagree, which cannot happen within the fault bound and is never resolved by picking one. `verdict` is what a snapshot
    says of a job that was decided while this node was away."""

    id: st.JobId
    entry: Entry
    job: st.Job
    awards: dict[bytes, Entry] = field(default_factory=dict)
    leases: dict[int, tuple[st.PeerId, Entry]] = field(default_factory=dict)
    settle: Entry | None = None
    frozen: bool = False
    verdict: st.Value | None = None

    @property
    def submitter(self) -> st.PeerId:
        """Who signed the job and pays for it."""
        return self.entry.author

    @property
    def tolerates_lies(self) -> bool:
        """Whether votes may lie (f ≥ 1): then a value is locked by a quorum before it is settled by one."""
        return self.job.fault_bound > 0

    @property
    def award(self) -> st.Award | None:
        """The award, when the submitter signed exactly one."""
        if len(self.awards) != 1:
            return None
        body: st.Award = next(iter(self.awards.values())).body
        return body

    @property
    def certificate(self) -> st.SettleCertificate | None:
        """The certificate that settled the job, or None."""
        if self.settle is None:
            return None
        body: st.SettleCertificate = self.settle.body
        return body

    @property
    def value(self) -> st.Value | None:
        """What was decided, or None."""
        certificate = self.certificate
        return certificate.value if certificate else self.verdict

    @property
    def final(self) -> bool:
        """Whether the job is decided."""
        return self.settle is not None or self.verdict is not None

    @property
    def epoch(self) -> int:
        """The highest certified lease epoch, 0 when there is none."""
        return max(self.leases, default=0)

    @property
    def holder(self) -> st.PeerId | None:
        """Who holds the highest certified lease."""
        return self.leases[self.epoch][0] if self.leases else None

    @property
    def executions(self) -> int:
        """Leases under which somebody had to run the job; one that shows an accepted value only finishes."""
        return sum(not adopts(entry.body) for _, entry in self.leases.values())

    @property
    def rescued(self) -> bool:
        """Whether the job has a result that was decided under a later lease than the first."""
        certificate = self.certificate
        return certificate is not None and certificate.value.outcome == "result" and certificate.epoch > 1

    def contradiction(self, credited: Container[st.PeerId]) -> Contradiction:
        """What two certificates that disagree mean, if there are two.

        A submitter chooses its committee, so one that nobody trusts with credit may have invented all who voted:
        that proves nothing about the protocol.
        """
        if not self.frozen:
            return ""
        return "settled twice" if self.submitter in credited else "forged by its own submitter"

    @property
    def state(self) -> str:
        """`open`, `awarded`, `leased`, or the final state."""
        value = self.value
        if value is not None:
            return OUTCOMES[value.outcome]
        if self.leases:
            return "leased"
        return "awarded" if self.award else "open"


def adopts(certificate: st.LeaseCertificate) -> bool:
    """Whether a lease obliges its holder to a value that was accepted before."""
    if certificate.epoch == 1:
        return False  # nothing can have been accepted before the first epoch
    return any(peek(signed, st.Promise).accepted is not None for signed in certificate.promises)
