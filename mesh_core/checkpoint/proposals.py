"""What an elector proposes, and which of others' true proposals it welcomes.

Only safety is for the rounds; this is about what is good to decide. Whatever one elector proposes, one that sees the same
welcomes: else rounds would pass in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.electors import acceptable, eligible, successors
from mesh_core.checkpoint.findings import Findings, Found
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import Cut, encoded
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.chain import covers
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st

_TRIES = 4
"""Where a cut may go is found without folding, and what it forgets with it: where they differ, it is drawn anew so often."""


@dataclass(eq=False)
class Proposals:
    """This elector's policy. `_is_taken` tells jobs that this node has taken in; whoever is `present` is there now."""

    _context: Context
    _ledger: Ledger
    _is_taken: Callable[[JobId], bool]
    _newest: Newest
    _marks: Marks
    _cuts: Cuts
    _findings: Findings

    def own(self, round_: int, present: Collection[PeerId]) -> st.Finding | None:
        """What this elector has found at the newest cut that leaves enough records, None when there is no such cut.

        Strangers may have given others different records, and there may be no room for all of them anywhere: every
        second round does without theirs.
        """
        found = self._found(strangers=round_ % 2 == 0)
        if found is None:
            return None
        cut = found.snapshot.cut
        if len(cut.trusted) > limit("trusted_max") or not _fits(found):
            return None
        if len(encoded(cut)) > limit("cut_bytes_max"):
            return None  # nobody would fetch it
        self._cuts.put(encoded(cut))
        liars = self._ledger.equivocators.keys()
        return found.says(successors(self._newest.electors, present, liars, eligible(found.snapshot)))

    def _found(self, *, strangers: bool) -> Found | None:
        """What there is at that cut, which leaves out whatever this elector would not agree to forget."""
        without: frozenset[JobId] = frozenset()
        for _ in range(_TRIES):
            bases = self._marks.cut(self._newest.covered, strangers=strangers, without=without)
            found = self._findings.at(bases, self._marks.beyond(bases)) if bases is not None else None
            forgotten = self._forgotten(found) if found is not None else frozenset()
            if not forgotten:
                return found
            without |= forgotten
        return None

    def _forgotten(self, found: Found) -> frozenset[JobId]:
        """Jobs that a cut would tell nothing of although it covers them, or their settlement: jobs that somebody has paid who
        may pay, and undecided ones that were taken in here. The cut knows nothing of a payment to their submitter, or of
        their settlement, or there are more of them than there is room for. Open ones stop nobody for ever."""
        cut = found.snapshot.cut.bases

        def is_covered(job: LedgerJob) -> bool:
            settle = (
                job.settle if job.settle is not None and job.settle.hash in self._ledger.chains else job.entry
            )
            return any(covers(cut, entry) for entry in (job.entry, settle))

        return frozenset(
            job.id
            for job in self._ledger.jobs.values()
            if is_covered(job) and not found.tells_of(job)
            if (self._findings.may_pay(job.submitter) if job.final else self._is_awaited(job))
        )

    def _is_awaited(self, job: LedgerJob) -> bool:
        return self._is_taken(job.id) and not self._marks.is_old(job.id)

    def welcomes(self, finding: st.Finding, cut: Cut, present: Collection[PeerId]) -> bool:
        """Whether this elector prevotes for what another proposes at a cut and is true: it makes enough room and not too
        much, trusts whom this one trusts, sets no job apart of submitters who cannot pay, forgets no job that this one does not,
        and names electors this one agrees to."""
        found = self._findings.compute(cut)
        if found is None:
            return False
        me = self._context.me
        held = sum(chain.head_seq for chain in self._ledger.chains.authors.values())
        trusted = set(cut.trusted)
        others = found.submitters - {me}
        return (
            cut.records >= self._newest.covered + self._marks.step
            and held - cut.records >= self._context.config.retained_records // 2
            and _fits(found)
            and len(found.snapshot.apart) <= limit("snapshot_apart_max")
            and trusted <= found.submitters
            and all(self._findings.may_pay(peer) for peer in self._apart(cut))
            and all(self._findings.is_trusted_at_cut(one) == (one in trusted) for one in others)
            and not self._forgotten(found)
            and acceptable(
                finding.electors,
                self._newest.electors,
                present,
                self._ledger.equivocators.keys(),
                eligible(found.snapshot),
            )
        )

    def _apart(self, cut: Cut) -> set[PeerId]:
        """Whose jobs the records decide that a cut names beyond it: what is set apart stays until its place is covered."""
        held = self._ledger
        named = (held.chains.get(name) for name in cut.beyond)
        jobs = (held.jobs.get(entry.about) for entry in named if entry is not None)
        return {job.submitter for job in jobs if job is not None}


def _fits(found: Found) -> bool:
    return len(found.data) <= limit("blob_bytes_max")
