"""What must hold once trouble is over and the world has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from mesh_core.checkpoint.electors import quorum
from mesh_core.effects import JobId, JobOptions, PeerId
from mesh_core.identity.statement import StatementError, peek
from mesh_core.node import Node
from mesh_core.quorum.committee import fitting_submitter, weights_problem
from mesh_core.simulation.facts import Facts
from mesh_core.simulation.host import Host
from mesh_core.simulation.invariants import Invariant
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

_TIMES_RETAINED = 3
_STAYING = 120
"""Records that may stay although old: the last ones of chains, those about open jobs, and what came before electors were
there again to drop it."""


class EveryJobEnds(Invariant):
    """At rest every accepted job whose committee has a quorum in the core, and somebody there to run it, is decided on
    every replica there."""

    name = "EveryJobEnds"

    def at_rest(self) -> str | None:
        """Name a job that is open, and where."""
        core = self.facts.core()
        submitters = {host.peer for host in core}
        for job in self.facts.jobs.values():
            if not self.facts.can_end(job):
                continue
            if not job.accepted and job.submitter not in submitters:
                continue
            for host in core:
                ledger = _node(host).ledger
                known = ledger.jobs.get(job.id)
                closed = ledger.chains.is_closed(job.submitter, job.seq) or job.id in ledger.apart
                if known is None and closed:
                    continue
                if known is None or not known.final:
                    state = known.state if known else "unknown"
                    return f"{job.job.label} is {state} at {host.name}"
        return None


class EveryQueryEnds(Invariant):
    """At rest every query of a submitter in the core has its answer, or the reason why there is none."""

    name = "EveryQueryEnds"

    def at_rest(self) -> str | None:
        """Name a query that goes on though all its jobs could end."""
        core = self.facts.core()
        for host in core:
            for query in _node(host).queries.queries.values():
                jobs = [job for job in self.facts.jobs.values() if job.job.query == query.state.id]
                can_end = all(map(self.facts.can_end, jobs)) and self._can_combine(host, query.options)
                if can_end and not query.finished:
                    return f"{query.state.label} of {host.name} has no answer"
        return None

    def _can_combine(self, submitter: Host, options: JobOptions) -> bool:
        """Whether enough providers are left for the committee of a combine job."""
        providers = sum(host.config.executes and host is not submitter for host in self.facts.core())
        weight = fitting_submitter(providers, options.submitter_weight, options.fault_bound)
        return providers > 0 and not weights_problem(providers, weight, options.fault_bound)


class ResultsStayStored(Invariant):
    """At rest a settled result is on the disks of a quorum, counting those that a kill took along."""

    name = "ResultsStayStored"

    def at_end(self) -> None:
        """Count copies. A job of two values, where more may lie than it tolerates, has no result."""
        for job in self.facts.jobs.values():
            for encoded in job.settled if len(job.settled) == 1 else ():
                value = msgspec.msgpack.decode(encoded, type=st.Value)
                hosts = self.facts.world.hosts.values()
                keepers = {host.peer for host in hosts if value.result_hash in host.disk.blobs}
                keepers |= self.facts.lost_to_backups()
                if value.outcome == "result" and not job.has_quorum(keepers):
                    self.fail(
                        f"the result of {job.job.label} is on disks of weight {job.weight(keepers)} only"
                    )


class BooksAreKept(Invariant):
    """At rest every replica in the core has on its books what the results of accepted jobs have cost, at who has paid and
    at who was paid: no checkpoint forgets it. That a quorum has voted may have died with the voters: what all hold for open
    is on nobody's books."""

    name = "BooksAreKept"

    def at_end(self) -> None:
        """Add up what was decided, and compare."""
        spent: Counter[PeerId] = Counter()
        earned: Counter[tuple[PeerId, PeerId]] = Counter()
        open_jobs = [_node(host).ledger.open_jobs for host in self.facts.core()]
        for job in self.facts.jobs.values():
            if not job.accepted or not self.facts.holds(job) or all(job.id in held for held in open_jobs):
                continue
            for encoded in job.settled:
                value = msgspec.msgpack.decode(encoded, type=st.Value)
                if value.outcome == "result":
                    spent[job.submitter] += value.price_micro
                    earned[value.holder, job.submitter] += value.price_micro
        for host in self.facts.core():
            account = _node(host).ledger.account
            for payer, micro in spent.items():
                self._compare(host, f"spent by {self.facts.called(payer)}", micro, account(payer).spent_micro)
            for (payee, payer), micro in earned.items():
                paid = f"paid to {self.facts.called(payee)} by {self.facts.called(payer)}"
                self._compare(host, paid, micro, account(payee).earned_micro.get(payer, 0))

    def _compare(self, host: Host, what: str, decided_micro: int, booked_micro: int) -> None:
        if booked_micro < decided_micro:
            self.fail(f"of {decided_micro} micro-AXL {what} {host.name} has {booked_micro} on its books")


