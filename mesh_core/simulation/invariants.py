"""What must hold at every moment.

They look at what hosts have on disk and what leaves them, not at what nodes believe: a promise, a proposal or a
vote counts from the moment it is durable, because from then on it may be sent. Each invariant is a class, so
that a failure says which one broke.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

from mesh_core.config import limit
from mesh_core.effects import JobId, Notify, PeerId, PutStatement, PutVote, Write
from mesh_core.identity.statement import body_hash, encode, peek
from mesh_core.ledger.record import Entry
from mesh_core.simulation.crypto import KeyMaterial
from mesh_core.simulation.facts import Facts, JobFacts, key_of
from mesh_core.simulation.host import Host
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st


class Violation(AssertionError):
    """An invariant does not hold. `invariant` is its name."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


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

    def on_settle_vote(self, host: Host, job: JobFacts, vote: st.SettleVote, signed: bytes) -> None:
        """A settle vote (f ≥ 1), and the lock it was cast upon, is durable at its author."""

    def on_signed(self, host: Host, write: PutVote) -> None:
        """Anything that a host signs for a job and an epoch is durable."""

    def on_writing(self, host: Host, writes: Sequence[Write]) -> None:
        """A node hands writes to its disk."""

    def on_sending(self, host: Host, message: ms.Message) -> None:
        """A message leaves a node."""

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
    """At most one value of a job is ever settled: by quorums of votes, by certificates, in any replica's view."""

    name = "OneSettledValue"

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """A quorum of votes is a settlement, whether anybody has made it a certificate yet or not."""
        self._check(job)

    def on_settle_vote(self, host: Host, job: JobFacts, vote: st.SettleVote, signed: bytes) -> None:
        """So is, where votes may lie, a quorum of settle votes."""
        self._check(job)

    def on_record(self, host: Host, entry: Entry) -> None:
        """A certificate on a disk counts as well."""
        if isinstance(entry.body, st.SettleCertificate) and entry.body.job in self.facts.jobs:
            self._check(self.facts.jobs[entry.body.job])

    def on_notice(self, host: Host, notify: Notify) -> None:
        """So does what a replica believes."""
        if notify.kind == "job_settled":
            job = self.facts.jobs.get(key_of(notify.fields["job"]))
            if job is not None:
                self.facts.count_belief(host, job.id)
                self._check(job)

    def _check(self, job: JobFacts) -> None:
        if len(job.settled) > 1 and self.facts.holds(job):
            epochs = sorted(job.settled.values())
            self.fail(f"{job.job.label} settled twice with different values, at epochs {epochs}")


class OneLeaseHolder(Invariant):
    """At most one holder has a quorum of promises for a (job, epoch)."""

    name = "OneLeaseHolder"

    def on_promise(self, host: Host, job: JobFacts, promise: st.Promise, signed: bytes) -> None:
        """Look at the epoch that was promised."""
        holders = job.holders.get(promise.epoch, set())
        if len(holders) > 1 and self.facts.holds(job):
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
        if self.facts.trusts(host.peer):
            self._compare(job, proposal.epoch, proposal.value, host)

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """An honest witness votes only for what the holder signed."""
        holders = job.holders.get(vote.epoch, set())
        if self.facts.trusts(vote.author) and all(map(self.facts.trusts, holders)):
            self._compare(job, vote.epoch, vote.value, host)

    def _compare(self, job: JobFacts, epoch: int, value: st.Value, host: Host) -> None:
        encoded = encode(value)
        if self._proposed.setdefault((job.id, epoch), encoded) != encoded and self.facts.holds(job):
            self.fail(f"{job.job.label} epoch {epoch}: a second value, seen at {host.name}")


class NoEquivocation(Invariant):
    """No honest node signs two statements for one slot."""

    name = "NoEquivocation"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._signed: dict[tuple[Any, ...], bytes] = {}

    def on_signed(self, host: Host, write: PutVote) -> None:
        """Slot: (author, job, epoch, phase), of any phase."""
        self._slot((write.phase, host.peer, write.job, write.epoch), body_hash(write.signed), host)

    def on_record(self, host: Host, entry: Entry) -> None:
        """Slots: (author, seq), and one award per job."""
        self._slot(("record", entry.author, entry.seq), entry.hash, host)
        if isinstance(entry.body, st.Award):
            self._slot(("award", entry.author, entry.body.job), entry.hash, host)

    def _slot(self, slot: tuple[Any, ...], name: bytes, host: Host) -> None:
        author: PeerId = slot[1]
        if author in self.facts.world.restored:
            return  # what nobody has seen may be signed anew: peers that have seen it hold the proof
        if self._signed.setdefault(slot, name) != name and author not in self.facts.liars:
            self.fail(f"{self.facts.called(author)} signed two {slot[0]}s for one slot, seen at {host.name}")


