"""A query as its submitter remembers it: one answer job per shard, then one combine job over the answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from mesh_core.effects import JobId, JobOptions, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.wire.statements import Value

COMBINE_INDEX = 0
"""The number of a query's combine job; its answer jobs are counted from 1."""


class StoredQuery(Struct, array_like=True):
    """What the submitter must remember of a query. `secrets` maps each job to the key of its payload; `values` is what
    its jobs came to so far, which the ledger forgets in time."""

    id: bytes
    label: str
    text: str
    corpus: str
    jobs: list[JobId]
    combine: JobId
    secrets: list[tuple[JobId, bytes]]
    submitted_ms: int
    finished_ms: int = 0
    values: list[tuple[JobId, Value]] = []


_states: msgspec.msgpack.Decoder[StoredQuery] = msgspec.msgpack.Decoder(StoredQuery)


def read_query(stored: bytes) -> StoredQuery:
    """Inverse of `Query.packed`."""
    return _states.decode(stored)


@dataclass(slots=True)
class Query:
    """A query, what its jobs came to so far, and which of their results have been opened. `values` are newer than those
    of `state`, which are written down from them."""

    state: StoredQuery
    options: JobOptions
    values: dict[JobId, Value] = field(default_factory=dict)
    results: dict[JobId, bytes] = field(default_factory=dict)
    failed: bool = False

    @property
    def finished(self) -> bool:
        """Whether its combined answer is here, or never will be."""
        return self.state.finished_ms > 0

    def ended(self, job: JobId) -> bool:
        """Whether a job is decided and its result, if it has one, is opened."""
        value = self.values.get(job)
        return value is not None and (value.outcome != "result" or job in self.results)

    def packed(self) -> bytes:
        """What is written down of it."""
        self.state.values = list(self.values.items())
        return msgspec.msgpack.encode(self.state)


def options_of(state: StoredQuery, ledger: Ledger, me: PeerId) -> JobOptions:
    """What the submitter, `me`, asked of its jobs, as the ledger tells."""
    known = next((ledger.jobs[job] for job in state.jobs if job in ledger.jobs), None)
    if known is None:
        return JobOptions()  # all its jobs were decided long ago
    job = known.job
    own = next(seat.weight for seat in job.committee if seat.peer == me)
    return JobOptions(
        job.max_price_micro,
        job.auction_ms,
        job.execution_ms,
        job.total_ms,
        job.retries,
        job.fault_bound,
        own,
    )
