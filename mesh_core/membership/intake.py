"""Statements from others: decode, rule, and only then verify what would change something.

A signature check costs as much as a hundred other steps, and nearly every statement that arrives is known
already. What is wrong is counted by cause in `rejected` and otherwise ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import StatementError, check, peek
from mesh_core.membership.arrivals import Arrivals
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.membership.precedence import Assertion, Ruling, ruling
from mesh_core.membership.presence import Presence
from mesh_core.membership.probe import Prober
from mesh_core.membership.suspects import Suspects
from mesh_core.wire.messages import Gossip, Update
from mesh_core.wire.statements import Accusation, Alive, Signed

_PEER_BYTES = 32
_KINDS: dict[str, type[Alive] | type[Accusation]] = {"alive": Alive, "accusation": Accusation}


@dataclass(eq=False)
class Intake:
    """Takes updates and hands each to whom it concerns. Everything handed on is verified."""

    _context: Context
    _roster: Roster
    _own: OwnStatement
    _prober: Prober
    _suspects: Suspects
    _presence: Presence
    _arrivals: Arrivals

    def __post_init__(self) -> None:
        self.rejected: Counter[str] = Counter()

    def take(self, now: float, sender: PeerId, updates: Sequence[Update]) -> None:
        """Take all updates of one message; a sender that holds other incarnations is answered once."""
        most = limit("updates_per_message_max")
        if len(updates) > most:
            self.rejected["too_many"] += len(updates) - most
        answers: dict[PeerId, Update] = {}
        for update in updates[:most]:
            statement = self._decode(update)
            if isinstance(statement, Alive):
                answer = self._take_alive(now, sender, statement, update.signed)
            elif isinstance(statement, Accusation):
                answer = self._take_accusation(now, sender, statement, update.signed)
            else:
                continue
            if answer is not None:
                answers[statement.author if isinstance(statement, Alive) else statement.subject] = answer
        if answers:
            self._context.send_at_once(sender, Gossip(tuple(answers.values())))

    def _take_alive(self, now: float, sender: PeerId, alive: Alive, signed: Signed) -> Update | None:
        assertion: Assertion = "left" if alive.left else "alive"
        if alive.author == self._context.me:
            verdict = ruling(assertion, "me", alive.incarnation, self._own.incarnation)
            if verdict is Ruling.REFUTE and self._verify(signed, Alive):
                self._presence.outbid(now, alive.incarnation)
            return self._own.update if verdict is Ruling.ANSWER else None
        member = self._roster.get(alive.author)
        if member is None:
            if self._may_enter(sender, alive) and self._verify(signed, Alive):
                self._arrivals.introduce(now, alive, signed)
            return None
        verdict = ruling(assertion, member.state, alive.incarnation, member.incarnation)
        if verdict is Ruling.APPLY and self._verify(signed, Alive):
            self._arrivals.renew(now, member, alive, signed)
        return Update("alive", member.signed) if verdict is Ruling.ANSWER else None

    def _take_accusation(
        self, now: float, sender: PeerId, accusation: Accusation, signed: Signed
    ) -> Update | None:
        if accusation.author in {self._context.me, accusation.subject}:
            return None
        if accusation.subject == self._context.me:
            verdict = ruling("accused", "me", accusation.incarnation, self._own.incarnation)
            if verdict is Ruling.REFUTE and self._verify(signed, Accusation):
                self._presence.accused(now, sender, accusation.author)
            return self._own.update if verdict is Ruling.ANSWER else None
        member = self._roster.get(accusation.subject)
        if member is None:
            return None
        verdict = ruling("accused", member.state, accusation.incarnation, member.incarnation)
        if verdict is Ruling.APPLY:
            self._weigh(now, member, accusation, signed)
        return Update("alive", member.signed) if verdict is Ruling.ANSWER else None

    def _weigh(self, now: float, member: Member, accusation: Accusation, signed: Signed) -> None:
        """An accusation of what is held here: it counts, or it is at most a reason to look."""
        if not self._suspects.counts(now, accusation.author):
            if member.state == "alive" and now - member.answered > self._context.timing.probe_period_s:
                self._prober.probe(now, member.peer)
        elif self._suspects.would_count(member, accusation.author) and self._verify(signed, Accusation):
            self._suspects.accused(now, member, accusation.author, signed)

    def _may_enter(self, sender: PeerId, alive: Alive) -> bool:
        if alive.left:
            return False
        if len(alive.author) != _PEER_BYTES:
            self.rejected["malformed"] += 1
            return False
        if not self._roster.has_room(hearsay=sender != alive.author):
            self.rejected["no_room"] += 1
            return False
        return True

    def _decode(self, update: Update) -> Alive | Accusation | None:
        kind = _KINDS.get(update.kind)
        if kind is None:
            self.rejected["unknown_kind"] += 1
            return None
        if len(update.signed) > limit("membership_statement_bytes_max"):
            self.rejected["too_large"] += 1
            return None
        try:
            statement = peek(update.signed, kind)
        except StatementError:
            self.rejected["malformed"] += 1
            return None
        if statement.network != self._context.config.network:
            self.rejected["other_network"] += 1
            return None
        return statement

    def _verify(self, signed: Signed, kind: type[Alive] | type[Accusation]) -> bool:
        try:
            check(self._context.crypto, signed, kind, self._context.config.network)
        except StatementError:
            self.rejected["bad_signature"] += 1
            return False
        return True