_Said: TypeAlias = st.Promise | st.AcceptVote | st.SettleVote | st.Proposal | st.Release


class NothingLeavesUnwritten(Invariant):
    """What a node has signed for good is on its disk before it is handed to the transport."""

    name = "NothingLeavesUnwritten"

    def on_sending(self, host: Host, message: ms.Message) -> None:
        """Look for what the message carries of this node's own."""
        if host.peer in self.facts.liars:
            return
        match message:
            case ms.Promised(promise=signed):
                self._require(host, peek(signed, st.Promise), "promise", signed)
            case ms.Voted(vote=signed):
                self._require(host, peek(signed, st.AcceptVote), "accept", signed)
            case ms.AcceptRequest(proposal=signed):
                self._require(host, peek(signed, st.Proposal), "propose", signed)
            case ms.Locked(vote=signed):
                self._require(host, peek(signed, st.SettleVote), "settle", signed)
            case ms.Released(release=signed):
                self._require(host, peek(signed, st.Release), "release", signed)
            case ms.Records(records=records):
                for signed in records:
                    self._require_record(host, signed)
            case ms.StoreJob(record=signed):
                self._require_record(host, signed)

    def _require(self, host: Host, said: _Said, phase: str, signed: bytes) -> None:
        votes = host.disk.votes
        if phase == "promise" and any(
            job == said.job and epoch > said.epoch and kind == phase for job, epoch, kind in votes
        ):
            return  # the higher one has taken its place by now
        written = votes.get((said.job, said.epoch, phase))
        if written is None or written.signed != signed:
            self.fail(f"{host.name} sends a {phase} of epoch {said.epoch} that is not on its disk")

    def _require_record(self, host: Host, signed: bytes) -> None:
        record = peek(signed, st.Record)
        if record.author == host.peer:
            key = (record.author, record.seq, body_hash(signed))
            covered = record.seq <= host.disk.covered.get(record.author, 0)
            if not covered and key not in host.disk.statements:
                self.fail(f"{host.name} sends its record {record.seq}, which is not on its disk")


class NothingReopens(Invariant):
    """A job that a host has told to be decided is never open there again, also when its record comes once more."""

    name = "NothingReopens"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._decided: dict[PeerId, set[JobId]] = {}

    def on_notice(self, host: Host, notify: Notify) -> None:
        """Somebody says that a job is decided."""
        if notify.kind == "job_settled":
            self._decided.setdefault(host.peer, set()).add(key_of(notify.fields["job"]))

    def on_look(self) -> None:
        """Compare with what is open."""
        excused = self.facts.lost_to_backups()
        for host in self.facts.world.hosts.values():
            if host.node is None or host.peer in excused:
                continue
            reopened = self._decided.get(host.peer, set()).intersection(host.node.ledger.open_jobs)
            if reopened:
                label = self.facts.jobs[min(reopened)].job.label
                self.fail(f"{label} was decided at {host.name} and is open there again")


class OneCut(Invariant):
    """All replicas that have come to a height stand on the same snapshot there, and agree who elects the next."""

    name = "OneCut"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._decided: dict[int, tuple[bytes, tuple[PeerId, ...]]] = {}

    def on_look(self) -> None:
        """Compare with what others stand on, or have stood on."""
        for host in self.facts.world.hosts.values():
            if host.node is None or not self.facts.trusts(host.peer):
                continue
            own = host.node.checkpoints
            if not own.height:
                continue
            stands = own.base, own.electors
            if self._decided.setdefault(own.height, stands) != stands:
                self.fail(f"{host.name} has another checkpoint {own.height} than others")


class NothingSignedUnready(Invariant):
    """A node signs nothing before its past is known, and nothing once its key is retired."""

    name = "NothingSignedUnready"

    def on_writing(self, host: Host, writes: Sequence[Write]) -> None:
        """Look for what is the host's own: what comes back from others is found, not signed."""
        if host.node is None or host.node.context.ready or host.peer in self.facts.liars:
            return
        for write in writes:
            match write:
                case PutVote(phase=phase):
                    self.fail(f"{host.name} signs a {phase} without being ready")
                case PutStatement(author=author, seq=seq, hash=name) if author == host.peer:
                    others = self.facts.world.hosts.values()
                    if not any((author, seq, name) in other.disk.statements for other in others):
                        self.fail(f"{host.name} signs record {seq} without being ready")


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

    def on_settle_vote(self, host: Host, job: JobFacts, vote: st.SettleVote, signed: bytes) -> None:
        """So does a settle vote."""
        self._forward((host.peer, job.id), vote.epoch, "settling epoch", host)

    def on_record(self, host: Host, entry: Entry) -> None:
        """Own records are numbered without gaps."""
        if entry.author == host.peer and self.facts.trusts(host.peer):
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
        if value < self._highest.get(what, 0) and host.peer not in self.facts.lost_to_backups():
            self.fail(f"{called} of {host.name} went from {self._highest[what]} back to {value}")
        self._highest[what] = value


