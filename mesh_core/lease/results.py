"""What proposals of undecided jobs bring to this disk, and what of it goes again.

A witness keeps a result before it votes for it, a holder before it proposes it. One result of a job is settled at most:
the others go when the job is decided. Until then a job brings no more than a few: whoever holds a lease may propose what
it likes, as large as a blob may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from mesh_core.blobs.blobs import Blobs
from mesh_core.config import limit
from mesh_core.effects import JobId, PutVote
from mesh_core.identity.pen import Pen
from mesh_core.identity.statement import peek
from mesh_core.lease.ballot import unpack_lock
from mesh_core.lease.instance import Instances
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st


@dataclass(eq=False)
class Results:
    """The results that undecided jobs have named here, by job, newest last."""

    _pen: Pen
    _ledger: Ledger
    _blobs: Blobs
    _instances: Instances
    _of: dict[JobId, dict[bytes, None]] = field(default_factory=dict)

    def named(self, job: JobId, value: st.Value) -> None:
        """This node is about to keep the result of a value of an undecided job, if it has one. When there are too many,
        the oldest go that are neither locked nor voted for last: no rescuer will be shown them here."""
        if value.outcome != "result":
            return
        names = self._of.setdefault(job, {})
        names.pop(value.result_hash, None)
        names[value.result_hash] = None
        surplus = len(names) - limit("results_per_job_max")
        if surplus > 0:
            bound = self._bound(job)
            self._let_go(job, [name for name in names if name not in bound][:surplus])

    def names(self) -> set[bytes]:
        """What undecided jobs have named as their results."""
        return set().union(*self._of.values())

    def _bound(self, job: JobId) -> set[bytes]:
        """What this node's votes on a job are for."""
        ballot, vote = self._instances.ballot(job), self._pen.last(job, st.AcceptVote)
        values = [peek(vote, st.AcceptVote).value] if vote is not None else []
        if ballot is not None and ballot.accepted is not None:
            values.append(ballot.accepted.value)
        return {value.result_hash for value in values}

    def on_settled(self, job: LedgerJob) -> None:
        """A job is decided: what it has named beside its result goes."""
        self._let_go(job.id, list(self._of.get(job.id, ())))
        self._of.pop(job.id, None)

    def _let_go(self, job: JobId, names: list[bytes]) -> None:
        for name in names:
            del self._of[job][name]
            self._blobs.give_up(job, name)
        self._blobs.drop(names)

    def restore(self, stored: Iterable[bytes]) -> None:
        """Take back what former lives' votes on undecided jobs name, and drop whatever is `stored` and named by nothing:
        what was on its way when a life ended, and what programs before this one have left."""
        for vote in chain.from_iterable(map(self._pen.on, self._ledger.open_jobs)):
            value = _value_of(vote)
            if value is not None and value.outcome == "result":
                self._of.setdefault(vote.job, {})[value.result_hash] = None
        self._blobs.drop(sorted(stored))


def _value_of(vote: PutVote) -> st.Value | None:
    match vote.phase:
        case "propose":
            return peek(vote.signed, st.Proposal).value
        case "accept":
            return peek(vote.signed, st.AcceptVote).value
        case "lock":
            return unpack_lock(vote.signed).value
    return None
