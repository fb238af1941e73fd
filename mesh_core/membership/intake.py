"""Statements from others: decode, rule, and only then verify what would change something.

A signature check costs as much as a hundred other steps, and nearly every statement that arrives is known
already. What is wrong is counted by cause in `rejected` and otherwise ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mesh_core.config import Timing, limit
from mesh_core.effects import Outbox, PeerId
from mesh_core.identity.crypto import Crypto
from mesh_core.identity.statement import StatementError, check, peek
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.own import OwnStatement
from mesh_core.membership.precedence import Claim, Ruling, ruling
from mesh_core.membership.suspects import Suspects
from mesh_core.wire.messages import Gossip, Update
from mesh_core.wire.statements import Accusation, Alive, Signed

_PEER_BYTES = 32
_KINDS: dict[str, type[Alive] | type[Accusation]] = {"alive": Alive, "accusation": Accusation}


class Intake:
    """Takes updates and says what follows from them.

    `introduce` is called with a newcomer's statement, `renew` with a member's newer one, `look` with a member
    that should be probed, `outbid` with an incarnation of this node's own former life, `refute` with who sent and
    who signed an accusation of this node. Everything handed on is verified.
    """

    def __init__(
        self,
        *,
        me: PeerId,
        network: str,
        timing: Timing,
        crypto: Crypto,
        outbox: Outbox,
        roster: Roster,
        own: OwnStatement,
        suspects: Suspects,
        introduce: Callable[[float, Alive, Signed], None],
        renew: Callable[[float, Member, Alive, Signed], None],
        look: Callable[[float, PeerId], None],
        outbid: Callable[[float, int], None],
        refute: Callable[[float, PeerId, PeerId], None],
    ) -> None:
        self._me = me
        self._network = network
        self._timing = timing
        self._crypto = crypto
        self._outbox = outbox
        self._roster = roster
        self._own = own
        self._suspects = suspects
        self._introduce = introduce
        self._renew = renew
        self._look = look
        self._outbid = outbid
        self._refute = refute
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
            self._outbox.send(sender, Gossip(tuple(answers.values())), after_disk=False)

    def _take_alive(self, now: float, sender: PeerId, alive: Alive, signed: Signed) -> Update | None:
        claim: Claim = "left" if alive.left else "alive"
        if alive.author == self._me:
            verdict = ruling(claim, "me", alive.incarnation, self._own.incarnation)
            if verdict is Ruling.REFUTE and self._verify(signed, Alive):
                self._outbid(now, alive.incarnation)
            return self._own.update if verdict is Ruling.ANSWER else None
        member = self._roster.get(alive.author)
        if member is None:
            if self._may_enter(sender, alive) and self._verify(signed, Alive):
                self._introduce(now, alive, signed)
            return None
        verdict = ruling(claim, member.state, alive.incarnation, member.incarnation)
        if verdict is Ruling.APPLY and self._verify(signed, Alive):
            self._renew(now, member, alive, signed)
        return Update("alive", member.signed) if verdict is Ruling.ANSWER else None

    def _take_accusation(
        self, now: float, sender: PeerId, accusation: Accusation, signed: Signed
    ) -> Update | None:
        if accusation.author in {self._me, accusation.subject}:
            return None
        if accusation.subject == self._me:
            verdict = ruling("accused", "me", accusation.incarnation, self._own.incarnation)
            if verdict is Ruling.REFUTE and self._verify(signed, Accusation):
                self._refute(now, sender, accusation.author)
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
            if member.state == "alive" and now - member.answered > self._timing.probe_period_s:
                self._look(now, member.peer)
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
        if statement.network != self._network:
            self.rejected["other_network"] += 1
            return None
        return statement

    def _verify(self, signed: Signed, kind: type[Alive] | type[Accusation]) -> bool:
        try:
            check(self._crypto, signed, kind, self._network)
        except StatementError:
            self.rejected["bad_signature"] += 1
            return False
        return True