class AcceptedStaysStored(Invariant):
    """An accepted job and its payload are on the disks of a quorum, counting those that a kill took along, and stay
    there; a vote for a result is cast only where the result is."""

    name = "AcceptedStaysStored"

    def on_notice(self, host: Host, notify: Notify) -> None:
        """A submitter says that a job is accepted."""
        if notify.kind == "job_accepted":
            self._require_stored(self.facts.jobs[key_of(notify.fields["job"])])

    def at_end(self) -> None:
        """No copy has gone."""
        for job in self.facts.jobs.values():
            if job.accepted and not job.settled:
                self._require_stored(job)

    def on_vote(self, host: Host, job: JobFacts, vote: st.AcceptVote, signed: bytes) -> None:
        """Else the only copy of a settled result might die with its holder. When the vote comes to the disk so late that
        the job is decided otherwise, what it is for may go with the same fsync."""
        lost = bool(job.settled) and encode(vote.value) not in job.settled
        if vote.value.outcome == "result" and vote.value.result_hash not in host.disk.blobs and not lost:
            self.fail(f"{host.name} voted for a result of {job.job.label} that is not on its disk")

    def _require_stored(self, job: JobFacts) -> None:
        keepers = {
            host.peer
            for host in self.facts.world.hosts.values()
            if job.job.payload_hash in host.disk.blobs and _has_record(host, job)
        }
        weight = job.weight(keepers | self.facts.lost_to_backups())
        if weight < job.quorum:
            self.fail(f"{job.job.label}, accepted, is on disks of weight {weight} of {job.quorum}")


class NothingEndsUndecided(Invariant):
    """No replica takes an accepted job for ended before a quorum has decided it."""

    name = "NothingEndsUndecided"

    def on_notice(self, host: Host, notify: Notify) -> None:
        """Somebody says that a job is decided."""
        if notify.kind == "job_settled" and self.facts.trusts(host.peer):
            job = self.facts.jobs.get(key_of(notify.fields["job"]))
            if job is not None and job.accepted and not job.settled and self.facts.holds(job):
                self.fail(f"{job.job.label}, accepted, has ended at {host.name}, and nobody has decided it")


class SharesOnlyAtHolders(Invariant):
    """Key material of a payload is sealed only for providers' own seats and for lease holders."""

    name = "SharesOnlyAtHolders"

    def on_key_material(self, material: KeyMaterial) -> None:
        """Who gets a share that is another's, or the secret, must hold a lease by then."""
        escrow = material.escrow
        if {material.author, escrow.owner} & self.facts.liars:
            return
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
        if notify.kind == "alarm" and all(map(self.facts.holds, self.facts.jobs.values())):
            self.fail(f"{host.name}: {notify.fields['text']}")
        if notify.kind == "equivocation" and self.facts.trusts(key_of(notify.fields["author"])):
            self.fail(
                f"{host.name} holds a proof against {self.facts.called(key_of(notify.fields['author']))}"
            )


class NoKeyRetired(Invariant):
    """A node whose disk lost nothing it had acknowledged never takes it for an old backup."""

    name = "NoKeyRetired"

    def on_look(self) -> None:
        """Ask every running node."""
        excused = self.facts.lost_to_backups()
        for host in self.facts.world.hosts.values():
            if host.node is not None and host.node.past.retired and host.peer not in excused:
                self.fail(f"{host.name} has retired its key: {host.node.past.retired}")


class QueuesBounded(Invariant):
    """Nothing piles up: what waits for disk and transport, timers, members, claims, events under way."""

    name = "QueuesBounded"
    backlog_max: ClassVar[int] = 20_000
    events_max: ClassVar[int] = 50_000
    timers_max: ClassVar[int] = 2_000

    def on_look(self) -> None:
        """Measure."""
        world = self.facts.world
        for host in world.hosts.values():
            self._within(host, "effects and messages that wait", host.backlog, self.backlog_max)
            if host.node is not None:
                node = host.node
                self._within(host, "timers", len(node.context.timers), self.timers_max)
                self._within(host, "members", len(node.membership.members), limit("members_max"))
                self._within(host, "claims", len(node.instances.claims), len(node.ledger.open_jobs))
                self._within(host, "instances", len(node.instances), len(node.ledger.open_jobs))
        if len(world.schedule) > self.events_max:
            self.fail(f"{len(world.schedule)} events are under way")

    def _within(self, host: Host, what: str, size: int, most: int) -> None:
        if size > most:
            self.fail(f"{host.name} has {size} {what}, more than {most}")


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


def _has_record(host: Host, job: JobFacts) -> bool:
    covered = job.seq <= host.disk.covered.get(job.submitter, 0)
    return covered or any(write.hash == job.id for write in host.disk.statements.values())
