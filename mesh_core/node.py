"""A participant of the mesh: every protocol decision and no I/O.

`step(now, event)` takes one input and answers with effects (as etcd/raft and foca do); `next_deadline()` says when to
step with `Tick()` at the latest. The same node runs in a provider, in the simulator and in replays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.checkpoints import Checkpoints
from mesh_core.checkpoint.cuts import ReadCut
from mesh_core.checkpoint.decision import Decision
from mesh_core.config import limit
from mesh_core.context import Context, Doors, NodeConfig
from mesh_core.effects import (
    CancelJob,
    Effect,
    Executed,
    FrameReceived,
    Input,
    JobId,
    Leave,
    NeighboursChanged,
    Partition,
    PeerId,
    Progressed,
    Send,
    Stored,
    SubmitQuery,
    Tick,
)
from mesh_core.identity.pen import NotEntitledError
from mesh_core.lease.candidate import Candidate
from mesh_core.lease.holder import AdoptResult, Holder
from mesh_core.lease.instance import Instances
from mesh_core.lease.keys import OpenPayload
from mesh_core.lease.known_votes import known_votes
from mesh_core.lease.past import Past
from mesh_core.lease.results import Results
from mesh_core.lease.turns import Turns
from mesh_core.lease.voter import AcceptResult, Voter
from mesh_core.lease.witness import Witness
from mesh_core.ledger.budget import Budget
from mesh_core.ledger.chain import Chains
from mesh_core.ledger.fold import Hooks, Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.orphans import Orphans
from mesh_core.ledger.proofs import Proofs
from mesh_core.ledger.record import Entry, read_record
from mesh_core.ledger.sync import Replication
from mesh_core.market.auction import Auctioneer
from mesh_core.market.cancel import Cancellations
from mesh_core.market.desk import Desk, StorePayload
from mesh_core.market.intake import Refusal
from mesh_core.market.queries import OpenResult, Queries
from mesh_core.membership.members import MemberState
from mesh_core.membership.membership import Membership
from mesh_core.standing.admission import Admission
from mesh_core.standing.balance import Credit
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.codec import FrameCodec, FrameError

__all__ = ["Doors", "Node", "NodeConfig", "Refusal"]

_Handler = Callable[[float, PeerId, Any], object]
K = TypeVar("K")

_WIDE = (ms.Digest, ms.Vector, ms.SelfQuery, ms.Exchange)
"""Questions whose answers grow with the mesh: a frame of thousands would keep a node busy for seconds."""

_AFTER_BUG_S = 1.0
"""When a timer whose handler raised fires again."""


class Node:
    """Composes the machines of one participant and routes messages, timers and ledger changes between them.

    `stored` is everything durable from former lives; `boot` is the number of this start, already durable and greater
    than that of any start before.
    """

    def __init__(self, config: NodeConfig, doors: Doors, stored: Stored, boot: int) -> None:
        self.config = config
        self.context = context = Context(config, doors, boot=boot)
        self.codec = FrameCodec(
            me=config.peer,
            network=config.network,
            boot=boot,
            crypto=doors.crypto,
            dropped=context.dropped,
        )
        budget = Budget(self._is_trusted, self._is_backed, self._is_elector, self._is_taken)
        self.ledger = ledger = Ledger(
            doors.crypto, config.network, self._hooks(), Chains(self._is_known), budget=budget
        )
        self.membership = membership = Membership(context, self._on_member)
        self.blobs = blobs = Blobs(context, stored.blobs, membership.is_dead, self._needed)
        self.credit = credit = Credit(context, ledger)
        self.replication = replication = Replication(context, ledger, membership.live, self._on_own_found)
        self._proofs = Proofs(context, ledger, replication)
        prove = self._proofs.prove
        succession = Succession(context, ledger, membership)
        self.admission = admission = Admission(context, ledger, credit)
        self.instances = instances = Instances()
        turns = Turns(context, membership, succession)
        self.witness = witness = Witness(context, ledger, instances, succession, turns, admission)
        self.results = results = Results(context.pen, ledger, blobs, instances)
        self.voter = Voter(context, ledger, instances, succession, blobs, witness, results, prove)
        self.holder = holder = Holder(
            context, ledger, instances, membership, replication, blobs, results, prove
        )
        self.candidate = candidate = Candidate(
            context, ledger, instances, membership, succession, admission, turns, holder, prove
        )
        self.desk = Desk(
            context,
            ledger,
            membership,
            succession,
            replication,
            blobs,
            admission,
            instances,
            holder.runs,
        )
        self.auctioneer = auctioneer = Auctioneer(
            context, ledger, membership, succession, replication, blobs, admission
        )
        self.queries = Queries(context, ledger, membership, auctioneer, blobs, credit)
        self.cancellations = Cancellations(context, ledger, candidate)
        votes_of = partial(known_votes, ledger, instances)
        self.past = Past(context, ledger, membership, votes_of, lambda: holder.lay_down(context.now))
        self.checkpoints = checkpoints = Checkpoints(
            context,
            ledger,
            replication,
            blobs,
            membership.live,
            self.past.retire,
            prove,
            admission.__contains__,
        )
        self._orphans = Orphans(context, ledger, replication, membership.live)
        replication.on_dropped = lambda peer: checkpoints.catch_up.offer(context.now, peer)
        self.hidden: frozenset[PeerId] = frozenset()
        self._neighbours: dict[PeerId, bool] = {}
        self._handlers = self._routes()
        self._alarms = self._timers()
        self._needs = self._uses_of_blobs()
        self._stored = stored

    @property
    def peer(self) -> PeerId:
        """This node's key."""
        return self.config.peer

    # ------------------------------------------------------------------------------------- life cycle

    def start(self, now: float) -> list[Effect]:
        """Take back what former lives left, then join: nothing is signed before peers told of this node's past."""
        self._restore(now)
        self.membership.start(now)
        self.replication.start(now)
        self.past.start(now, self._on_ready)
        self.context.timers.set(("node", "examine"), now + self.config.timing.examine_period_s)
        return self._finish(now)

    def next_deadline(self) -> float | None:
        """When to step with `Tick()` at the latest, in the caller's monotonic seconds; None for never."""
        return self.context.timers.next_deadline()

    def step(self, now: float, event: Input) -> list[Effect]:
        """Take one input. Effects are to be carried out in order (see `mesh_core.effects`)."""
        self.context.now = now
        match event:
            case FrameReceived(frame):
                self._on_frame(now, frame)
            case Tick():
                self._fire(now)
            case NeighboursChanged(attached):
                self._neighbours = attached
                self._show_neighbours(now)
            case Executed(job, epoch, result, error):
                self._if_entitled(self.holder.on_executed, now, job, epoch, result, error)
            case Progressed(job, epoch, tokens, text):
                self.holder.on_progress(job, epoch, tokens, text)
            case CancelJob(job, reason):
                self._cancel(now, job, reason)
            case Partition(hidden):
                self._partition(now, hidden)
            case Leave():
                self._if_entitled(self.holder.release_all, now)
                self.membership.leave(now)
        return self._finish(now)

    def _fire(self, now: float) -> None:
        for key in self.context.timers.due(now):
            assert isinstance(key, tuple)
            try:
                self._alarms[key[0]](now, key)
                self._drain(now)
            except Exception:
                # A bug of ours costs this round and not all that would have followed: the timer was taken out.
                if key not in self.context.timers:
                    self.context.timers.set(key, now + _AFTER_BUG_S)
                raise

    def submit(self, now: float, request: SubmitQuery) -> tuple[bytes, list[Effect]]:
        """Submit a question; returns the query's 16-byte id and the effects. Raises Refusal with one line."""
        self.context.now = now
        if self.past.refusal:
            raise Refusal(self.past.refusal)
        query = self.queries.submit(now, request)
        return query, self._finish(now)

    def announce(self, now: float, announcement: st.Announcement) -> list[Effect]:
        """Say something else of this node from now on, such as a backend that has been found only now."""
        self.context.now = now
        self.membership.announce(now, announcement)
        return self._finish(now)

    def seal_frame(self, to: PeerId, messages: Sequence[ms.Message]) -> tuple[bytes, int]:
        """A signed frame for `to` with as many of `messages` as fit, in order, and how many were taken."""
        return self.codec.seal(to, messages)

    # --------------------------------------------------------------------------------------- messages

    def _routes(self) -> dict[type, _Handler]:
        membership, replication = self.membership, self.replication
        witness, voter, candidate, holder = self.witness, self.voter, self.candidate, self.holder
        routes: dict[type, _Handler] = dict.fromkeys(
            (ms.Ping, ms.Ack, ms.PingRequest, ms.Nack, ms.Gossip), membership.handle
        )
        routes |= {
            ms.Exchange: self._on_exchange,
            ms.Records: replication.on_records,
            ms.Advertise: replication.on_advertise,
            ms.FetchRecords: lambda now, sender, message: replication.on_fetch(sender, message),
            ms.Digest: lambda now, sender, message: self._on_digest(sender, message),
            ms.Vector: replication.on_vector,
            ms.FetchRange: lambda now, sender, message: replication.on_fetch_range(sender, message),
            ms.FetchBlob: self.blobs.on_fetch,
            ms.BlobChunk: self.blobs.on_chunk,
            ms.Truncated: self.checkpoints.catch_up.on_truncated,
            ms.Prevoted: self.checkpoints.on_prevoted,
            ms.SelfQuery: lambda now, sender, message: self.past.tell(sender, message.number),
            ms.SelfAnswer: self.past.on_answer,
        }
        signing: dict[type, _Handler] = {
            ms.StoreJob: self.desk.on_store,
            ms.JobStored: self.auctioneer.on_stored,
            ms.PromiseRequest: self._on_promise_request,
            ms.Promised: lambda now, sender, message: candidate.on_promised(now, message),
            ms.Refused: candidate.on_refused,
            ms.Renew: witness.on_renew,
            ms.ShareRequest: self._on_share_request,
            ms.ShareRelease: holder.keys.on_share,
            ms.AcceptRequest: voter.on_accept,
            ms.Voted: lambda now, sender, message: holder.proposer.on_voted(now, message),
            ms.LockRequest: voter.on_lock,
            ms.Locked: lambda now, sender, message: holder.proposer.on_locked(now, message),
            ms.Released: self._on_released,
            ms.CancelRequest: self._on_cancel_request,
            ms.Streamed: lambda now, sender, message: self.queries.on_streamed(sender, message),
        }
        return routes | self._gated(signing)

    def _if_entitled(self, act: Callable[..., object], *args: object) -> bool:
        """The one gate before all that may make this node sign: closed until its past is known, and for good once its
        key is retired, which may also come to light on the way. What is missed meanwhile is repeated by others, or made
        up for by `_on_ready`. Returns whether it was open."""
        if not self.context.ready:
            return False
        try:
            act(*args)
        except NotEntitledError:
            return False
        return True

    def _gated(self, handlers: Mapping[K, Callable[..., object]]) -> dict[K, Callable[..., None]]:
        return {key: partial(self._handle_if_entitled, handler) for key, handler in handlers.items()}

    def _handle_if_entitled(self, handler: Callable[..., object], *args: object) -> None:
        if not self._if_entitled(handler, *args):
            self.context.dropped["not_ready"] += 1

    def _uses_of_blobs(self) -> dict[type, Callable[[float, Any], None]]:
        """Who goes on when a blob is here."""
        signing: dict[type, Callable[[float, Any], None]] = {
            StorePayload: lambda now, need: self.desk.on_payload(need),
            OpenPayload: lambda now, need: self.holder.keys.open(now, need.job),
            AcceptResult: self.voter.on_result,
            AdoptResult: self.holder.on_adopted,
            OpenResult: self.queries.on_result,
        }
        return self._gated(signing) | {
            Decision: self.checkpoints.catch_up.on_snapshot,
            ReadCut: self.checkpoints.on_cut,
        }

    def _on_frame(self, now: float, data: bytes) -> None:
        try:
            frame = self.codec.open(data)
        except FrameError as error:
            self.context.dropped[error.cause] += 1
            if error.cause in ("before_its_restart", "replayed") and error.sender is not None:
                self.past.on_refused_frame(now, error.sender, error.boot)
            return
        sender = frame.sender
        if sender in self.hidden:
            self.context.dropped["partitioned"] += 1
            return
        self.membership.heard_from(now, sender)
        wide = 0
        for message in self.codec.messages(frame):
            if message is None:
                self.context.dropped["bad_message"] += 1
                continue
            if isinstance(message, _WIDE):
                wide += 1
                if wide > limit("wide_questions_max"):
                    self.context.dropped["asked_for_too_much"] += 1
                    continue
            self._handlers[type(message)](now, sender, message)
            self._drain(now)

    def _drain(self, now: float) -> None:
        """Handle what this node has sent to itself, and go on with what waited for a blob that is here now."""
        local = self.context.local
        while True:
            while local:
                message = local.popleft()
                self._handlers[type(message)](now, self.peer, message)
            for need in self.blobs.here():
                self._needs[type(need)](now, need)
            if not local:
                return

    def _finish(self, now: float) -> list[Effect]:
        self._drain(now)
        effects = self.context.outbox.take()
        if self.hidden:
            effects = [one for one in effects if not (isinstance(one, Send) and one.to in self.hidden)]
        return effects

    def _on_exchange(self, now: float, sender: PeerId, message: ms.Exchange) -> None:
        self.membership.handle(now, sender, message)
        if message.reply:
            self.replication.compare(sender)  # rides in the frame of the answer

    def _on_digest(self, sender: PeerId, message: ms.Digest) -> None:
        if sender not in self.membership.members:
            return  # a stranger's replica is of no interest before it has introduced itself
        before = self.replication.roots.get(sender)
        self.replication.on_digest(sender, message)
        if before is None or before.state_root != message.state_root:
            self.context.outbox.notify("replica_seen", after_disk=False, peer=sender)

    def _on_promise_request(self, now: float, sender: PeerId, message: ms.PromiseRequest) -> None:
        for signed in message.records[:2]:
            self.replication.ingest(now, sender, signed)
        self.witness.on_request(now, sender, message)

    def _on_share_request(self, now: float, sender: PeerId, message: ms.ShareRequest) -> None:
        self.replication.ingest(now, sender, message.lease)
        if not self.auctioneer.on_share_request(sender, message):
            self.witness.on_share_request(sender, message)

    def _on_released(self, now: float, sender: PeerId, message: ms.Released) -> None:
        release = self.witness.on_release(now, sender, message)
        job = self.ledger.open_jobs.get(release.job) if release else None
        if job is not None:
            self.candidate.consider(now, job)

    def _on_cancel_request(self, now: float, sender: PeerId, message: ms.CancelRequest) -> None:
        cancel = self.witness.on_cancel(now, message)
        if cancel is not None:
            self.holder.on_cancel(now, cancel)

    # ------------------------------------------------------------------------------------ own inputs

    def _cancel(self, now: float, job_id: JobId, reason: str) -> None:
        job = self.ledger.open_jobs.get(job_id)
        if job is not None and job.submitter == self.peer:
            self._if_entitled(self.cancellations.cancel, now, job, reason)

    def _partition(self, now: float, hidden: frozenset[PeerId]) -> None:
        hidden -= {self.peer}
        if hidden == self.hidden:
            return
        self.hidden = hidden
        if self.hidden:
            self.context.outbox.notify("partitioned", hidden=sorted(self.hidden))
        else:
            self.context.outbox.notify("healed")
        self._show_neighbours(now)

    def _show_neighbours(self, now: float) -> None:
        visible = {peer: up for peer, up in self._neighbours.items() if peer not in self.hidden}
        self.membership.neighbours_changed(now, visible)

    # ----------------------------------------------------------------------------------------- timers

    def _timers(self) -> dict[Hashable, Callable[[float, tuple[Hashable, ...]], None]]:
        """Whose timers begin with which word."""
        signing: dict[Hashable, Callable[[float, tuple[Hashable, ...]], None]] = {
            "candidate": self.candidate.fire,
            "claim": self.holder.fire,
            "keys": self.holder.keys.fire,
            "proposal": self.holder.proposer.fire,
            "auction": self.auctioneer.fire,
            "query": self.queries.fire,
            "cancel": self.cancellations.fire,
        }
        return self._gated(signing) | {
            "membership": self.membership.fire,
            "sync": self.replication.fire,
            "blob": self.blobs.fire,
            "past": self.past.fire,
            "checkpoint": self.checkpoints.fire,
            "node": self._examine,
        }

    def _examine(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Look again at every open job, whatever may have been missed."""
        self.context.timers.set(key, now + self.config.timing.examine_period_s)
        self._if_entitled(self.witness.unpark_all, now)
        self._if_entitled(self.candidate.examine, now)
        self._if_entitled(self._orphans.look, now)

    # ------------------------------------------------------------------------------- what has changed

    def _hooks(self) -> Hooks:
        return Hooks(
            on_record=self._on_record,
            on_job=self._on_job,
            on_award=lambda job, entry: self._on_award(job),
            on_lease=self._on_lease,
            on_settled=self._on_settled,
            on_conflict=self._on_conflict,
            on_equivocator=self._on_equivocator,
            on_alarm=self._on_alarm,
        )

    def _on_record(self, entry: Entry) -> None:
        self.context.outbox.notify(
            "record_added", hash=entry.hash, author=entry.author, kind=entry.head.kind, job=entry.about
        )
        self.checkpoints.on_record(entry)

    def _on_job(self, job: LedgerJob) -> None:
        self.witness.learn(self.context.now, job)
        self.past.on_job(job)

    def _on_award(self, job: LedgerJob) -> None:
        self.witness.on_award(self.context.now, job)
        self._if_entitled(self._act_on_award, job)

    def _act_on_award(self, job: LedgerJob) -> None:
        self.witness.promise_winner(self.context.now, job)
        self.candidate.on_award(self.context.now, job)

    def _on_lease(self, job: LedgerJob, epoch: int) -> None:
        holder, entry = job.leases[epoch]
        certificate: st.LeaseCertificate = entry.body
        self.context.outbox.notify(
            "lease_granted", job=job.id, epoch=epoch, holder=holder, promised=len(certificate.promises)
        )
        self.witness.on_lease(self.context.now, job, epoch)
        self.candidate.on_lease(self.context.now, job, epoch)

    def _on_settled(self, job: LedgerJob) -> None:
        value, certificate = job.value, job.certificate
        assert value is not None
        self.context.outbox.notify(
            "job_settled",
            job=job.id,
            epoch=certificate.epoch if certificate is not None else job.epoch,
            outcome=value.outcome,
            holder=value.holder,
            price_micro=value.price_micro,
            votes=len(certificate.votes) if certificate is not None else 0,
        )
        self.holder.on_settled(self.context.now, job)
        self.candidate.on_settled(job)
        self.instances.drop(job.id)
        self.auctioneer.on_settled(job)
        self.admission.on_settled(job.id)
        self.cancellations.on_settled(job)
        self.blobs.settled(job.id)
        self.context.pen.forget(job.id)
        self.queries.learn(job)
        self.results.on_settled(job)
        self._if_entitled(self.queries.on_settled, self.context.now, job)

    def _on_conflict(self, kind: str, first: bytes, second: bytes) -> None:
        self._proofs.prove(kind, first, second)

    def _on_alarm(self, job: LedgerJob) -> None:
        """Two certificates disagree: nobody is paid for this job, and nothing else changes."""
        member = self.membership.members.get(job.submitter)
        name = f"{member.announcement.name} " if member is not None else ""
        verdict = job.contradiction(self.config.trusting)
        self.context.outbox.notify(
            "alarm",
            job=job.id,
            text=f"job {job.job.label} of {name}{job.submitter.hex()[:12]} has two certificates with different values: "
            f"{verdict}; only this job is frozen",
        )

    def _on_own_found(self, entry: Entry) -> None:
        self.past.found(entry)

    def _on_equivocator(self, author: PeerId, kind: str) -> None:
        self.context.outbox.notify("equivocation", author=author, kind=kind)
        if author == self.peer:
            self.past.retire(f"two {kind}s signed by this key for one slot")

    def _needed(self, names: Collection[bytes]) -> set[bytes]:
        """Which of these blobs must stay: what the ledger's jobs go by, what undecided ones have been offered, what this
        node's own questions came to, and what it goes on from. Nobody else decides that."""
        left = {name for name in names if not (self.queries.needs(name) or self.checkpoints.needs(name))}
        if left:
            left -= self.results.names() | self.ledger.blobs()
        return set(names) - left

    def _is_trusted(self, author: PeerId) -> bool:
        """Whether there is room for whatever an author writes: it is this node, or trusted with money."""
        return author == self.peer or self.credit.is_granted(author)

    def _is_elector(self, author: PeerId) -> bool:
        return author in self.checkpoints.electors

    def _is_backed(self, peer: PeerId) -> bool:
        return self.credit.is_backed(peer)

    def _is_taken(self, job: JobId) -> bool:
        return job in self.admission

    def _is_known(self, author: PeerId) -> bool:
        """Whether this is no passing stranger: itself, a submitter with credit, or a member that has answered."""
        member = self.membership.members.get(author)
        return (
            author == self.peer
            or self.config.grants(author)
            or self._is_elector(author)
            or (member is not None and member.proven_since is not None)
        )

    def _on_member(self, now: float, peer: PeerId, before: MemberState | None, after: MemberState) -> None:
        if before == after:
            self.context.outbox.notify("member_changed", after_disk=False, peer=peer)
        elif after == "alive" and before in (None, "dead", "left"):
            self.past.ask(now, peer)
            self.replication.compare(peer)
            self._if_entitled(self.queries.on_member, now, peer)
        elif after in ("dead", "left"):
            self.replication.forget(peer)
            self.past.forget(peer)
            for react in (
                self.auctioneer.on_member_gone,
                self.witness.unpark_all,
                self.candidate.consider_all,
            ):
                self._if_entitled(react, now)

    # ------------------------------------------------------------------------------------- restarting

    def _restore(self, now: float) -> None:
        """Fold what the disk holds. What the machines say meanwhile is old news and goes nowhere."""
        stored = self._stored
        self.context.now = now
        self.context.pen.restore(stored.votes)
        self.checkpoints.restore(stored.meta)
        for statement in stored.statements:
            self.ledger.add(read_record(statement.signed))
        self.queries.restore(stored.meta)
        self.past.restore(stored.meta)
        self.context.outbox.take()
        self.context.dropped.clear()
        self.admission.restore(stored.meta)
        self.results.restore(stored.blobs)
        self._stored = Stored()

    def _on_ready(self, now: float) -> None:
        """Go on where former lives stopped, and with what has come while this node might not sign."""
        self.context.outbox.notify("ready")
        self._proofs.resume()
        self.holder.resume(now)
        for job in [job for job in self.ledger.open_jobs.values() if job.award is not None]:
            self._act_on_award(job)
        self.queries.resume(now)
        self.cancellations.resume(now)
        self.checkpoints.resume(now)
