"""The views of one node, built from its own state; keys and hashes as text (see `mesh_core.api.schema`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import Struct

from mesh_core.api.affects import AFFECTS
from mesh_core.api.hub import Entity, Shown
from mesh_core.api.job_view import JobViews
from mesh_core.api.memories import Memories
from mesh_core.api.record_view import RECORDS_SHOWN, RecordViews
from mesh_core.api.schema import (
    AnswerView,
    Counters,
    MemberView,
    NodeView,
    OpenedView,
    PassageView,
    QueryState,
    QueryView,
    ReplicaView,
    State,
)
from mesh_core.effects import PeerId
from mesh_core.market.query import Query
from mesh_core.membership.members import Member
from mesh_core.membership.own import INCARNATIONS_PER_BOOT_BITS
from mesh_core.node import Node
from mesh_core.wire import statements as st
from mesh_core.work.errors import ResultError
from mesh_core.work.result import decode_answer

V = TypeVar("V")

JOBS_SHOWN = 2000
STRANGERS_JOBS_SHOWN = 100
QUERIES_SHOWN = 500
ANSWERS_SHOWN = 200
ANSWERS_KEPT = QUERIES_SHOWN + ANSWERS_SHOWN
"""Opened results kept decoded: the combined ones of all queries shown, and the newest of any kind."""


@dataclass(slots=True)
class About:
    """What a node does not know of itself: what its process was told, and whether it reaches its AXL node."""

    name: str
    role: str
    network: str
    version: str
    fast: bool
    executes: bool
    shards_total: int
    corpus: str
    connected: bool = False


class NodeViews:
    """Implements `hub.Views` for one node. `now` is monotonic, `wall_ms` the wall clock."""

    def __init__(
        self,
        node: Node,
        about: About,
        now: Callable[[], float],
        wall_ms: Callable[[], float],
        problem: Callable[[], str],
        backend: Callable[[], str],
    ) -> None:
        self._node = node
        self._about = about
        self._now = now
        self._wall_ms = wall_ms
        self._problem = problem
        self._backend = backend
        self._started_ms = wall_ms()
        self._memories = Memories()
        self._jobs = JobViews(node, self._memories, wall_ms)
        self.records = RecordViews(node, about.name, wall_ms)
        self._answers: dict[bytes, AnswerView] = {}
        self._tail: deque[bytes] = deque(maxlen=RECORDS_SHOWN)
        self._builders: dict[str, Callable[[bytes], Shown]] = {
            "node": lambda _: self.node(),
            "member": self._member,
            "job": self._job,
            "query": self._query,
            "record": self.records.view,
            "replica": lambda _: self.replica(),
            "answer": self._opened,
            "open_jobs": lambda _: self._open_jobs(),
        }

    def restored(self) -> None:
        """The node has taken back its records: show the newest."""
        self._tail.extend(self.records.newest())

    def observe(self, kind: str, fields: Mapping[str, Any], at_ms: float) -> None:
        """Remember what a moment shows and the ledger does not keep."""
        self._memories.observe(kind, fields, at_ms)
        if kind == "record_added":
            self._tail.append(fields["hash"])
        elif kind == "auction_closed":
            auction = self._node.auctioneer.auctions.get(fields["job"])
            if auction is not None:
                bids = [scored for scored, _ in auction.bids.values()]
                self._memories.auctioned(fields["job"], bids, auction.refusals)

    def affected(self, kind: str, fields: Mapping[str, Any]) -> Iterator[Entity]:
        """The entities that a moment may have changed."""
        for target, field in AFFECTS.get(kind, ()):
            key: bytes = fields[field] if field else b""
            match target:
                case "self":
                    yield "member", self._node.peer
                case "committee":
                    job = self._node.ledger.jobs.get(key)
                    if job is not None:
                        yield from (("member", seat.peer) for seat in job.job.committee)
                case "query_of":
                    job = self._node.ledger.jobs.get(key)
                    if job is not None and job.job.query in self._node.queries.queries:
                        yield "query", job.job.query
                case _:
                    yield target, key

    # --------------------------------------------------------------------------------------- entities

    def entities(self) -> Iterator[Entity]:
        """Everything there is to show, newest jobs and queries only."""
        yield "node", b""
        yield "member", self._node.peer
        yield from (("member", peer) for peer in self._node.membership.members)
        yield from (("job", job) for job in self._shown_jobs())
        yield from (("query", query) for query in self._shown_queries())
        yield from (("record", name) for name in self._tail)
        yield "replica", b""
        yield from (("answer", job) for job in self._shown_answers())

    def view(self, entity: Entity) -> Shown:
        """The current view of one entity, or what a group consists of."""
        kind, key = entity
        return self._builders[kind](key)

    def state(self, seq: int, traffic: dict[str, int]) -> State:
        """Everything at once."""
        members = [self._node.peer, *self._node.membership.members]
        return State(
            seq=seq,
            at_ms=self._wall_ms(),
            node=self.node(),
            members=_present(map(self._member, members)),
            jobs=[self._jobs.view(self._node.ledger.jobs[job], self._now()) for job in self._shown_jobs()],
            queries=_present(map(self._query, self._shown_queries())),
            records=_present(map(self.records.view, self._tail)),
            replica=self.replica(),
            counters=self.counters(),
            traffic=traffic,
            answers=_present(map(self._opened, self._shown_answers())),
        )

    def node(self) -> NodeView:
        """This node itself. Ready: it may sign, its AXL node answers, and nothing stands in its way."""
        about, problem = self._about, self._node.past.retirement or self._problem() or self._copy()
        return NodeView(
            peer=self._node.peer.hex(),
            name=about.name,
            role=about.role,
            network=about.network,
            boot=self._node.context.boot,
            version=about.version,
            fast=about.fast,
            executes=about.executes,
            ready=self._node.context.ready and about.connected,
            problem=problem,
            partitioned_from=[peer.hex() for peer in sorted(self._node.hidden)],
            backend=self._backend(),
            corpus=about.corpus,
            shards_total=about.shards_total,
        )

    def _copy(self) -> str:
        """One line when somebody holds a statement of this key that no start known to this store can have made."""
        starts = self._node.membership.incarnation >> INCARNATIONS_PER_BOOT_BITS
        if starts <= self._node.context.boot:
            return ""
        return (
            f"start {starts} of this key has been seen, this is start {self._node.context.boot}: another participant "
            "runs with a copy of the key, or the store is an old backup"
        )

    def replica(self) -> ReplicaView:
        """This node's replica, and what live members last said of theirs."""
        ledger, roots = self._node.ledger, self._node.replication.roots
        return ReplicaView(
            root=ledger.state_root().hex(),
            vector=ledger.chains.vector_hash().hex(),
            records=len(ledger.chains),
            heads={author.hex(): held.head_seq for author, held in ledger.chains.authors.items()},
            missing=ledger.chains.missing(),
            others={
                peer.hex(): roots[peer].state_root.hex()
                for peer in self._node.membership.live()
                if peer in roots
            },
            equivocators=[author.hex() for author in ledger.equivocators],
        )

    def counters(self) -> Counters:
        """Counted over the ledger: certificates, not memories. Lost: settled, and unreadable to its submitter. Executions
        are those of jobs whose records are still held."""
        ledger = self._node.ledger
        jobs, accounts = ledger.jobs.values(), ledger.accounts.values()
        unreadable = sum(
            1
            for query in self._node.queries.queries.values()
            for result in query.results.values()
            if not result
        )
        return Counters(
            jobs_submitted=len(jobs) + ledger.collapsed,
            jobs_settled=sum(account.settled for account in accounts),
            jobs_settled_twice=sum(job.contradiction(self._jobs.credited) == "settled twice" for job in jobs),
            jobs_lost=unreadable,
            executions=sum(job.executions for job in jobs),
            rescued=sum(account.rescued for account in accounts),
        )

    # ---------------------------------------------------------------------------------------- members

    def _member(self, peer: PeerId) -> MemberView | None:
        if peer == self._node.peer:
            return self._myself()
        member = self._node.membership.members.get(peer)
        return self._other(member) if member is not None else None

    def _myself(self) -> MemberView:
        membership = self._node.membership
        return self._member_view(
            self._node.peer,
            membership.announcement,
            state="alive",
            incarnation=membership.incarnation,
            since_ms=self._started_ms,
            accusers=[],
            neighbour=False,
            attached=True,
        )

    def _other(self, member: Member) -> MemberView:
        return self._member_view(
            member.peer,
            member.announcement,
            state=member.state,
            incarnation=member.incarnation,
            since_ms=self._wall_ms() - (self._now() - member.since) * 1000,
            accusers=sorted(peer.hex() for peer in member.accusers),
            neighbour=member.neighbour,
            attached=member.attached,
        )

    def _member_view(self, peer: PeerId, said: st.Announcement, **seen: Any) -> MemberView:
        account = self._node.ledger.account(peer)
        return MemberView(
            peer=peer.hex(),
            name=said.name,
            role=said.role,
            capabilities=list(said.capabilities),
            price_micro=said.price_micro,
            shards=list(said.shards),
            models=list(said.models),
            ens_name=said.ens_name,
            balance_micro=account.balance_micro,
            leases=self._node.ledger.open_jobs.leases_of[peer],
            settled=account.settled,
            rescued=account.rescued,
            **seen,
        )

    # --------------------------------------------------------------------------------- jobs and queries

    def _shown_jobs(self) -> list[bytes]:
        """All open jobs and the newest of the others, in the order in which they came; of submitters that cannot pay a few
        only, since anybody may sign jobs without end."""
        ledger, room = self._node.ledger, {True: JOBS_SHOWN, False: STRANGERS_JOBS_SHOWN}
        may_pay: dict[bytes, bool] = {self._node.peer: True}
        shown = []
        for job in reversed(ledger.jobs.values()):
            if job.submitter not in may_pay:
                may_pay[job.submitter] = self._node.credit.is_backed(job.submitter)
            pays = may_pay[job.submitter]
            room[pays] -= 1
            if room[pays] >= 0 or (pays and job.id in ledger.open_jobs):
                shown.append(job.id)
        return shown[::-1]

    def _open_jobs(self) -> tuple[Entity, ...]:
        open_jobs = self._node.ledger.open_jobs
        return tuple(("job", job) for job in self._shown_jobs() if job in open_jobs)

    def _job(self, job_id: bytes) -> Struct | None:
        job = self._node.ledger.jobs.get(job_id)
        return self._jobs.view(job, self._now()) if job is not None else None

    def _shown_queries(self) -> list[bytes]:
        return list(self._node.queries.queries)[-QUERIES_SHOWN:]

    def _query(self, query_id: bytes) -> QueryView | None:
        query = self._node.queries.queries.get(query_id)
        if query is None:
            return None
        known = self._node.ledger.jobs
        state = query.state
        answers = [known[job] for job in state.jobs if job in known]
        every = answers + [known[job] for job in [state.combine] if job in known]
        return QueryView(
            query=state.id.hex(),
            label=state.label,
            text=state.text,
            jobs=[job.hex() for job in state.jobs],
            combine=state.combine.hex(),
            total=len(state.jobs),
            settled=sum(
                1 for value in map(query.values.get, state.jobs) if value and value.outcome == "result"
            ),
            running=sum(1 for job in every if job.state == "leased"),
            state=_query_state(query),
            submitted_ms=state.submitted_ms,
            finished_ms=state.finished_ms,
            answer=self._answer(query),
        )

    def _answer(self, query: Query) -> AnswerView | None:
        return self._answer_of(query.state.combine) if query.finished and not query.failed else None

    def _answer_of(self, job_id: bytes) -> AnswerView | None:
        """An opened result of this node's own; one of a former life is there as long as its blob is."""
        answer = self._answers.get(job_id)
        if answer is None:
            result = self._node.queries.opened(job_id)
            if result is None:
                return None
            answer = self._answers[job_id] = answer_view(result)
            if len(self._answers) > ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
        return answer

    def _opened(self, job_id: bytes) -> OpenedView | None:
        answer, value = self._answer_of(job_id), self._node.queries.value(job_id)
        if answer is None or value is None:
            return None
        return OpenedView(job_id.hex(), value.holder.hex(), answer)

    def _shown_answers(self) -> list[bytes]:
        newest = list(self._node.queries.queries.values())[-ANSWERS_SHOWN:]
        jobs = [job for query in newest for job in (*query.state.jobs, query.state.combine) if job]
        return jobs[-ANSWERS_SHOWN:]


def answer_view(result: bytes) -> AnswerView:
    """An opened result. One that is none shows as an empty answer with the reason."""
    try:
        answer = decode_answer(result)
    except ResultError as error:
        return AnswerView("", "", [], [str(error)])
    passages = [PassageView(one.shard, one.source, one.text) for one in answer.passages]
    return AnswerView(answer.text, answer.backend, passages, list(answer.notes))


def _query_state(query: Query) -> QueryState:
    if not query.finished:
        return "running"
    if not query.failed:
        return "answered"
    cancelled = all(value.outcome == "cancelled" for value in query.values.values())
    return "cancelled" if cancelled else "failed"


def _present(views: Iterable[V | None]) -> list[V]:
    return [view for view in views if view is not None]
