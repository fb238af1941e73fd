"""What this node itself finds that the records below a cut come to, and whether that is what others say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.look import RETRY_S, look_at
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import Cut, Snapshot, SnapshotError, encoded
from mesh_core.checkpoint.taking import Below, folded, is_held, submitters, taken
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.identity.statement import digest
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st

_FOUND_KEPT = 2
"""So many results of this node's own are remembered: two proposals may be looked at in turn."""


class Verdict(Enum):
    """What this node makes of what others find."""

    SAME = auto()
    OTHER = auto()
    WAITING = auto()
    """It cannot compare yet, and perhaps never."""


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot and its bytes. Of one that this node has computed itself (`own`) also all submitters that it could tell of,
    the payers that it tells of, and the jobs of theirs: those it leaves open, and those `decided` since the one before."""

    snapshot: Snapshot
    data: bytes
    own: bool = False
    submitters: frozenset[PeerId] = frozenset()
    payers: frozenset[PeerId] = frozenset()
    open: frozenset[JobId] = frozenset()
    decided: frozenset[JobId] = frozenset()

    def tells_of(self, job: LedgerJob) -> bool:
        """Whether a job that is covered counts at the cut."""
        return job.id in self.open or (job.id in self.decided and job.submitter in self.payers)

    def says(self, electors: tuple[PeerId, ...]) -> st.Finding:
        """What a vote for it says, with who is to elect next."""
        snapshot = self.snapshot
        return st.Finding(digest(encoded(snapshot.cut)), digest(self.data), snapshot.state_root, electors)


@dataclass(eq=False)
class Findings:
    """This node's own results beyond the newest checkpoint, and its verdicts on what others find."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _newest: Newest
    _cuts: Cuts
    _found: dict[bytes, Found] = field(default_factory=dict)
    _verdicts: dict[st.Finding, Verdict] = field(default_factory=dict)

    def begin(self) -> None:
        """A height is decided: nothing of before counts for the next."""
        self._verdicts.clear()
        self._found.clear()

    # ----------------------------------------------------------------------------------------- computing

    def compute(self, cut: Cut) -> Found | None:
        """This node's own snapshot at a cut; None when records are missing."""
        found = self._found.get(digest(encoded(cut)))
        if found is None and is_held(self._ledger, cut):
            base = self._newest.read()
            below = folded(self._ledger, base, cut.bases, cut.beyond)
            if below is None:
                return None
            found = self._remember(below, base, cut, frozenset(submitters(below.ledger, base)))
        return found

    def at(self, bases: Mapping[PeerId, Base], beyond: tuple[bytes, ...]) -> Found | None:
        """The same for a cut of its own, at these places, which names these records beyond it and trusts whom this node
        trusts."""
        base = self._newest.read()
        below = folded(self._ledger, base, bases, beyond)
        if below is None:
            return None
        known = frozenset(submitters(below.ledger, base))
        cut = Cut.of(bases, filter(self.is_trusted_at_cut, known), beyond)
        return self._remember(below, base, cut, known)

    def is_trusted_at_cut(self, peer: PeerId) -> bool:
        """Whether a submitter is trusted with money here, or has been at the cut before."""
        return self._context.config.grants(peer) or peer in self._newest.trusted

    def may_pay(self, peer: PeerId) -> bool:
        """Whether books will be kept of a submitter: it is trusted, or has been paid by somebody who is."""
        earned = self._ledger.account(peer).earned_micro.items()
        return self.is_trusted_at_cut(peer) or any(
            micro > 0 and self.is_trusted_at_cut(payer) for payer, micro in earned
        )

    def _remember(self, below: Below, base: Snapshot | None, cut: Cut, known: frozenset[PeerId]) -> Found:
        decided = frozenset(job.id for job in below.ledger.jobs.values() if job.final)
        snapshot = taken(below, base, cut)
        data, payers, left_open = encoded(snapshot), snapshot.payers, snapshot.open_jobs()
        found = Found(snapshot, data, True, known, payers, left_open, decided)
        while len(self._found) >= _FOUND_KEPT:
            del self._found[next(iter(self._found))]
        self._found[digest(encoded(cut))] = found
        return found

    # ------------------------------------------------------------------------------------------- judging

    def judge(self, now: float, finding: st.Finding, sources: Iterable[PeerId]) -> Verdict:
        """Whether this node's own records come to the same. What it lacks for that, the cut or records, is asked for of
        `sources`, who have spoken of it."""
        if finding in self._verdicts:
            return self._verdicts[finding]
        verdict = self._compare(now, finding, list(sources))
        if verdict is not Verdict.WAITING:
            self._verdicts[finding] = verdict
        return verdict

    def _compare(self, now: float, finding: st.Finding, voters: list[PeerId]) -> Verdict:
        try:
            cut = self._cuts.fetch(now, finding.cut, voters)
        except SnapshotError:
            return Verdict.OTHER
        if cut is None:
            return Verdict.WAITING
        own = self.compute(cut)
        if own is None:
            self._replication.fetch(now, voters, cut.beyond)
            self._replication.fetch_below(now, voters, cut.bases)
            look_at(self._context.timers, now + RETRY_S)
            return Verdict.WAITING
        return Verdict.SAME if own.says(finding.electors) == finding else Verdict.OTHER

    def is_judged(self, finding: st.Finding) -> bool:
        """Whether this node has compared a finding with its own."""
        return finding in self._verdicts

    def fetch_cut(self, now: float, finding: st.Finding, sources: Iterable[PeerId]) -> Cut | None:
        """The cut that a finding is about; None while it is fetched from `sources`, and when it is none."""
        try:
            return self._cuts.fetch(now, finding.cut, sources)
        except SnapshotError:
            return None
