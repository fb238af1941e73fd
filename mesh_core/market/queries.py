"""Queries: one answer job per shard, then one combine job over the answers.

A query is the submitter's own business: the mesh knows jobs only. It is persisted, so that a submitter that comes back
after a crash goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mesh_core.blobs.blobs import Blobs
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.crypto import SecrecyError
from mesh_core.effects import JobId, PeerId, PutMeta, SubmitQuery
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.market.auction import Auction, Auctioneer, JobPlan
from mesh_core.market.intake import Intake, Refusal
from mesh_core.market.query import COMBINE_INDEX, Query, StoredQuery, options_of, read_query
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members
from mesh_core.standing.balance import Credit
from mesh_core.wire.messages import Streamed, Work
from mesh_core.wire.statements import Value

_WORK_BYTES_MAX = 256 << 10
"""A payload without its inputs, and with what sealing and packing add to them."""
_META = "query:"


@dataclass(frozen=True, slots=True)
class OpenResult:
    """The submitter opens what it has asked for."""

    job: JobId


@dataclass(eq=False)
class Queries:
    """All queries of this node."""

    _context: Context
    _ledger: Ledger
    _membership: Membership
    _auctioneer: Auctioneer
    _blobs: Blobs
    _credit: Credit

    def __post_init__(self) -> None:
        self.queries: dict[bytes, Query] = {}
        self._of_job: dict[JobId, Query] = {}
        self._results: Counter[bytes] = Counter()
        self._intake = Intake(
            self._context, self._ledger, self._membership, self._auctioneer, self._credit, self.queries
        )

    def needs(self, blob: bytes) -> bool:
        """Whether a blob is a result of a query that is kept here."""
        return blob in self._results

    # ------------------------------------------------------------------------------------ submitting

    def submit(self, now: float, request: SubmitQuery) -> bytes:
        """Make, persist and send out the jobs of a question; returns the query's id. Raises Refusal."""
        self._intake.check(request)
        query_id = self._context.crypto.new_secret()
        label = request.label or self._intake.next_label()
        providers = self._intake.committee(query_id, request.options)
        state = StoredQuery(
            query_id, label, request.text, request.corpus, [], b"", [], self._context.doors.wall_ms()
        )
        query = Query(state, request.options)
        auctions = []
        for index, shard in enumerate(request.shards, start=1):
            work = Work("answer", request.text, request.corpus, shard)
            plan = JobPlan(f"{label}.{index}", query_id, index, work, request.options)
            auctions.append(self._create(now, query, plan, providers))
        self.queries[query_id] = query
        self._persist(query)
        self._send_out(now, auctions)
        return query_id

    def _create(self, now: float, query: Query, plan: JobPlan, providers: list[PeerId]) -> Auction:
        auction = self._auctioneer.create(now, plan, providers)
        job_id = auction.job.id
        if plan.index == COMBINE_INDEX:
            query.state.combine = job_id
        else:
            query.state.jobs.append(job_id)
        query.state.secrets.append((job_id, auction.secret))
        self._of_job[job_id] = query
        return auction

    def _send_out(self, now: float, auctions: list[Auction]) -> None:
        for auction in auctions:
            self._context.outbox.notify("job_submitted", job=auction.job.id, label=auction.job.job.label)
        self._auctioneer.admit(now, auctions)

    # --------------------------------------------------------------------------------------- results

    def on_streamed(self, sender: PeerId, message: Streamed) -> None:
        """The holder of one of this node's jobs tells how far it is."""
        job = self._ledger.jobs.get(message.job)
        if job is not None and job.submitter == self._context.me and job.holder == sender:
            self._context.outbox.notify(
                "execution_progress",
                after_disk=False,
                job=message.job,
                epoch=message.epoch,
                tokens=message.tokens,
                text=message.text,
            )

    def learn(self, job: LedgerJob) -> None:
        """A job is decided: if it is one of this node's, remember what it came to."""
        query = self._of_job.get(job.id)
        if query is not None and job.value is not None and job.id not in query.values:
            self._intake.pace.ended(self._context.now)
            query.values[job.id] = job.value
            self._results[job.value.result_hash] += 1
            self._persist(query)

    def on_settled(self, now: float, job: LedgerJob) -> None:
        """A job of this node is decided: get its result, then see whether the query can go on."""
        query = self._of_job.get(job.id)
        if query is not None:
            self._collect(now, query, job.id, members(job.job))

    def _collect(self, now: float, query: Query, job_id: JobId, sources: Iterable[PeerId]) -> None:
        """Get the result of a decided job from any of `sources` and open it."""
        value = query.values.get(job_id)
        if value is None:
            return
        if value.outcome != "result":
            self._advance(now, query)
            return
        self._blobs.want(now, value.result_hash, sources, OpenResult(job_id))

    def on_member(self, now: float, peer: PeerId) -> None:
        """Somebody is there, who may have a result that nobody else is asked for: of a job whose committee the ledger has
        forgotten, in a life that began without others."""
        for query in [query for query in self.queries.values() if not query.finished]:
            for job_id in [
                job for job in query.values if not query.ended(job) and job not in self._ledger.jobs
            ]:
                self._collect(now, query, job_id, [peer])

    def on_result(self, now: float, need: OpenResult) -> None:
        """The sealed result of a job of this node has come."""
        query = self._of_job.get(need.job)
        value = query.values.get(need.job) if query is not None else None
        if query is not None and value is not None:
            self._open(now, query, need.job, value.result_hash)

    def _open(self, now: float, query: Query, job_id: JobId, result: bytes) -> None:
        if job_id in query.results:
            return
        sealed = self._blobs.get(result)
        try:
            query.results[job_id] = self._context.crypto.open(sealed or b"")
        except SecrecyError:
            # Possession was checked by a quorum, sense cannot be: the job counts as answered with nothing.
            query.results[job_id] = b""
            self._context.dropped["unreadable_result"] += 1
        self._context.outbox.notify("result_opened", job=job_id)
        self._advance(now, query)

    def _advance(self, now: float, query: Query) -> None:
        if query.finished:
            return
        state = query.state
        if state.combine:
            if query.ended(state.combine):
                query.failed = state.combine not in query.results
                self._mark_finished(query)
            return
        if not all(map(query.ended, state.jobs)):
            return
        inputs = self._inputs(query)
        if not inputs:
            query.failed = True
            self._mark_finished(query)
        else:
            self._combine(now, query, inputs)

    def _inputs(self, query: Query) -> tuple[tuple[str, bytes], ...]:
        """What is there to combine. A result that is larger than its share of a payload is left out: whoever ran the job
        could otherwise make a payload that no committee may keep, and the query would never end."""
        state = query.state
        share = (limit("blob_bytes_max") - _WORK_BYTES_MAX) // len(state.jobs)
        inputs = []
        for index, job_id in enumerate(state.jobs, start=1):
            result = query.results.get(job_id, b"")
            if len(result) > share:
                self._context.dropped["oversized_result"] += 1
            elif result:
                inputs.append((f"{state.label}.{index}", result))
        return tuple(inputs)

    def _combine(self, now: float, query: Query, inputs: tuple[tuple[str, bytes], ...]) -> None:
        state = query.state
        try:
            providers, options = self._intake.fitting(state.id, query.options)
        except Refusal:
            # Nobody is left to ask: the query goes on when somebody is back.
            self._context.timers.set(
                ("query", "advance", state.id), now + self._context.timing.examine_period_s
            )
            return
        work = Work("combine", state.text, state.corpus, None, inputs)
        plan = JobPlan(f"{state.label}.c", state.id, COMBINE_INDEX, work, options)
        auction = self._create(now, query, plan, providers)
        self._persist(query)
        self._send_out(now, [auction])

    def _mark_finished(self, query: Query) -> None:
        query.state.finished_ms = self._context.doors.wall_ms()
        self._persist(query)
        self._context.outbox.notify("query_answered", query=query.state.id, label=query.state.label)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Keep the newest of the finished queries."""
        finished = [query for query in self.queries.values() if query.finished]
        for query in finished[: -limit("queries_kept_max")]:
            del self.queries[query.state.id]
            self._context.outbox.write(PutMeta(_META + query.state.id.hex(), None))
            for job_id in [*query.state.jobs, query.state.combine]:
                self._of_job.pop(job_id, None)
            results = [value.result_hash for value in query.values.values()]
            self._results -= Counter(results)  # keeps those of other queries, and what is left above nothing
            self._blobs.drop(results)

    def fire(self, now: float, key: tuple[object, ...]) -> None:
        """A query that could not go on may try again."""
        query_id = key[2]
        assert isinstance(query_id, bytes)
        query = self.queries.get(query_id)
        if query is not None:
            self._advance(now, query)

    # ------------------------------------------------------------------------------------- restarting

    def restore(self, meta: dict[str, bytes]) -> None:
        """Take back the queries of former lives, oldest first; their jobs are in the ledger by now."""
        states = [read_query(value) for key, value in meta.items() if key.startswith(_META)]
        for state in sorted(states, key=lambda one: (one.submitted_ms, one.id)):
            self._restore(state)

    def _restore(self, state: StoredQuery) -> None:
        query = Query(state, options_of(state, self._ledger, self._context.me), dict(state.values))
        self.queries[state.id] = query
        for job_id in [*state.jobs, state.combine]:
            self._of_job[job_id] = query
            job = self._ledger.jobs.get(job_id)
            if job is not None and job.value is not None and job_id not in query.values:
                query.values[job_id] = job.value
        self._results.update(value.result_hash for value in query.values.values())
        if query.finished:
            query.failed = not self._reopen(query)

    def _reopen(self, query: Query) -> bool:
        """The combined answer of a query that was finished in a former life; whether there is one."""
        opened = self.opened(query.state.combine)
        if opened is not None:
            query.results[query.state.combine] = opened
        return opened is not None

    def opened(self, job_id: JobId) -> bytes | None:
        """The result of one of this node's own jobs: as it was opened, or again from what is stored here."""
        query = self._of_job.get(job_id)
        value = query.values.get(job_id) if query is not None else None
        if query is None or value is None:
            return None
        if job_id in query.results:
            return query.results[job_id]
        sealed = self._blobs.get(value.result_hash)
        try:
            return self._context.crypto.open(sealed) if sealed is not None else None
        except SecrecyError:
            return None

    def value(self, job: JobId) -> Value | None:
        """What one of this node's own jobs came to, also when the ledger has forgotten it; None while it is open."""
        query = self._of_job.get(job)
        return query.values.get(job) if query is not None else None

    def resume(self, now: float) -> None:
        """After a start: offer undecided jobs again, open what was decided meanwhile."""
        for query in list(self.queries.values()):
            if query.finished:
                continue
            secrets = dict(query.state.secrets)
            for job_id in [*query.state.jobs, query.state.combine]:
                job = self._ledger.jobs.get(job_id)
                if job_id in query.values:
                    sources = members(job.job) if job is not None else self._membership.live()
                    self._collect(now, query, job_id, sources)
                elif job is not None:
                    self._auctioneer.reopen(now, job, secrets[job_id])
            self._advance(now, query)
        self._forget_oldest()

    def _persist(self, query: Query) -> None:
        self._context.outbox.write(PutMeta(_META + query.state.id.hex(), query.packed()))
