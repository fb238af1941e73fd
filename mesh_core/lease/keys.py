"""How a lease holder comes by the key of its job's payload.

The submitter can give the whole secret; every other witness gives its share, against the lease certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from mesh_core.blobs.blobs import Blobs
from mesh_core.context import Context
from mesh_core.crypto import SecrecyError
from mesh_core.effects import JobId, PeerId
from mesh_core.lease.claim import Claim
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import members
from mesh_core.secrecy.envelope import my_share
from mesh_core.secrecy.shares import ShareCollector
from mesh_core.wire import messages as ms

Opened = Callable[[float, Claim, ms.Work], None]
Failed = Callable[[float, Claim, str], None]


@dataclass(frozen=True, slots=True)
class OpenPayload:
    """A lease holder opens the payload to run it."""

    job: JobId


@dataclass(frozen=True, slots=True)
class _Collection:
    """The shares of one claim's job that have come so far."""

    claim: Claim
    shares: ShareCollector


@dataclass(eq=False)
class Keys:
    """All keys this node is collecting.

    `_opened` is handed the work once a payload opens, `_failed` the reason why one never will.
    """

    _context: Context
    _membership: Membership
    _blobs: Blobs
    _opened: Opened
    _failed: Failed

    def __post_init__(self) -> None:
        self._collections: dict[JobId, _Collection] = {}

    def collect(self, now: float, claim: Claim) -> None:
        """Ask for the key. The submitter alone is asked while it lives, since it can give the secret itself."""
        job = claim.job
        collection = _Collection(claim, ShareCollector(self._context.crypto, job.job))
        self._collections[job.id] = collection
        share = my_share(self._context.crypto, job.job, self._context.me)
        if share is not None:
            collection.shares.add_share(self._context.me, share)
        self._context.timers.set(("keys", "ask", job.id), now + self._context.timing.key_patience_s)
        if self._membership.is_dead(job.submitter):
            self._ask_everybody(collection)
        else:
            self._ask(job.submitter, claim)

    def open(self, now: float, job_id: JobId) -> None:
        """Open the payload of a job whose key is being collected, if payload and shares suffice."""
        collection = self._collections.get(job_id)
        if collection is None:
            return
        job = collection.claim.job
        payload = self._blobs.get(job.job.payload_hash)
        if payload is None:
            self._blobs.want(now, job.job.payload_hash, members(job.job), OpenPayload(job_id))
            return
        try:
            work = collection.shares.open(payload)
        except SecrecyError as error:
            self._failed(now, collection.claim, f"the payload does not open: {error}")
            return
        if work is not None:
            self.forget(job_id)
            self._opened(now, collection.claim, work)

    def on_share(self, now: float, sender: PeerId, message: ms.ShareRelease) -> None:
        """A share, or from the submitter the secret."""
        collection = self._collections.get(message.job)
        if collection is None or message.epoch != collection.claim.epoch:
            return
        try:
            opened = self._context.crypto.open(message.sealed)
        except SecrecyError:
            self._context.dropped["bad_share"] += 1
            return
        if message.whole and sender == collection.claim.job.submitter:
            collection.shares.add_secret(sender, opened)
        elif not message.whole:
            collection.shares.add_share(sender, opened)
        self.open(now, message.job)

    def forget(self, job: JobId) -> None:
        """The key of this job is here, or not needed any more."""
        self._collections.pop(job, None)
        self._context.timers.clear(("keys", "ask", job))

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Not enough has come in time: ask everybody who has not answered."""
        job_id = key[2]
        assert isinstance(job_id, bytes)
        collection = self._collections.get(job_id)
        if collection is not None:
            self._ask_everybody(collection)
            self._context.timers.set(key, now + self._context.timing.claim_resend_s)

    def _ask_everybody(self, collection: _Collection) -> None:
        for peer in members(collection.claim.job.job):
            if peer != self._context.me and peer not in collection.shares.answered:
                self._ask(peer, collection.claim)

    def _ask(self, peer: PeerId, claim: Claim) -> None:
        assert claim.lease is not None
        self._context.send(peer, ms.ShareRequest(claim.job.id, claim.epoch, claim.lease.signed))
