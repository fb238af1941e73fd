"""A ballot: what one witness has promised, voted and seen in one job."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh_core.effects import PeerId, PutVote
from mesh_core.identity.statement import peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st


@dataclass(slots=True)
class Ballot:
    """One witness's part in one job. Times are this node's monotonic seconds.

    `epoch` and `holder` are the highest promised or seen certified; `promise` is the stored promise at `epoch`, None
    when the epoch was raised by a certificate; `late` marks a promise given after the job's total time-out.
    """

    job: LedgerJob
    known_since: float
    epoch: int = 0
    holder: PeerId | None = None
    promise: bytes | None = None
    certified: bool = False
    granted_at: float = 0.0
    renewed_at: float = 0.0
    released: bool = False
    late: bool = False
    award_at: float | None = None
    accepted: st.Accepted | None = None
    votes: dict[int, bytes] = field(default_factory=dict)
    proposal: bytes = b""
    failures: dict[tuple[PeerId, int], bytes] = field(default_factory=dict)
    parked: dict[PeerId, tuple[int, float]] = field(default_factory=dict)
    cancel: st.Cancel | None = None

    def expired(self, now: float) -> bool:
        """Whether the job's total time-out has passed on this node's clock."""
        return now - self.known_since > self.job.job.total_ms / 1000

    def overdue(self, now: float) -> bool:
        """Whether the holder has had the job's whole execution time: its renewals no longer count."""
        return self.certified and now - self.granted_at > self.job.job.execution_ms / 1000


def remember(ballot: Ballot, vote: PutVote) -> None:
    """Take one promise or vote of a former life back into its ballot, in any order."""
    if vote.phase == "promise":
        promise = peek(vote.signed, st.Promise)
        if promise.epoch >= ballot.epoch:
            ballot.epoch, ballot.holder, ballot.promise = promise.epoch, promise.holder, vote.signed
        for release_bytes in promise.failures:
            release = peek(release_bytes, st.Release)
            ballot.failures[release.author, release.epoch] = release_bytes
    else:
        cast = peek(vote.signed, st.AcceptVote)
        ballot.votes[cast.epoch] = vote.signed
        if ballot.accepted is None or cast.epoch > ballot.accepted.epoch:
            ballot.accepted = st.Accepted(cast.epoch, cast.value)
        if cast.epoch > ballot.epoch:
            # Its promise, or the certificate that raised it there, names the holder.
            ballot.epoch, ballot.holder, ballot.promise = cast.epoch, None, None
