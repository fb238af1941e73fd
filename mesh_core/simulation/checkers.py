"""The invariants of PROTOCOL §9, watched while a world runs.

They look at what hosts have on disk and what leaves them, not at what nodes believe: a promise, a proposal or a
vote counts from the moment it is durable, because from then on it may be sent. Each invariant is a class, so
that a failure says which one broke.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from mesh_core.effects import JobId, Notify, PeerId, PutStatement, PutVote, Write
from mesh_core.identity.statement import body_hash, encode, peek
from mesh_core.ledger.record import Entry, read_record
from mesh_core.simulation.crypto import KeyMaterial
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import World
from mesh_core.wire import statements as st


class Violation(AssertionError):
    """An invariant does not hold. `invariant` is its name."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


@dataclass(slots=True)
class JobFacts:
    """One job as all disks together tell it. Weights and quorum are computed here, not asked of the core."""

    id: JobId
    job: st.Job
    submitter: PeerId
    weights: dict[PeerId, int]
    quorum: int
    accepted: bool = False
    promised: dict[tuple[int, PeerId], set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    voted: dict[tuple[int, bytes], set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    holders: dict[int, set[PeerId]] = field(default_factory=lambda: defaultdict(set))
    settled: dict[bytes, int] = field(default_factory=dict)

    def weight(self, peers: set[PeerId]) -> int:
        """Summed weight of `peers` on this committee."""
        return sum(self.weights.get(peer, 0) for peer in peers)

    def has_quorum(self, peers: set[PeerId]) -> bool:
        """Whether `peers` reach the quorum."""
        return self.weight(peers) >= self.quorum


class Facts:
    """What the disks of a world have shown so far. `liars` are hosts that a control made dishonest."""

    def __init__(self, world: World, liars: frozenset[PeerId] = frozenset()) -> None:
        self.world = world
        self.liars = liars
        self.jobs: dict[JobId, JobFacts] = {}
        self.escrow_job: dict[int, JobId] = {}
        self._early: dict[JobId, list[tuple[Host, PutVote]]] = {}
        self._sealed_share: dict[bytes, int] = {}

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
        facts = JobFacts(entry.hash, job, entry.author, weights, quorum)
        self.jobs[entry.hash] = facts
        self.world.trace.name(entry.hash, job.label)
        for share in job.shares:
            if share.sealed in self._sealed_share:
                self.escrow_job[self._sealed_share[share.sealed]] = entry.hash
        return facts

    def remember_share(self, material: KeyMaterial) -> None:
        """A share was made and sealed for its provider: the job that carries these bytes is the escrow's job."""
        self._sealed_share[material.sealed] = material.escrow.number

    def count_promise(self, job: JobFacts, promise: st.Promise) -> None:
        """A quorum of promises makes a lease holder."""
        promised = job.promised[(promise.epoch, promise.holder)]
        promised.add(promise.author)
        if job.has_quorum(promised):
            job.holders[promise.epoch].add(promise.holder)

    def count_vote(self, job: JobFacts, vote: st.AcceptVote) -> None:
        """A quorum of accept votes settles a value."""
        value = encode(vote.value)
        voters = job.voted[(vote.epoch, value)]
        voters.add(vote.author)
        if job.has_quorum(voters):
            job.settled.setdefault(value, vote.epoch)

    def count_certificate(self, certificate: st.SettleCertificate) -> None:
        """A certificate in a ledger settles a value too: it is what replicas believe."""
        job = self.jobs.get(certificate.job)
        if job is not None:
            job.settled.setdefault(encode(certificate.value), certificate.epoch)

    def early(self, host: Host, vote: PutVote) -> None:
        """A vote was durable before the first job record was: it counts once the job is known."""
        self._early.setdefault(vote.job, []).append((host, vote))

    def take_early(self, job: JobId) -> list[tuple[Host, PutVote]]:
        """Votes that waited for this job."""
        return self._early.pop(job, [])


class Invariant:
    """One thing that must always hold. Subclasses override what they need to hear."""

    name: ClassVar[str]

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def fail(self, detail: str) -> None:
        """Report that it does not hold."""
        raise Violation(self.name, detail)

    def on_promise(self, host: Host, job: JobFacts, promise: st.Promise, signed: bytes) -> None:
        """A promise is durable at its author."""

    def on_proposal(self, host: Host, job: JobFacts, proposal: st.Proposal, signed: bytes) -> None:
        """A proposal is durable at its author."""

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """An accept vote is durable at its author."""

    def on_record(self, host: Host, entry: Entry) -> None:
        """A record, the host's own or another's, is durable."""

    def on_notice(self, host: Host, notify: Notify) -> None:
        """A node reported something."""

    def on_key_material(self, material: KeyMaterial) -> None:
        """A share or a secret was sealed for somebody."""

    def on_look(self) -> None:
        """A moment has passed: look at what is not reported."""

    def at_rest(self) -> str | None:
        """Why the world is not at rest yet as far as this invariant goes, or None."""
        return None

    def at_end(self) -> None:
        """The world is at rest: look once at what is too costly to look at before."""


class OneSettledValue(Invariant):
    """At most one value of a job is ever settled: by quorums of votes, and by certificates in ledgers."""

    name = "OneSettledValue"

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """A quorum of votes is a settlement, whether anybody has made it a certificate yet or not."""
        self._check(job)

    def on_record(self, host: Host, entry: Entry) -> None:
        """A certificate on a disk counts as well."""
        if isinstance(entry.body, st.SettleCertificate) and entry.body.job in self.facts.jobs:
            self._check(self.facts.jobs[entry.body.job])

    def _check(self, job: JobFacts) -> None:
        if len(job.settled) > 1:
            epochs = sorted(job.settled.values())
            self.fail(f"{job.job.label} settled twice with different values, at epochs {epochs}")


class OneLeaseHolder(Invariant):
    """At most one holder has a quorum of promises for a (job, epoch)."""

    name = "OneLeaseHolder"

    def on_promise(self, host: Host, job: JobFacts, promise: st.Promise, signed: bytes) -> None:
        """Look at the epoch that was promised."""
        holders = job.holders.get(promise.epoch, set())
        if len(holders) > 1:
            names = " and ".join(sorted(self.facts.called(holder) for holder in holders))
            self.fail(f"{job.job.label} epoch {promise.epoch} is leased by {names}")


class OneProposal(Invariant):
    """At most one value is proposed at a (job, epoch): on the holder's disk, and as seen in honest votes."""

    name = "OneProposal"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._proposed: dict[tuple[JobId, int], bytes] = {}

    def on_proposal(self, host: Host, job: JobFacts, proposal: st.Proposal, signed: bytes) -> None:
        """Compare with what was proposed before."""
        self._compare(job, proposal.epoch, proposal.value, host)

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """An honest witness votes only for what the holder signed."""
        if vote.author not in self.facts.liars:
            self._compare(job, vote.epoch, vote.value, host)

    def _compare(self, job: JobFacts, epoch: int, value: st.Value, host: Host) -> None:
        encoded = encode(value)
        if self._proposed.setdefault((job.id, epoch), encoded) != encoded:
            self.fail(f"{job.job.label} epoch {epoch}: a second value, seen at {host.name}")


class NoEquivocation(Invariant):
    """No honest node signs two statements for one slot."""

    name = "NoEquivocation"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._signed: dict[tuple[Any, ...], bytes] = {}

    def on_promise(self, host: Host, job: JobFacts, promise: st.Promise, signed: bytes) -> None:
        """Slot: (author, job, epoch)."""
        self._slot(("promise", promise.author, job.id, promise.epoch), body_hash(signed), host)

    def on_proposal(self, host: Host, job: JobFacts, proposal: st.Proposal, signed: bytes) -> None:
        """Slot: (author, job, epoch)."""
        self._slot(("proposal", proposal.author, job.id, proposal.epoch), body_hash(signed), host)

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """Slot: (author, job, epoch)."""
        self._slot(("accept", vote.author, job.id, vote.epoch), body_hash(signed), host)

    def on_record(self, host: Host, entry: Entry) -> None:
        """Slots: (author, seq), and one award per job."""
        self._slot(("record", entry.author, entry.seq), entry.hash, host)
        if isinstance(entry.body, st.Award):
            self._slot(("award", entry.author, entry.body.job), entry.hash, host)

    def _slot(self, slot: tuple[Any, ...], name: bytes, host: Host) -> None:
        author: PeerId = slot[1]
        if author not in self.facts.liars and self._signed.setdefault(slot, name) != name:
            self.fail(f"{self.facts.called(author)} signed two {slot[0]}s for one slot, seen at {host.name}")


class NothingGoesBack(Invariant):
    """Boot, incarnation, own seq and the epochs of a node's votes never decrease."""

    name = "NothingGoesBack"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._highest: dict[tuple[Any, ...], int] = {}

    def on_promise(self, host: Host, job: JobFacts, promise: st.Promise, signed: bytes) -> None:
        """A lower epoch is never promised."""
        self._forward((host.peer, job.id), promise.epoch, "promised epoch", host)

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """A vote below a promise breaks that promise."""
        self._forward((host.peer, job.id), vote.epoch, "voted epoch", host)

    def on_record(self, host: Host, entry: Entry) -> None:
        """Own records are numbered without gaps."""
        if entry.author == host.peer and host.peer not in self.facts.liars:
            last = self._highest.get((host.peer, "seq"), 0)
            if entry.seq > last + 1:
                self.fail(f"{host.name} signs record {entry.seq} after {last}")
            self._highest[(host.peer, "seq")] = max(last, entry.seq)

    def on_look(self) -> None:
        """Boots and incarnations."""
        for host in self.facts.world.hosts.values():
            if host.node is not None:
                self._forward((host.peer, "boot"), host.disk.boot, "boot", host)
                incarnation = host.node.membership.incarnation
                self._forward((host.peer, "incarnation"), incarnation, "incarnation", host)

    def _forward(self, what: tuple[Any, ...], value: int, called: str, host: Host) -> None:
        if value < self._highest.get(what, 0) and host.peer not in self.facts.liars:
            self.fail(f"{called} of {host.name} went from {self._highest[what]} back to {value}")
        self._highest[what] = value


class AcceptedStaysStored(Invariant):
    """An accepted job is on the disks of a quorum, and a vote for a result is cast only where the result is."""

    name = "AcceptedStaysStored"

    def on_notice(self, host: Host, notify: Notify) -> None:
        """A submitter says that a job is accepted."""
        if notify.kind != "job_accepted":
            return
        job = self.facts.jobs[_key(notify.fields["job"])]
        job.accepted = True
        keepers = {
            other.peer
            for other in self.facts.world.hosts.values()
            if job.job.payload_hash in other.disk.blobs and _has_record(other, job)
        }
        if job.weight(keepers) < job.quorum:
            self.fail(f"{job.job.label} is called accepted with weight {job.weight(keepers)} of {job.quorum}")

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """Else the only copy of a settled result might die with its holder."""
        if vote.value.outcome == "result" and vote.value.result_hash not in host.disk.blobs:
            self.fail(f"{host.name} voted for a result of {job.job.label} that is not on its disk")


class SharesOnlyAtHolders(Invariant):
    """Key material of a payload is sealed only for providers' own seats and for lease holders."""

    name = "SharesOnlyAtHolders"

    def on_key_material(self, material: KeyMaterial) -> None:
        """Who gets a share that is another's, or the secret, must hold a lease by then."""
        escrow = material.escrow
        job_id = self.facts.escrow_job.get(escrow.number)
        if job_id is None:
            # The submitter hands out the seats; the job that carries them is not signed yet.
            self.facts.remember_share(material)
            return
        job = self.facts.jobs[job_id]
        if material.recipient != escrow.owner and not any(
            material.recipient in holders for holders in job.holders.values()
        ):
            part = "the secret" if material.share is None else f"share {material.share}"
            called = self.facts.called
            self.fail(
                f"{called(material.author)} seals {part} of {job.job.label} for {called(material.recipient)}, "
                "who never held a lease"
            )


class NoAlarm(Invariant):
    """No node sees what cannot happen: conflicting certificates, a proof against an honest node."""

    name = "NoAlarm"

    def on_notice(self, host: Host, notify: Notify) -> None:
        """Alarms, and accusations of honest nodes."""
        if notify.kind == "alarm":
            self.fail(f"{host.name}: {notify.fields['text']}")
        if notify.kind == "equivocation" and _key(notify.fields["author"]) not in self.facts.liars:
            self.fail(f"{host.name} holds a proof against {self.facts.called(_key(notify.fields['author']))}")


class NoKeyRetired(Invariant):
    """A node whose disk lost nothing it had acknowledged never takes it for an old backup."""

    name = "NoKeyRetired"

    def on_look(self) -> None:
        """Ask every running node."""
        for host in self.facts.world.hosts.values():
            if host.node is not None and host.node.past.retired and host.peer not in self.facts.liars:
                self.fail(f"{host.name} has retired its key: {host.node.past.retired}")


class QueuesBounded(Invariant):
    """Nothing piles up: effects waiting for the disk, messages waiting for the transport, events under way."""

    name = "QueuesBounded"
    backlog_max: ClassVar[int] = 20_000
    events_max: ClassVar[int] = 50_000

    def on_look(self) -> None:
        """Measure."""
        world = self.facts.world
        for host in world.hosts.values():
            if host.backlog > self.backlog_max:
                self.fail(f"{host.name} holds back {host.backlog} effects and messages")
        if len(world.schedule) > self.events_max:
            self.fail(f"{len(world.schedule)} events are under way")


class BalancesSumToZero(Invariant):
    """Money is neither made nor lost."""

    name = "BalancesSumToZero"

    def on_look(self) -> None:
        """Add up every replica."""
        for host in self.facts.world.hosts.values():
            if host.node is not None:
                total = sum(account.balance_micro for account in host.node.ledger.accounts.values())
                if total:
                    self.fail(f"balances at {host.name} sum to {total} micro-AXL")


class EveryJobEnds(Invariant):
    """At rest every accepted job whose committee has a live quorum is decided, on every live replica."""

    name = "EveryJobEnds"

    def at_rest(self) -> str | None:
        """Name a job that is open, and where."""
        world = self.facts.world
        live = world.live()
        peers = {host.peer for host in live}
        for job in self.facts.jobs.values():
            if job.weight(peers) < job.quorum:
                continue
            if not job.accepted and job.submitter not in peers:
                continue
            for host in live:
                known = _node(host).ledger.jobs.get(job.id)
                if known is None or not known.final:
                    state = known.state if known else "unknown"
                    return f"{job.job.label} is {state} at {host.name}"
        return None


class EveryQueryEnds(Invariant):
    """At rest every query of a live submitter has its answer, or the reason why there is none."""

    name = "EveryQueryEnds"

    def at_rest(self) -> str | None:
        """Name a query that goes on though all its jobs could end."""
        live = self.facts.world.live()
        peers = {host.peer for host in live}
        for host in live:
            for query in _node(host).queries.queries.values():
                jobs = [job for job in self.facts.jobs.values() if job.job.query == query.state.id]
                if not query.finished and all(job.has_quorum(peers) for job in jobs):
                    return f"{query.state.label} of {host.name} has no answer"
        return None


class ResultsStayStored(Invariant):
    """At rest a settled result is on the disks of a quorum, counting those that a kill took along."""

    name = "ResultsStayStored"

    def at_end(self) -> None:
        """Count copies."""
        for job in self.facts.jobs.values():
            for encoded in job.settled:
                value = msgspec.msgpack.decode(encoded, type=st.Value)
                hosts = self.facts.world.hosts.values()
                keepers = {host.peer for host in hosts if value.result_hash in host.disk.blobs}
                if value.outcome == "result" and not job.has_quorum(keepers):
                    self.fail(
                        f"the result of {job.job.label} is on disks of weight {job.weight(keepers)} only"
                    )


class RootsEqual(Invariant):
    """At rest all live replicas have the same state root and hold the same records."""

    name = "RootsEqual"

    def at_rest(self) -> str | None:
        """Name two replicas that differ."""
        live = self.facts.world.live()
        for host in live[1:]:
            if _node(host).ledger.state_root() != _node(live[0]).ledger.state_root():
                return f"{host.name} and {live[0].name} have different state roots"
            if _node(host).ledger.chains.vector_hash() != _node(live[0]).ledger.chains.vector_hash():
                return f"{host.name} and {live[0].name} hold different records"
        return None


class MembershipTrue(Invariant):
    """At rest every dead member is seen dead and no live one is."""

    name = "MembershipTrue"

    def at_rest(self) -> str | None:
        """Name a member that is seen wrongly, and by whom."""
        world = self.facts.world
        live = world.live()
        for host in live:
            members = _node(host).membership.members
            for other in world.hosts.values():
                if other is host:
                    continue
                state = members[other.peer].state if other.peer in members else None
                if other.up and state != "alive":
                    return f"{host.name} sees live {other.name} as {state}"
                if not other.up and state not in (None, "dead", "left"):
                    return f"{host.name} sees dead {other.name} as {state}"
        return None


class ReplayGivesSameRoot(Invariant):
    """At rest a node made anew from a disk has the state root of the running one."""

    name = "ReplayGivesSameRoot"

    def at_end(self) -> None:
        """Replay one disk that holds everything its host knows; each seed picks another."""
        world = self.facts.world
        written = [host for host in world.live() if host.disk.idle and not host.disk.behind]
        if written:
            host = written[world.rng.randrange(len(written))]
            if host.replay().ledger.state_root() != _node(host).ledger.state_root():
                self.fail(f"replaying the disk of {host.name} gives another state root")


INVARIANTS: tuple[type[Invariant], ...] = (
    OneLeaseHolder,
    OneProposal,
    NoEquivocation,
    NothingGoesBack,
    OneSettledValue,
    AcceptedStaysStored,
    SharesOnlyAtHolders,
    NoAlarm,
    NoKeyRetired,
    QueuesBounded,
    BalancesSumToZero,
    MembershipTrue,
    EveryJobEnds,
    EveryQueryEnds,
    RootsEqual,
    ResultsStayStored,
    ReplayGivesSameRoot,
)


class Checkers:
    """Feeds a set of invariants from a world. Is a `Watcher`."""

    def __init__(
        self,
        world: World,
        *,
        invariants: Sequence[type[Invariant]] = INVARIANTS,
        liars: frozenset[PeerId] = frozenset(),
    ) -> None:
        self.facts = Facts(world, liars)
        self._all = [invariant(self.facts) for invariant in invariants]
        self._promise = self._listeners("on_promise")
        self._proposal = self._listeners("on_proposal")
        self._vote = self._listeners("on_vote")
        self._record = self._listeners("on_record")
        self._notice = self._listeners("on_notice")
        self._key_material = self._listeners("on_key_material")
        self._look = self._listeners("on_look")
        world.keys.on_key_material = self._on_key_material
        world.watch(self)

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """Tell the invariants what became durable. Raises Violation."""
        for write in writes:
            if isinstance(write, PutStatement):
                self._on_statement(host, write)
            elif isinstance(write, PutVote):
                self._on_vote(host, write)

    def notified(self, host: Host, notify: Notify) -> None:
        """Tell the invariants what a node reported."""
        for listener in self._notice:
            listener(host, notify)

    def look(self) -> None:
        """Look at what is not reported."""
        for listener in self._look:
            listener()

    def unrest(self) -> Violation | None:
        """The first invariant that does not hold at rest yet, or None when the world is at rest."""
        for invariant in self._all:
            reason = invariant.at_rest()
            if reason is not None:
                return Violation(invariant.name, reason)
        return None

    def end(self) -> None:
        """Look once more, at everything. Raises Violation."""
        self.look()
        for invariant in self._all:
            invariant.at_end()

    def _on_key_material(self, material: KeyMaterial) -> None:
        for listener in self._key_material:
            listener(material)

    def _on_statement(self, host: Host, write: PutStatement) -> None:
        entry = read_record(write.signed)
        if isinstance(entry.body, st.Job) and self.facts.add_job(entry) is not None:
            for early_host, vote in self.facts.take_early(entry.hash):
                self._on_vote(early_host, vote)
        if isinstance(entry.body, st.SettleCertificate):
            self.facts.count_certificate(entry.body)
        for listener in self._record:
            listener(host, entry)

    def _on_vote(self, host: Host, write: PutVote) -> None:
        job = self.facts.jobs.get(write.job)
        if job is None:
            self.facts.early(host, write)
        elif write.phase == "promise":
            promise = peek(write.signed, st.Promise)
            self.facts.count_promise(job, promise)
            self._tell(self._promise, host, job, promise, write.signed)
        elif write.phase == "propose":
            self._tell(self._proposal, host, job, peek(write.signed, st.Proposal), write.signed)
        elif write.phase == "accept":
            vote = peek(write.signed, st.AcceptVote)
            self.facts.count_vote(job, vote)
            self._tell(self._vote, host, job, vote, write.signed)

    @staticmethod
    def _tell(listeners: list[Any], *facts: Any) -> None:
        for listener in listeners:
            listener(*facts)

    def _listeners(self, hook: str) -> list[Any]:
        """The invariants' own methods for `hook`; those that only inherit it cost nothing."""
        silent = getattr(Invariant, hook)
        return [getattr(each, hook) for each in self._all if getattr(type(each), hook) is not silent]


def _key(text: Any) -> bytes:
    return bytes.fromhex(text) if isinstance(text, str) else bytes(text)


def _node(host: Host) -> Any:
    assert host.node is not None
    return host.node


def _has_record(host: Host, job: JobFacts) -> bool:
    return any(write.hash == job.id for write in host.disk.statements.values())
