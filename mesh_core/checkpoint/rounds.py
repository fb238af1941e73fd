"""How electors come to one checkpoint of a height: rounds of two votes each (after Tendermint, Buchman et al. 2018).

In a round an elector *backs* one finding. When a quorum backs the same, it *locks* that, and from then on backs nothing
else unless a quorum has backed something else in a later round. A quorum of locks in one round decides. Votes are records
of their authors' chains: they are durable before they are sent, reach everybody, and come back after a restart.

Two decisions at one height cannot be. Let B be decided in round r, and r' ≥ r the first round in which a quorum backs
another finding. The quorums share an elector that does not lie. For r' = r it has backed twice in a round. Else it had
locked B in round r before it backed the other, because nobody locks in a round before one in which it has backed; what
it has locked last is then B too, since between r and r' no quorum backs another; and what would have freed it is a quorum
for another in between. None of this is done by who does not lie.

What a quorum has backed binds whoever has seen it, and one of that quorum may have lied to the others, or shown its vote to
one elector only. So whoever is bound shows the others why (`proof`), else they would go on without it for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mesh_core.checkpoint.decision import Decision
from mesh_core.checkpoint.electors import Certificate, quorum
from mesh_core.effects import PeerId
from mesh_core.quorum.committee import bearable
from mesh_core.wire import statements as st

_KEPT_ROUNDS = 64
"""Of each elector so many of its highest rounds are looked at."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What was locked, or backed by a quorum, and in which round."""

    round: int
    finding: st.Finding


@dataclass(frozen=True, slots=True)
class NextVote:
    """A vote that the rules allow: to lock `finding` in `round`, or to back it there; it is free to choose what when that is
    None."""

    round: int
    locked: bool
    finding: st.Finding | None


@dataclass(eq=False)
class Rounds:
    """All votes on one height that have come, and what they bind this elector, `me`, to."""

    height: int
    electors: tuple[PeerId, ...]
    me: PeerId
    backed_in: int = -1
    lock: Bound | None = None
    _votes: dict[tuple[int, bool], dict[st.Finding, dict[PeerId, st.Signed]]] = field(default_factory=dict)
    _rounds: dict[PeerId, set[int]] = field(default_factory=dict)
    _said: dict[tuple[PeerId, int, bool], tuple[st.Finding, st.Signed]] = field(default_factory=dict)
    _twice: set[tuple[PeerId, int, bool]] = field(default_factory=set)
    _backed: dict[int, tuple[st.Finding, Certificate]] = field(default_factory=dict)
    _decided: tuple[st.Finding, Certificate] | None = None

    @property
    def quorum(self) -> int:
        """How many electors decide."""
        return quorum(len(self.electors))

    @property
    def stirring(self) -> bool:
        """Whether more electors have voted than may lie: somebody honest wants a decision."""
        return len(self._rounds) > bearable(len(self.electors))

    def hear(self, author: PeerId, body: st.Checkpoint, signed: st.Signed) -> st.Signed | None:
        """Count a vote; returns an earlier one of its author that contradicts it."""
        if author not in self.electors or body.height != self.height:
            return None
        if author == self.me:
            self._bind(body)
        rounds = self._rounds.setdefault(author, set())
        rounds.add(body.round)
        if len(rounds) > _KEPT_ROUNDS:
            self._drop(author, min(rounds))
        if body.round not in rounds:
            return None
        slot = self._votes.setdefault((body.round, body.locked), {})
        by = slot.setdefault(body.finding, {})
        by[author] = signed
        if len(by) >= self.quorum:
            self._has_quorum(body, tuple(by[peer] for peer in sorted(by)[: self.quorum]))
        before, first = self._said.setdefault((author, body.round, body.locked), (body.finding, signed))
        if before == body.finding:
            return None
        self._twice.add((author, body.round, body.locked))
        return first

    def _has_quorum(self, body: st.Checkpoint, votes: Certificate) -> None:
        if not body.locked:
            self._backed.setdefault(body.round, (body.finding, votes))
        elif self._decided is None:
            self._decided = body.finding, votes

    def show_backed(self, body: st.Checkpoint, votes: Certificate) -> None:
        """These votes of a quorum that backed have been checked: they count whatever has come here of each of their
        authors."""
        if body.height == self.height:
            self._has_quorum(body, votes)

    def show_decided(self, decision: Decision) -> None:
        """So have the votes of this decision."""
        if decision.height == self.height and self._decided is None:
            self._decided = decision.finding, decision.checkpoints

    def _bind(self, body: st.Checkpoint) -> None:
        if not body.locked:
            self.backed_in = max(self.backed_in, body.round)
        elif self.lock is None or body.round > self.lock.round:
            self.lock = Bound(body.round, body.finding)

    def _drop(self, author: PeerId, oldest: int) -> None:
        self._rounds[author].discard(oldest)
        for locked in (False, True):
            self._said.pop((author, oldest, locked), None)
            self._twice.discard((author, oldest, locked))
            for by in self._votes.get((oldest, locked), {}).values():
                by.pop(author, None)

    # ------------------------------------------------------------------------------------ what votes come to

    def decided(self) -> tuple[st.Finding, Certificate] | None:
        """What a quorum has locked in one round, with its votes."""
        return self._decided

    def last_backed(self, before: int) -> Bound | None:
        """What a quorum backed in the last round before `before` in which one did."""
        last = max((round_ for round_ in self._backed if round_ < before), default=None)
        return Bound(last, self._backed[last][0]) if last is not None else None

    def proof(self, round_: int) -> Certificate:
        """The votes of a quorum that backed the same in a round, none when that has not been seen."""
        return self._backed[round_][1] if round_ in self._backed else ()

    def reached(self) -> int:
        """The highest round that more electors than may lie have come to."""
        highest = sorted((max(rounds) for rounds in self._rounds.values() if rounds), reverse=True)
        most = bearable(len(self.electors))
        return highest[most] if len(highest) > most else 0

    def proposals(self, author: PeerId, round_: int) -> Iterator[st.Finding]:
        """What an elector backs in a round: one finding, and nothing that counts once it has backed two."""
        said = self._said.get((author, round_, False))
        if said is not None and (author, round_, False) not in self._twice:
            yield said[0]

    def voters(self, finding: st.Finding) -> list[PeerId]:
        """Who has voted for a finding."""
        return sorted({peer for slot in self._votes.values() for peer in slot.get(finding, {})})

    # ------------------------------------------------------------------------------------------ what is allowed

    def next_vote(self, round_: int) -> NextVote | None:
        """What this elector may say when it is in a round, None when it has said it. These are all rules that safety rests
        on; whether it does say it depends on what it finds itself, on who is there, and on its clock."""
        last = self.last_backed(round_ + 1)
        if last is not None and self._may_lock(last.round):
            return NextVote(last.round, True, last.finding)
        if self._may_back(round_):
            return NextVote(round_, False, self._bound(round_))
        return None

    def _may_back(self, round_: int) -> bool:
        """Whether this elector has not said anything in this round or a later one."""
        return self.backed_in < round_ and (self.lock is None or self.lock.round < round_)

    def _may_lock(self, round_: int) -> bool:
        """Whether this elector has backed nothing later, and locked nothing as late."""
        return self.backed_in <= round_ and (self.lock is None or self.lock.round < round_)

    def _bound(self, round_: int) -> st.Finding | None:
        """What this elector must back in a round if it backs anything; None when it is free."""
        last = self.last_backed(round_)
        if last is not None and (self.lock is None or last.round > self.lock.round):
            return last.finding
        return self.lock.finding if self.lock is not None else None
