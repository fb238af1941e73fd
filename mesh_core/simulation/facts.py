"""What the disks of a world have shown so far: jobs, votes on them, who held them, what was settled."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from mesh_core.config import LOCAL_NETWORK
from mesh_core.crypto import Verifier
from mesh_core.effects import JobId, PeerId, PutVote
from mesh_core.identity.statement import StatementError, check, encode
from mesh_core.ledger.record import Entry
from mesh_core.simulation.crypto import KeyMaterial
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import OPERATOR, World
from mesh_core.wire import statements as st


@dataclass(slots=True)
class JobFacts:
    """One job as all disks together tell it. Weights and quorum are computed here, not asked of the core."""

    id: JobId
    job: st.Job
    submitter: PeerId
    seq: int
    weights: dict[PeerId, int]
    quorum: int
    accepted: bool = False
    promised: dict[tuple[int, PeerId], set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    voted: dict[tuple[int, bytes], set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    settling: dict[tuple[int, bytes], set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    holders: dict[int, set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    settled: dict[bytes, int] = field(default_factory=dict)

    def weight(self, peers: set[PeerId]) -> int:
        """Summed weight of `peers` on this committee."""
        return sum(self.weights.get(peer, 0) for peer in peers)

    def has_quorum(self, peers: set[PeerId]) -> bool:
        """Whether `peers` reach the quorum."""
        return self.weight(peers) >= self.quorum


class Facts:
    """What the disks of a world have shown so far.

    `liars` do not keep to the protocol; `answering_liars` are those that keep nobody waiting. `outcasts` are in
    trouble for ever. A host with an old backup for a disk may
    contradict itself like a liar, until it notices: unless `backups_are_noticed`, that is allowed for. Jobs with more
    lying weight than they tolerate may break all promises, unless the facts are `strict`.
    """

    def __init__(
        self,
        world: World,
        liars: frozenset[PeerId] = frozenset(),
        *,
        backups_are_noticed: bool = False,
        strict: bool = False,
    ) -> None:
        self.world = world
        self.liars = liars
        self.outcasts: set[PeerId] = set()
        self.answering_liars: frozenset[PeerId] = frozenset()
        self.jobs: dict[JobId, JobFacts] = {}
        self.escrow_job: dict[int, JobId] = {}
        self._backups_are_noticed = backups_are_noticed
        self._strict = strict
        self._verifier: Verifier = world.keys.crypto(OPERATOR)
        self._early: dict[JobId, list[tuple[Host, PutVote]]] = {}
        self._sealed_share: dict[bytes, int] = {}

    def trusts(self, peer: PeerId) -> bool:
        """Whether `peer` must not contradict itself."""
        return peer not in self.liars and (self._backups_are_noticed or peer not in self.world.restored)

    def holds(self, job: JobFacts) -> bool:
        """Whether the job's guarantees hold: no more of its committee's weight may lie than it tolerates."""
        untrusted = {peer for peer in job.weights if not self.trusts(peer)}
        return self._strict or not untrusted or job.weight(untrusted) <= job.job.fault_bound

    def voters(self) -> set[PeerId]:
        """Who can be counted on for votes at rest: the core, and liars that have said that they answer."""
        live = {host.peer for host in self.world.live()}
        return {host.peer for host in self.core()} | (self.answering_liars & live)

    def can_end(self, job: JobFacts) -> bool:
        """Whether a job must be decided at rest: a quorum votes, and not only liars are left to run it. One that holds it
        for ever, if there is nobody to take it over, has until the job's total time-out."""
        runners = {host.peer for host in self.core() if host.peer != job.submitter}
        return self.holds(job) and job.has_quorum(self.voters()) and job.weight(runners) > 0

    def lost_to_backups(self) -> set[PeerId]:
        """Hosts whose disks may lack what they once held, and liars, who may never have held it."""
        return {*self.liars, *self.world.restored}

    def core(self) -> list[Host]:
        """Hosts of which everything is demanded at rest: they run, are in no trouble, are honest and may sign."""
        excused = self.liars | self.outcasts
        return [
            host
            for host in self.world.live()
            if host.peer not in excused and host.node is not None and not host.node.past.retired
        ]

    def called(self, key: bytes) -> str:
        """Short name of a peer or job."""
        return self.world.trace.called(key)

    def add_job(self, entry: Entry) -> JobFacts | None:
        """Take note of a job record; None when it is known already."""
        if entry.hash in self.jobs:
            return None
        job: st.Job = entry.body
        weights = {seat.peer: seat.weight for seat in job.committee}
        quorum = (sum(weights.values()) + job.fault_bound) // 2 + 1
        facts = JobFacts(entry.hash, job, entry.author, entry.seq, weights, quorum)
        self.jobs[entry.hash] = facts
        self.world.trace.name(entry.hash, job.label)
        for share in job.shares:
            if share.sealed in self._sealed_share:
                self.escrow_job[self._sealed_share[share.sealed]] = entry.hash
        return facts

    def remember_share(self, material: KeyMaterial) -> None:
        """A share was made and sealed for its provider: the job that carries these bytes is the escrow's job."""
        self._sealed_share[material.sealed] = material.escrow.number

    def count_accepted(self, job: Any) -> None:
        """The submitter of a job says that it is accepted."""
        self.jobs[key_of(job)].accepted = True

    def count_promise(self, job: JobFacts, promise: st.Promise) -> None:
        """A quorum of promises makes a lease holder; a liar promises everything to everybody."""
        promised = job.promised[(promise.epoch, promise.holder)]
        promised.add(promise.author)
        if job.has_quorum(promised | self.liars):
            job.holders[promise.epoch].add(promise.holder)

    def count_vote(self, job: JobFacts, vote: st.AcceptVote) -> None:
        """A quorum of accept votes settles a value, unless votes may lie: then it only certifies it."""
        value = encode(vote.value)
        voters = job.voted[(vote.epoch, value)]
        voters.add(vote.author)
        if job.has_quorum(voters) and not job.job.fault_bound:
            job.settled.setdefault(value, vote.epoch)

    def count_settle_vote(self, job: JobFacts, vote: st.SettleVote) -> None:
        """Where votes may lie, a quorum of settle votes settles a value; a liar has voted for everything."""
        value = encode(vote.value)
        voters = job.settling[(vote.epoch, value)]
        voters.add(vote.author)
        if job.has_quorum(voters | self.liars):
            job.settled.setdefault(value, vote.epoch)

    def count_certificate(self, certificate: st.SettleCertificate) -> None:
        """A certificate on a disk settles a value too, if it is worth anything."""
        job = self.jobs.get(certificate.job)
        value = encode(certificate.value)
        if job is not None and value not in job.settled and job.has_quorum(self._voters(job, certificate)):
            job.settled[value] = certificate.epoch

    def count_belief(self, host: Host, job_id: JobId) -> None:
        """An honest replica holds a job for decided, for whatever reason."""
        job = self.jobs.get(job_id)
        known = host.node.ledger.jobs.get(job_id) if host.node is not None else None
        if job is not None and known is not None and known.value is not None and self.trusts(host.peer):
            job.settled.setdefault(encode(known.value), known.certificate.epoch if known.certificate else 0)

    def _voters(self, job: JobFacts, certificate: st.SettleCertificate) -> set[PeerId]:
        """Who has really voted for what a certificate says."""
        kind: type[st.AcceptVote] | type[st.SettleVote] = st.AcceptVote
        if job.job.fault_bound:
            kind = st.SettleVote
        voters: set[PeerId] = set()
        for signed in certificate.votes:
            try:
                vote = check(self._verifier, signed, kind, LOCAL_NETWORK)
            except StatementError:
                continue
            if (vote.job, vote.epoch, vote.value) == (
                certificate.job,
                certificate.epoch,
                certificate.value,
            ):
                voters.add(vote.author)
        return voters

    def early(self, host: Host, vote: PutVote) -> None:
        """A vote was durable before the first job record was: it counts once the job is known."""
        self._early.setdefault(vote.job, []).append((host, vote))

    def take_early(self, job: JobId) -> list[tuple[Host, PutVote]]:
        """Votes that waited for this job."""
        return self._early.pop(job, [])


def key_of(text: Any) -> bytes:
    """A key or name out of a notice, whether it is written out or not."""
    return bytes.fromhex(text) if isinstance(text, str) else bytes(text)
