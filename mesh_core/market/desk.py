"""The committee member's side of admission: keep the job, check that it can be paid, bid for it."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.blobs.blobs import Blobs
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.identity.statement import digest
from mesh_core.lease.instance import Instances
from mesh_core.lease.runs import Runs
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.sync import Replication
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members
from mesh_core.standing.admission import Admission
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st


@dataclass(frozen=True, slots=True)
class StorePayload:
    """The desk answers the submitter once the payload is kept."""

    job: JobId


@dataclass(eq=False)
class Desk:
    """Where submitters bring their jobs. `_instances` and `_runs` tell how busy this node is."""

    _context: Context
    _ledger: Ledger
    _membership: Membership
    _succession: Succession
    _replication: Replication
    _blobs: Blobs
    _admission: Admission
    _instances: Instances
    _runs: Runs

    def on_store(self, now: float, sender: PeerId, message: ms.StoreJob) -> None:
        """Keep a job and its payload, and answer once both are durable."""
        entry = self._replication.ingest(now, sender, message.record)
        job = self._ledger.jobs.get(entry.hash) if entry else None
        if job is None:
            self._context.dropped["bad_job"] += 1
            return
        if job.settle is not None:
            self._context.send(sender, ms.Records((job.settle.signed,)))
            return
        if self._context.me not in members(job.job) or sender != job.submitter:
            return
        refused = self._admission.problem(job) or self._admission.room_problem(job)
        if refused:
            self._context.send(sender, ms.JobStored(job.id, b"", refused))
            return
        self._admission.take(job)
        if len(message.payload) == job.job.payload_bytes and digest(message.payload) == job.job.payload_hash:
            self._blobs.put(message.payload)
        self._blobs.want(now, job.job.payload_hash, [sender], StorePayload(job.id))

    def on_payload(self, need: StorePayload) -> None:
        """The payload is kept as well: answer, with a bid if this node can do the job."""
        job = self._ledger.open_jobs.get(need.job)
        if job is not None:
            self._context.send(job.submitter, ms.JobStored(job.id, self._bid(job), ""))

    def _bid(self, job: LedgerJob) -> bytes:
        config = self._context.config
        if not config.executes or not self._succession.capable(config.peer, job):
            return b""
        announcement = self._membership.announcement
        bid = st.Bid(
            config.network,
            config.peer,
            job.id,
            announcement.price_micro,
            len(self._instances.claims) / max(1, config.slots),
            self._runs.expected_ms,
            announcement.models[0] if announcement.models else "",
        )
        return self._context.pen.sign(bid)
