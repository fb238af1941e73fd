"""A ballot: what one witness has promised, voted and seen in one job."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec

from mesh_core.config import Timing, limit
from mesh_core.effects import PeerId, PutVote
from mesh_core.identity.statement import encode, peek
from mesh_core.lease.outlook import patience
from mesh_core.ledger.job import LedgerJob
from mesh_core.quorum.committee import members, vouched
from mesh_core.wire import statements as st

_locks: msgspec.msgpack.Decoder[st.Accepted] = msgspec.msgpack.Decoder(st.Accepted)


@dataclass(slots=True)
class Ballot:
    """One witness's part in one job. Times are this node's monotonic seconds.

    `epoch` and `holder` are the highest promised or seen certified; `promise` is the stored promise at `epoch`, None
    when the epoch was raised by a certificate; `late` marks a promise given after the job's total time-out. `accepted`
    is what this witness's promises show: the value it voted for last or, where votes may lie, locked last; `turns` how
    many epochs each holder has had, as far as it has seen, and where holders may lie one more for each that came to
    neither a lease nor a release; `ahead` the highest epoch that each member is proven to have promised; `cancel` is the submitter's signed wish.
    `vain` epochs in a row came to no lease that this witness has seen; `failed` have signed a failure or let their lease
    run out; `favours` counts promises for a job that this node would not take in.
    """

    job: LedgerJob
    known_since: float
    epoch: int = 0
    holder: PeerId | None = None
    promise: bytes | None = None
    certified: bool = False
    granted_at: float = 0.0
    renewed_at: float = 0.0
    released_at: float | None = None
    turns: dict[PeerId, int] = field(default_factory=dict)
    ahead: dict[PeerId, int] = field(default_factory=dict)
    vain: int = 0
    late: bool = False
    award_at: float | None = None
    accepted: st.Accepted | None = None
    proposal: bytes = b""
    failures: dict[tuple[PeerId, int], bytes] = field(default_factory=dict)
    failed: set[PeerId] = field(default_factory=set)
    parked: dict[PeerId, tuple[int, float]] = field(default_factory=dict)
    cancel: bytes = b""
    favours: int = 0

    @property
    def proven(self) -> int:
        """The highest epoch that members of more than f weight are proven to have promised."""
        return vouched(self.job.job, self.ahead)

    def take_shown(self, promise: st.Promise) -> None:
        """Somebody shows what may be a member's promise."""
        if promise.author in members(self.job.job):
            self.ahead[promise.author] = max(promise.epoch, self.ahead.get(promise.author, 0))

    @property
    def released(self) -> bool:
        """Whether the holder has given its epoch back."""
        return self.released_at is not None

    def move(self, now: float, epoch: int, holder: PeerId, promise: bytes | None) -> None:
        """Go on to a higher epoch, promised or seen certified."""
        if self.holder is not None and self.overdue(now) and not self.released:
            self.failed.add(self.holder)
        ended = self.certified or self.released
        if self.job.tolerates_lies and self.holder is not None and not ended:
            self._count_turn(self.holder)  # nothing came of it, not even a word: that counts twice
        self.vain = 0 if self.certified or self.holder is None else self.vain + 1
        self.granted_at, self.late = now, self.expired(now)
        self.epoch, self.holder, self.promise = epoch, holder, promise
        self.certified, self.released_at = False, None
        if self.job.tolerates_lies:
            self._count_turn(holder)

    def certify(self, now: float) -> None:
        """The lease certificate of the present epoch has been seen."""
        self.certified = True
        self.renewed_at = now
        if self.holder is not None and not self.job.tolerates_lies:
            self._count_turn(self.holder)

    def _count_turn(self, holder: PeerId) -> None:
        """A lease is a turn; where holders may lie, so is a promise, of which nobody may ever show what it was for."""
        self.turns[holder] = self.turns.get(holder, 0) + 1

    def free_at(self, timing: Timing) -> float:
        """When the lease ends if nothing more is heard of its holder; in the past when it has ended."""
        if self.released_at is not None:
            return self.released_at
        lapses_at = self.renewed_at + timing.lease_s
        if self.certified:
            return min(lapses_at, self.granted_at + self.job.job.execution_ms / 1000)
        # Where disks are slow a quorum takes its time: contenders that wait too little would preempt each other for ever.
        return min(lapses_at, self.granted_at + timing.unseen_certificate_s * patience(self.vain))

    def expired(self, now: float) -> bool:
        """Whether the job's total time-out has passed on this node's clock."""
        return now - self.known_since > self.job.job.total_ms / 1000

    def overdue(self, now: float) -> bool:
        """Whether the holder has had the job's whole execution time: its renewals no longer count."""
        return self.certified and now - self.granted_at > self.job.job.execution_ms / 1000

    def show(self, accepted: st.Accepted) -> None:
        """Let promises show this value from now on, unless they show one of a later epoch."""
        if self.accepted is None or accepted.epoch > self.accepted.epoch:
            self.accepted = accepted

    def take_failure(self, release: st.Release, signed: bytes) -> None:
        """Keep a signed failure for promises to show.

        One member can fill no more than its part: with f lying members, as many failures as the job allows still have
        room beside theirs.
        """
        retries, bound = self.job.job.retries, self.job.job.fault_bound
        own = sum(1 for author, _ in self.failures if author == release.author)
        if own < retries and len(self.failures) < retries * (bound + 1):
            self.failures.setdefault((release.author, release.epoch), signed)
            self.failed.add(release.author)

    def shown_failures(self) -> tuple[bytes, ...]:
        """The failures a promise shows, as many as fit: the first of every member, then the second of each."""
        turns: Counter[PeerId] = Counter()
        order: list[tuple[int, bytes]] = []
        for (author, _), signed in self.failures.items():
            turns[author] += 1
            order.append((turns[author], signed))
        shown, room = [], limit("failures_bytes_max")
        for _, signed in sorted(order, key=itemgetter(0)):
            room -= len(signed)
            if room < 0:
                break
            shown.append(signed)
        return tuple(shown)


def remember(ballot: Ballot, vote: PutVote) -> None:
    """Take one thing this witness said in a former life back into its ballot, in any order."""
    match vote.phase:
        case "promise":
            promise = peek(vote.signed, st.Promise)
            if promise.epoch >= ballot.epoch:
                ballot.epoch, ballot.holder, ballot.promise = promise.epoch, promise.holder, vote.signed
            for signed in promise.failures:
                ballot.take_failure(peek(signed, st.Release), signed)
        case "accept":
            if not ballot.job.tolerates_lies:
                ballot.show(st.Accepted(vote.epoch, peek(vote.signed, st.AcceptVote).value))
        case "lock":
            ballot.show(unpack_lock(vote.signed))
        case "settle":
            pass
        case _:
            return  # said as a holder or submitter, which binds no witness
    if vote.epoch > ballot.epoch:
        # Its promise, or the certificate that raised it there, names the holder.
        ballot.epoch, ballot.holder, ballot.promise = vote.epoch, None, None


def pack_lock(accepted: st.Accepted) -> bytes:
    """A lock as it is written down."""
    return encode(accepted)


def unpack_lock(packed: bytes) -> st.Accepted:
    """Inverse of `pack_lock`, for what this node has packed."""
    return _locks.decode(packed)
