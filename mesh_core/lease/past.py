"""A node's own past: before it signs anything after a start, it asks its peers what they have seen of it.

Something signed by this node that its own disk does not hold means that the disk is an old backup. Signing on could
contradict what was signed before, so the key is retired: the node stays a reader and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import islice
from typing import TypeAlias

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutMeta
from mesh_core.identity.pen import PHASES
from mesh_core.identity.statement import VOTES, StatementError, check
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry, check_record
from mesh_core.membership.membership import Membership
from mesh_core.wire import statements as st
from mesh_core.wire.messages import SelfAnswer, SelfQuery, SignedVote
from mesh_core.wire.portions import portions

RETIRED = "retired"
"""Under this name the store keeps why the key was retired."""

_PATIENCE = 3
"""Newcomers that keep turning up put off the end by at most so many times `self_query_s`."""

_AGAIN = 0.25
"""Whoever has not answered is asked again each time this part of `self_query_s` has passed."""

_QUERIES_MAX = 12
"""How often one member is asked."""

_QUIET_S = 0.05
"""How long nobody new must turn up, once all have answered, before the past counts as known."""

_ANSWERS_MAX = 8
"""Messages in which one member is told of its past, the newest first: somebody may have signed votes without end."""

_REFUSALS_APART_S = 1.0
"""A member whose frames are refused as old is told what was seen of it at most this often."""

VotesOf: TypeAlias = Callable[[PeerId], Iterable[SignedVote]]

_VOTES = {PHASES[vote]: vote for vote in VOTES}


class Past:
    """Asks about this node's past once per start, and answers others."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        membership: Membership,
        votes_of: VotesOf,
        on_retired: Callable[[], None],
    ) -> None:
        """`votes_of` tells what this node holds of a peer's votes on open jobs; `on_retired` is called when this node
        may not sign any more."""
        self._context = context
        self._ledger = ledger
        self._membership = membership
        self._votes_of = votes_of
        self._on_retired = on_retired
        self._unjudged: dict[JobId, list[SignedVote]] = {}
        self._asked: dict[PeerId, int] = {}
        self._answered: set[PeerId] = set()
        self._refused_at: dict[PeerId, float] = {}
        self._on_ready: Callable[[float], None] | None = None
        self._latest = 0.0
        self._warned = False
        self.retired = ""

    @property
    def retirement(self) -> str:
        """What became of the key and what to do, in one line; empty while it is in use."""
        advice = "put the newer store back, or move the key away and start with a new one"
        return f"key retired: {self.retired}; {advice}" if self.retired else ""

    @property
    def refusal(self) -> str:
        """Why this node signs nothing that its user wants of it now, in one line; empty while it does."""
        if self._context.ready:
            return ""
        return self.retirement or "this node is still starting, try again in a second"

    # ------------------------------------------------------------------------------------------ asking

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """What the disk holds: a key that was retired in a former life stays so."""
        self.retired = self.retired or meta.get(RETIRED, b"").decode(errors="replace")

    def start(self, now: float, on_ready: Callable[[float], None]) -> None:
        """Wait for answers, at most `self_query_s`; `on_ready` is called once this node may sign, never when its key
        has been retired."""
        if self.retired:
            self._tell_retired()
            return
        self._on_ready = on_ready
        self._latest = now + _PATIENCE * self._context.timing.self_query_s
        self._wait(now + self._context.timing.self_query_s)

    def _wait(self, until: float) -> None:
        self._context.timers.set(("past", "patience"), min(until, self._latest))

    def ask(self, now: float, peer: PeerId) -> None:
        """A member has turned up: ask it, once per start, also when this node did not wait for it."""
        if self.retired or peer in self._asked:
            return
        self._send_query(peer)
        self._ask_again_later(now)
        if self._on_ready is not None:
            self._wait(now + self._context.timing.self_query_s)

    def _send_query(self, peer: PeerId) -> None:
        self._asked[peer] = self._asked.get(peer, 0) + 1
        self._context.send(peer, SelfQuery(self._context.boot))

    def _ask_again_later(self, now: float) -> None:
        if ("past", "again") not in self._context.timers:
            again_s = _AGAIN * self._context.timing.self_query_s
            self._context.timers.set(("past", "again"), now + again_s)

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Whoever has not answered is asked again, and in the end not waited for."""
        if key[1] == "patience":
            self._finish(now)
            return
        missing = [
            peer for peer, times in self._asked.items() if peer not in self._answered and times < _QUERIES_MAX
        ]
        for peer in missing:
            self._send_query(peer)
        if missing and not self.retired:
            self._ask_again_later(now)

    def on_answer(self, now: float, sender: PeerId, message: SelfAnswer) -> None:
        """Compare what a peer has seen with what this disk holds."""
        if message.number != self._context.boot or self.retired:
            return
        self._judge(message)
        self._answered.add(sender)
        if self._on_ready is not None and self._asked and self._answered.issuperset(self._asked):
            # All who are known have answered; others may turn up in a moment.
            self._wait(now + _QUIET_S)

    def on_job(self, job: LedgerJob) -> None:
        """A job has come that peers may hold votes of this node for."""
        for vote in self._unjudged.pop(job.id, []):
            self._judge_vote(vote)

    def found(self, entry: Entry) -> None:
        """A record of this node has come from outside that it did not hold."""
        self.retire(f"peers hold record {entry.seq} of this key, which the store does not")

    # ---------------------------------------------------------------------------------------- answering

    def tell(self, asker: PeerId, number: int) -> None:
        """Tell what this node has seen of `asker`, whose start `number` asks."""
        chain = self._ledger.chains.authors.get(asker, AuthorChain())
        last = max([*chain.chain[-1:], *chain.extras.values()], key=lambda entry: entry.seq, default=None)
        member = self._membership.members.get(asker)
        record, alive = last.signed if last else b"", member.signed if member else b""
        votes = portions(
            self._votes_of(asker), lambda vote: len(vote.signed), limit("records_per_message_max")
        )
        self._context.send(asker, SelfAnswer(number, record, next(votes, ()), alive))
        for portion in islice(votes, _ANSWERS_MAX - 1):
            self._context.send(asker, SelfAnswer(number, b"", portion, b""))

    def on_refused_frame(self, now: float, sender: PeerId, number: int) -> None:
        """A frame of `sender`'s start `number` is too old, or a repetition: it may not know its own past."""
        if now - self._refused_at.get(sender, -_REFUSALS_APART_S) < _REFUSALS_APART_S:
            return
        if sender in self._membership.members:
            self._refused_at[sender] = now
            self.tell(sender, number)

    def forget(self, peer: PeerId) -> None:
        """A member is gone."""
        self._refused_at.pop(peer, None)
        self._asked.pop(peer, None)
        self._answered.discard(peer)

    # ------------------------------------------------------------------------------------------ judging

    def _judge(self, message: SelfAnswer) -> None:
        context = self._context
        try:
            if message.record:
                self._judge_record(check_record(context.crypto, message.record, context.config.network))
            if message.alive:
                self._judge_alive(check(context.crypto, message.alive, st.Alive, context.config.network))
            for vote in message.votes:
                self._judge_vote(vote)
        except StatementError:
            context.dropped["bad_statement"] += 1

    def _judge_record(self, seen: Entry) -> None:
        own = self._ledger.chains.authors.get(self._context.me, AuthorChain())
        if seen.author == self._context.me and seen.seq > own.highest_seq():
            self.retire(f"peers hold record {seen.seq} of this key, the store ends at {own.head_seq}")

    def _judge_alive(self, alive: st.Alive) -> None:
        """Until this node is ready only; a copy of the key that turns up later is told of as a problem."""
        newer = alive.author == self._context.me and alive.incarnation > self._membership.incarnation
        if newer and self._on_ready is not None:
            self.retire("peers have heard of a later start of this key than the store has")
        elif newer and not self._warned:
            self._warned = True
            self._context.outbox.notify(
                "problem",
                text="peers have heard of a later start of this key than this one: is the store an old backup, or does "
                "another participant run with a copy of the key?",
            )

    def _judge_vote(self, vote: SignedVote) -> None:
        """Of an open job the pen knows all that this node has said. A job that has not come yet is waited for: it may
        also be one that was decided and forgotten here."""
        kind = _VOTES.get(vote.phase)
        if kind is None:
            return
        said = check(self._context.crypto, vote.signed, kind, self._context.config.network)
        if said.author != self._context.me:
            return
        job = self._ledger.jobs.get(said.job)
        if job is None:
            waiting = self._unjudged.setdefault(said.job, [])
            if vote not in waiting and len(self._unjudged) <= limit("open_jobs_max"):
                waiting.append(vote)
        elif not job.final and not self._context.pen.has_said(said.job, said.epoch, vote.phase, vote.signed):
            self.retire(f"peers hold a vote of this key ({vote.phase}) that the store does not")

    def retire(self, why: str) -> None:
        """This key must not sign again: its disk is older than its word."""
        if not self.retired:
            self.retired = why
            self._context.pen.close()
            self._end_asking()
            self._on_retired()
            self._context.outbox.withdraw()
            self._context.outbox.write(PutMeta(RETIRED, why.encode()))
            self._tell_retired()

    def _tell_retired(self) -> None:
        self._context.outbox.notify("problem", text=self.retirement)

    def _finish(self, now: float) -> None:
        if self._membership.outlived:
            self.retire("peers have heard of a later start of this key than the store has")
        on_ready = self._end_asking()
        if on_ready is not None:
            self._context.pen.open()
            on_ready(now)

    def _end_asking(self) -> Callable[[float], None] | None:
        on_ready, self._on_ready = self._on_ready, None
        self._context.timers.clear(("past", "patience"))
        return on_ready
