"""The witness: an acceptor of a job's single-decree Paxos instance, up to its vote.

It promises epochs to holders and looks after their leases. Every promise is written before it is sent, keyed by
(job, epoch, phase); a repeated request is answered with the stored bytes. Clocks and membership only decide *when* a
promise is given, never whether two quorums may disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.crypto import SecrecyError
from mesh_core.effects import JobId, PeerId
from mesh_core.identity.statement import StatementError, check
from mesh_core.lease.ballot import Ballot, remember
from mesh_core.lease.instance import Instances
from mesh_core.lease.turns import Turns
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.quorum.committee import members
from mesh_core.secrecy.envelope import my_share
from mesh_core.standing.admission import Admission
from mesh_core.standing.succession import Succession
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.reason import is_short


@dataclass(eq=False)
class Witness:
    """Gives promises, and looks after leases."""

    _context: Context
    _ledger: Ledger
    _instances: Instances
    _succession: Succession
    _turns: Turns
    _admission: Admission

    def __post_init__(self) -> None:
        self._with_parked: dict[JobId, None] = {}

    # -------------------------------------------------------------------------------------- learning

    def learn(self, now: float, job: LedgerJob) -> None:
        """A job has come to the ledger: open a ballot, with what former lives have said, when this node has a seat in its
        committee."""
        if job.id in self._instances or self._context.me not in members(job.job):
            return
        ballot = Ballot(job, known_since=now, granted_at=now, renewed_at=now)
        self._instances.open(ballot)
        for vote in self._context.pen.on(job.id):
            remember(ballot, vote)

    def on_award(self, now: float, job: LedgerJob) -> None:
        """An award has come: others than its winner wait from now on."""
        ballot = self._instances.ballot(job.id)
        if ballot is not None:
            ballot.award_at = now

    def promise_winner(self, now: float, job: LedgerJob) -> None:
        """Fused round: promise epoch 1 to the named winner without being asked, if this witness is one of the first."""
        ballot, award = self._instances.ballot(job.id), job.award
        if ballot is not None and not job.final and ballot.epoch == 0 and award is not None and award.ranking:
            winner = award.ranking[0]
            if self._serves(ballot, winner) and self._turns.is_first(job, winner):
                self._promise(now, ballot, 1, winner)

    def on_lease(self, now: float, job: LedgerJob, epoch: int) -> None:
        """A valid lease certificate: it raises the promise and marks the lease as seen."""
        ballot = self._instances.ballot(job.id)
        if ballot is not None and epoch >= ballot.epoch:
            self.observe(now, ballot, epoch, job.leases[epoch][0])

    # -------------------------------------------------------------------------------------- promises

    def on_request(self, now: float, sender: PeerId, message: ms.PromiseRequest) -> None:
        """Somebody asks for an epoch."""
        job = self._ledger.jobs.get(message.job)
        if job is None:
            return
        if job.settle is not None:
            self._context.send(sender, ms.Records((job.entry.signed, job.settle.signed)))
            return
        ballot = self._instances.ballot(message.job)
        if ballot is None or sender not in members(job.job):
            return
        if message.epoch == ballot.epoch and sender == ballot.holder and ballot.promise is not None:
            self._context.send(sender, ms.Promised(ballot.promise))
            return
        if message.epoch <= ballot.epoch:
            self.refuse(sender, ballot, message.epoch)
            return
        if not self._serves(ballot, sender):
            self._context.dropped["job_not_taken_in"] += 1
            return
        if not self._jump_allowed(ballot, message):
            self.refuse(sender, ballot, message.epoch)
            return
        if not self._turns.open_to(now, ballot, sender):
            ballot.parked[sender] = (message.epoch, now + self._context.timing.park_s)
            self._with_parked[message.job] = None
            self.refuse(sender, ballot, message.epoch)
            return
        self._promise(now, ballot, message.epoch, sender)

    def _serves(self, ballot: Ballot, asker: PeerId) -> bool:
        """Whether this witness promises `asker` a job. One that nobody here can be paid for is nobody's to run; its
        submitter may end it, but not have promises without end: strangers cost nothing."""
        if self._admission.is_witnessed(ballot.job):
            return True
        return asker == ballot.job.submitter and ballot.favours < limit("favours_max")

    def may_vote(self, ballot: Ballot, epoch: int) -> bool:
        """Whether this witness may vote at an epoch: at its own promises in any case, and those are counted."""
        own = ballot.promise is not None and ballot.epoch == epoch
        return own or self._admission.is_witnessed(ballot.job)

    def _jump_allowed(self, ballot: Ballot, message: ms.PromiseRequest) -> bool:
        """Epochs are finite, and nobody may use them up: one that is far ahead needs the signed promises of more than f
        weight that others have come as far. A request shows one of them, the next request another."""
        if message.epoch <= ballot.epoch + limit("epoch_jump_max"):
            return True
        try:
            shown = check(self._context.crypto, message.shown, st.Promise, self._context.config.network)
        except StatementError:
            return False
        if shown.job == message.job:
            ballot.take_shown(shown)
        return message.epoch <= ballot.proven + limit("epoch_jump_max")

    def _promise(self, now: float, ballot: Ballot, epoch: int, holder: PeerId) -> None:
        if not self._admission.is_witnessed(ballot.job):
            ballot.favours += 1
        skips = epoch > ballot.epoch + 1
        promise = self.sign_promise(ballot, epoch, holder)
        ballot.move(now, epoch, holder, promise)
        ballot.renewed_at = now
        ballot.parked.pop(holder, None)
        self._context.send(holder, ms.Promised(promise))
        if skips and ballot.job.tolerates_lies:
            self._show_skip(ballot, promise)

    def _show_skip(self, ballot: Ballot, promise: bytes) -> None:
        """Let all members know how far this witness has been led: it may be needed for every quorum. Else each of them
        would spend a turn on being told so, and a liar that has it promise something now and then would go first for ever."""
        for peer in members(ballot.job.job):
            if peer not in (self._context.me, ballot.holder):
                self._context.send(peer, ms.Promised(promise))

    def sign_promise(self, ballot: Ballot, epoch: int, holder: PeerId) -> bytes:
        """Sign and persist a promise. It shows the value this witness accepted or, where votes may lie, locked, so that
        a rescuer adopts it: else what is settled already could be settled again, differently."""
        return self._context.pen.vote(
            st.Promise(
                self._context.config.network,
                self._context.me,
                ballot.job.id,
                epoch,
                holder,
                ballot.accepted,
                ballot.shown_failures(),
            )
        )

    def refuse(self, to: PeerId, ballot: Ballot, epoch: int) -> None:
        """Tell how far this witness is, so that whoever asked for less stops asking."""
        self._context.send(to, ms.Refused(ballot.job.id, epoch, ballot.epoch, ballot.holder or b""))

    def observe(self, now: float, ballot: Ballot, epoch: int, holder: PeerId) -> None:
        """A certified lease at `epoch`, which is not below this witness's own."""
        if epoch > ballot.epoch:
            ballot.move(now, epoch, holder, None)
        if ballot.holder != holder:
            # A promise of this witness at the same epoch to somebody else has lost: the certificate shows it.
            ballot.holder, ballot.promise, ballot.certified = holder, None, False
        if not ballot.certified:
            ballot.certify(now)

    def unpark_all(self, now: float) -> None:
        """Something changed that may open a guard, of whatever job."""
        for job in list(self._with_parked):
            ballot = self._instances.ballot(job)
            if ballot is not None and ballot.parked:
                self._unpark(now, ballot)
            else:
                del self._with_parked[job]

    def _unpark(self, now: float, ballot: Ballot) -> None:
        """Grant a request that waits for its guard to open."""
        if not ballot.parked:
            return
        ballot.parked = {
            peer: (epoch, until)
            for peer, (epoch, until) in ballot.parked.items()
            if until > now and epoch > ballot.epoch
        }
        order = self._succession.order(ballot.job, ballot.failed)
        waiting = [peer for peer in order if peer in ballot.parked]
        waiting += [peer for peer in ballot.parked if peer not in waiting]
        for peer in waiting:
            if self._turns.open_to(now, ballot, peer):
                self._promise(now, ballot, ballot.parked[peer][0], peer)
                break

    # ------------------------------------------------------------------------------ leases under way

    def on_renew(self, now: float, sender: PeerId, message: ms.Renew) -> None:
        """The holder is at work on these."""
        for job_id, epoch in message.leases[: limit("open_jobs_max")]:
            job = self._ledger.jobs.get(job_id)
            if job is not None and job.settle is not None:
                self._context.send(sender, ms.Records((job.settle.signed,)))
                continue
            ballot = self._instances.ballot(job_id)
            if ballot is None:
                continue
            if epoch == ballot.epoch and sender == ballot.holder:
                # A holder that hides its certificate would otherwise be renewed for ever: nobody knows since when.
                if ballot.certified and not ballot.overdue(now):
                    ballot.renewed_at = now
                    self._context.outbox.notify("lease_renewed", after_disk=False, job=job_id)
            elif epoch <= ballot.epoch:
                self.refuse(sender, ballot, epoch)

    def on_release(self, now: float, sender: PeerId, message: ms.Released) -> st.Release | None:
        """A holder gives its lease back; returns the release when it is this job's holder's."""
        try:
            release = check(self._context.crypto, message.release, st.Release, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return None
        ballot = self._instances.ballot(release.job)
        if ballot is None or release.author not in members(ballot.job.job):
            return None
        fits = is_short(release.error) and len(message.release) <= limit("vote_bytes_max")
        if release.error and fits:
            ballot.take_failure(release, message.release)
        asked, _ = ballot.parked.get(release.author, (0, 0.0))
        if asked and asked <= release.epoch:
            del ballot.parked[release.author]  # who has given an epoch back does not wait for it any more
        if release.epoch >= ballot.epoch and release.author == ballot.holder and not ballot.released:
            ballot.released_at = now
            self._unpark(now, ballot)
        return release

    def on_cancel(self, now: float, message: ms.CancelRequest) -> st.Cancel | None:
        """The submitter wants its job to end; returns the wish when it is genuine and the job is open."""
        try:
            cancel = check(self._context.crypto, message.cancel, st.Cancel, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_statement"] += 1
            return None
        ballot = self._instances.ballot(cancel.job)
        if ballot is None or cancel.author != ballot.job.submitter:
            return None
        if not is_short(cancel.reason):
            # No witness would vote for it: whoever proposed it would hold the job for ever.
            self._context.dropped["bad_statement"] += 1
            return None
        ballot.cancel = message.cancel
        self._unpark(now, ballot)
        return cancel

    def on_share_request(self, sender: PeerId, message: ms.ShareRequest) -> None:
        """Give this node's share of the key to the certified holder of the current epoch, sealed to it."""
        job = self._ledger.jobs.get(message.job)
        ballot = self._instances.ballot(message.job)
        if job is None or ballot is None or job.final:
            return
        lease = job.leases.get(message.epoch)
        if lease is None or lease[0] != sender or message.epoch != ballot.epoch:
            self.refuse(sender, ballot, message.epoch)
            return
        share = my_share(self._context.crypto, job.job, self._context.me)
        if share is None:
            return
        try:
            sealed = self._context.crypto.seal(sender, share)
        except SecrecyError:
            self._context.dropped["unsealable_key"] += 1
            return
        self._context.send_at_once(sender, ms.ShareRelease(job.id, message.epoch, sealed, False))