class NothingStaysForNothing(Invariant):
    """At rest every blob on the disk of an honest member of the core is the payload of a job it holds, the result of one
    that is decided, or what an open one has been offered; or one of the checkpoint's, or of its own questions'."""

    name = "NothingStaysForNothing"

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._offered: dict[JobId, set[bytes]] = {}

    def on_sending(self, host: Host, message: ms.Message) -> None:
        """A holder offers a result, perhaps one that lies. A witness keeps it before it votes, and also when a later epoch
        has been promised meanwhile, so that it casts no vote: whoever holds that may have to adopt it."""
        if isinstance(message, ms.AcceptRequest):
            with suppress(StatementError):
                value = peek(message.proposal, st.Proposal).value
                self._offered.setdefault(message.job, set()).add(value.result_hash)

    def at_end(self) -> None:
        """Look through the disks."""
        for host in self.facts.core():
            if not self.facts.trusts(host.peer):
                continue
            node = _node(host)
            named = {job.job.payload_hash for job in node.ledger.jobs.values()}
            named |= {job.value.result_hash for job in node.ledger.jobs.values() if job.value is not None}
            named |= {value.result_hash for value in self._open_values(node, host)}
            named = named.union(*(self._offered.get(job, ()) for job in node.ledger.open_jobs))
            # What it has dropped may still be there for as long as its disk takes.
            held = [blob for blob in host.disk.blobs if blob in node.blobs]
            stays = [
                blob
                for blob in held
                if blob not in named and not (node.queries.needs(blob) or node.checkpoints.needs(blob))
            ]
            if stays:
                self.fail(f"{len(stays)} blobs on the disk of {host.name} are of no use to it")

    def _open_values(self, node: Node, host: Host) -> Iterator[st.Value]:
        """What a host has signed for jobs that are open."""
        for vote in host.disk.votes.values():
            if vote.job in node.ledger.open_jobs and vote.phase == "accept":
                yield peek(vote.signed, st.AcceptVote).value
            elif vote.job in node.ledger.open_jobs and vote.phase == "propose":
                yield peek(vote.signed, st.Proposal).value


class OldRecordsAreDropped(Invariant):
    """At rest no replica in the core holds many more records than it retains, as long as a quorum of electors is there:
    what cannot be covered for a while is all that is on top."""

    name = "OldRecordsAreDropped"

    def at_rest(self) -> str | None:
        """Name a host that holds more."""
        core = self.facts.core()
        peers = {host.peer for host in core}
        for host in core:
            node = _node(host)
            electors = node.checkpoints.electors
            if len(peers.intersection(electors)) < quorum(len(electors)):
                return None
            retained = host.config.retained_records
            kinds = [entry.head.kind for held in node.ledger.chains.authors.values() for entry in held.chain]
            held = sum(kind != "checkpoint" for kind in kinds)
            if held > _TIMES_RETAINED * retained + _STAYING:
                return f"{host.name} holds {held} records and retains {retained}"
        return None


class OldBackupsAreNoticed(Invariant):
    """At rest a host whose disk lacks records of its own that the core holds has retired its key."""

    name = "OldBackupsAreNoticed"

    def at_rest(self) -> str | None:
        """Name one that goes on."""
        for host in self.facts.core():
            lost = self.facts.world.restored.get(host.peer, ())
            for other in self.facts.core():
                if other is not host and any(record in _node(other).ledger.chains for record in lost):
                    return f"{host.name} goes on with an old backup, {other.name} knows better"
        return None


class RootsEqual(Invariant):
    """At rest all replicas in the core have the same state root and hold the same records."""

    name = "RootsEqual"

    def at_rest(self) -> str | None:
        """Name two replicas that differ."""
        core = self.facts.core()
        for host in core[1:]:
            if _node(host).ledger.state_root() != _node(core[0]).ledger.state_root():
                return f"{host.name} and {core[0].name} have different state roots"
            if _node(host).ledger.chains.vector_hash() != _node(core[0]).ledger.chains.vector_hash():
                return f"{host.name} and {core[0].name} hold different records"
        return None


class MembershipTrue(Invariant):
    """At rest the core sees every dead member dead and none of its own."""

    name = "MembershipTrue"

    def at_rest(self) -> str | None:
        """Name a member that is seen wrongly, and by whom."""
        core = self.facts.core()
        others = [*core, *(host for host in self.facts.world.hosts.values() if not host.up)]
        for host in core:
            members = _node(host).membership.members
            for other in others:
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
        written = [host for host in self.facts.core() if host.disk.idle and not host.disk.behind]
        if written:
            host = written[world.rng.randrange(len(written))]
            if host.replay().ledger.state_root() != _node(host).ledger.state_root():
                self.fail(f"replaying the disk of {host.name} gives another state root")


def _node(host: Host) -> Node:
    assert host.node is not None
    return host.node
