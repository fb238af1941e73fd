"""A node's own past (PROTOCOL §4): before it signs anything after a start, it asks its peers what they have seen of it.

A record or promise of this node that its own disk does not hold means that the disk is an old backup. Signing on could
contradict what was signed before, so the key is retired: the node stays a reader and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId, PutMeta
from mesh_core.identity.statement import StatementError, check, peek
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import check_record
from mesh_core.wire import statements as st
from mesh_core.wire.messages import SelfAnswer, SelfQuery

_META = "retired"

_PATIENCE = 3
"""Newcomers that keep turning up put off the end by at most so many times `self_query_s`."""

_QUIET_S = 0.05
"""How long nobody new must turn up, once all have answered, before the past counts as known."""


class Past:
    """Asks about this node's past once per start, and answers others."""

    def __init__(self, context: Context, ledger: Ledger, promised: Callable[[JobId], int]) -> None:
        """`promised` tells the highest epoch that this node knows it may have promised for a job."""
        self._context = context
        self._ledger = ledger
        self._promised = promised
        self._asked: set[PeerId] = set()
        self._answered: set[PeerId] = set()
        self._on_ready: Callable[[float], None] | None = None
        self._latest = 0.0
        self._warned = False
        self.retired = ""

    @property
    def retirement(self) -> str:
        """What became of the key and what to do, in one line; empty while it is in use."""
        advice = "put the newer store back, or move the key away and start with a new one"
        return f"key retired: {self.retired}; {advice}" if self.retired else ""

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
        """A member has turned up while this node waits: ask it."""
        if self._on_ready is not None and peer not in self._asked:
            self._asked.add(peer)
            self._wait(now + self._context.timing.self_query_s)
            self._context.send(peer, SelfQuery(self._context.boot))

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Whoever has not answered by now is not waited for."""
        self._finish(now)

    def on_answer(self, now: float, sender: PeerId, message: SelfAnswer) -> None:
        """Compare what a peer has seen with what this disk holds."""
        if message.number != self._context.boot:
            return
        self._judge(message)
        self._answered.add(sender)
        if self._on_ready is not None and self._asked and self._asked <= self._answered:
            # All who are known have answered; others may turn up in a moment.
            self._wait(now + _QUIET_S)

    def answer(self, asker: PeerId, boot: int, number: int) -> SelfAnswer:
        """What this node has seen of `asker`."""
        chain = self._ledger.chains.authors.get(asker, AuthorChain())
        last = max([*chain.chain[-1:], *chain.extras.values()], key=lambda entry: entry.seq, default=None)
        promises: list[bytes] = []
        for job in self._ledger.open_jobs.values():
            if job.leases and len(promises) < limit("records_per_message_max"):
                certificate: st.LeaseCertificate = job.leases[job.epoch][1].body
                promises.extend(
                    signed for signed in certificate.promises if peek(signed, st.Promise).author == asker
                )
        return SelfAnswer(number, boot, last.signed if last else b"", tuple(promises))

    def _judge(self, message: SelfAnswer) -> None:
        context = self._context
        if message.boot > context.boot and not self._warned:
            self._warned = True
            context.outbox.notify(
                "problem",
                text=f"a peer has seen start {message.boot} of this key, this is start {context.boot}: is the store an old "
                "backup, or does another participant run with a copy of the key?",
            )
        try:
            if message.record:
                seen = check_record(context.crypto, message.record, context.config.network)
                own = self._ledger.chains.authors.get(context.me, AuthorChain())
                if seen.author == context.me and seen.seq > own.highest_seq():
                    self.retire(f"peers hold record {seen.seq} of this key, the store ends at {own.head_seq}")
            for signed in message.promises:
                promise = check(context.crypto, signed, st.Promise, context.config.network)
                if promise.author == context.me and promise.epoch > self._promised(promise.job):
                    self.retire("peers hold a promise of this key that the store does not")
        except StatementError:
            context.dropped["bad_statement"] += 1

    def retire(self, why: str) -> None:
        """This key must not sign again: its disk is older than its word."""
        if not self.retired:
            self.retired = why
            self._context.ready = False
            self._on_ready = None
            self._context.timers.clear(("past", "patience"))
            self._context.outbox.write(PutMeta(_META, why.encode()))
            self._tell_retired()

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """A key that was retired in a former life stays so."""
        self.retired = self.retired or meta.get(_META, b"").decode(errors="replace")

    def _tell_retired(self) -> None:
        self._context.outbox.notify("problem", text=self.retirement)

    def _finish(self, now: float) -> None:
        on_ready, self._on_ready = self._on_ready, None
        self._context.timers.clear(("past", "patience"))
        if on_ready is not None:
            self._context.ready = True
            on_ready(now)
