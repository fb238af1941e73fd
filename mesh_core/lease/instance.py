"""Instances: what this node has to do with each undecided job that it has a seat in, as the field calls one ballot over one
value: a single-decree Paxos instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mesh_core.effects import JobId
from mesh_core.lease.ballot import Ballot
from mesh_core.lease.claim import Claim
from mesh_core.lease.outlook import Outlook


@dataclass(frozen=True, slots=True)
class Instance:
    """One job: what this node is bound to as a witness, and how a claim of it would look."""

    ballot: Ballot
    outlook: Outlook = field(default_factory=Outlook)


class Instances(Mapping[JobId, Instance]):
    """By job, in the order in which they came."""

    def __init__(self) -> None:
        self._of: dict[JobId, Instance] = {}
        self._claims: dict[JobId, Claim] = {}

    def __getitem__(self, job: JobId) -> Instance:
        return self._of[job]

    def __iter__(self) -> Iterator[JobId]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    @property
    def claims(self) -> Mapping[JobId, Claim]:
        """Those of this node that are under way, at most one for each job, in the order in which they began."""
        return self._claims

    def ballot(self, job: JobId) -> Ballot | None:
        """This witness's ballot of a job, None without a seat and when the job is decided."""
        instance = self._of.get(job)
        return instance.ballot if instance is not None else None

    def open(self, ballot: Ballot) -> None:
        """A job has come."""
        self._of[ballot.job.id] = Instance(ballot)

    def begin(self, claim: Claim) -> Claim:
        """This node claims a job that has an instance and no claim."""
        assert claim.job.id in self._of and claim.job.id not in self._claims
        self._claims[claim.job.id] = claim
        return claim

    def end(self, claim: Claim) -> None:
        """The claim is settled, released or lost."""
        del self._claims[claim.job.id]

    def drop(self, job: JobId) -> None:
        """The job is decided, and its claim has ended."""
        self._of.pop(job, None)
