"""How electors come to one checkpoint of a height: rounds of two votes each (after Tendermint, Buchman et al. 2018).

In a round an elector *prevotes* for one finding. When a quorum prevotes for the same, it *precommits* that: it is locked on
it, and from then on prevotes for nothing else unless a quorum has prevoted for something else in a later round. A quorum of
precommits in one round decides. Votes are records of their authors' chains: they are durable before they are sent, reach
everybody, and come back after a restart.

Two decisions at one height cannot be. Let B be decided in round r, and r' ≥ r the first round in which a quorum prevotes for
another finding. The quorums share an elector that does not lie. For r' = r it has prevoted twice in a round. Else it had
precommitted B in round r before it prevoted for the other, because nobody precommits in a round before one in which it has
prevoted; what it has precommitted last is then B too, since between r and r' no quorum prevotes for another; and what would
have freed it is a quorum for another in between. None of this is done by who does not lie.

What a quorum has prevoted for binds whoever has seen it, and one of that quorum may have lied to the others, or shown its
vote to one elector only. So whoever is bound shows the others why (`proof`), else they would go on without it for ever.
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
    """What was precommitted, or prevoted for by a quorum, and in which round."""

    round: int
    finding: st.Finding


@dataclass(frozen=True, slots=True)
class NextVote:
    """A vote that the rules allow: to precommit `finding` in `round`, or to prevote for it there; it is free to choose for what
    when that is None."""

    round: int
    precommit: bool
    finding: st.Finding | None


@dataclass(eq=False)
class Rounds:
    """All votes on one height that have come, and what they bind this elector, `me`, to."""

    height: int
    electors: tuple[PeerId, ...]
    me: PeerId
    prevoted_in: int = -1
    lock: Bound | None = None
    _votes: dict[tuple[int, bool], dict[st.Finding, dict[PeerId, st.Signed]]] = field(default_factory=dict)
    _rounds: dict[PeerId, set[int]] = field(default_factory=dict)
    _said: dict[tuple[PeerId, int, bool], tuple[st.Finding, st.Signed]] = field(default_factory=dict)
    _twice: set[tuple[PeerId, int, bool]] = field(default_factory=set)
    _prevoted: dict[int, tuple[st.Finding, Certificate]] = field(default_factory=dict)
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
        slot = self._votes.setdefault((body.round, body.precommit), {})
        by = slot.setdefault(body.finding, {})
        by[author] = signed
        if len(by) >= self.quorum:
            self._has_quorum(body, tuple(by[peer] for peer in sorted(by)[: self.quorum]))
        before, first = self._said.setdefault((author, body.round, body.precommit), (body.finding, signed))
        if before == body.finding:
            return None
        self._twice.add((author, body.round, body.precommit))
        return first

    def _has_quorum(self, body: st.Checkpoint, votes: Certificate) -> None:
        if not body.precommit:
            self._prevoted.setdefault(body.round, (body.finding, votes))
        elif self._decided is None:
            self._decided = body.finding, votes

    def show_prevoted(self, body: st.Checkpoint, votes: Certificate) -> None:
        """These prevotes of a quorum have been checked: they count whatever has come here of each of their
        authors."""
        if body.height == self.height:
            self._has_quorum(body, votes)

    def show_decided(self, decision: Decision) -> None:
        """So have the votes of this decision."""
        if decision.height == self.height and self._decided is None:
            self._decided = decision.finding, decision.checkpoints

    def _bind(self, body: st.Checkpoint) -> None:
        if not body.precommit:
            self.prevoted_in = max(self.prevoted_in, body.round)
        elif self.lock is None or body.round > self.lock.round:
            self.lock = Bound(body.round, body.finding)

    def _drop(self, author: PeerId, oldest: int) -> None:
        self._rounds[author].discard(oldest)
        for precommit in (False, True):
            self._said.pop((author, oldest, precommit), None)
            self._twice.discard((author, oldest, precommit))
            for by in self._votes.get((oldest, precommit), {}).values():
                by.pop(author, None)

    # ------------------------------------------------------------------------------------ what votes come to

    def decided(self) -> tuple[st.Finding, Certificate] | None:
        """What a quorum has precommitted in one round, with its votes."""
        return self._decided

    def last_prevoted(self, before: int) -> Bound | None:
        """What a quorum prevoted for in the last round before `before` in which one did."""
        last = max((round_ for round_ in self._prevoted if round_ < before), default=None)
        return Bound(last, self._prevoted[last][0]) if last is not None else None

    def proof(self, round_: int) -> Certificate:
        """The prevotes of a quorum for the same in a round, none when that has not been seen."""
        return self._prevoted[round_][1] if round_ in self._prevoted else ()

    def reached(self) -> int:
        """The highest round that more electors than may lie have come to."""
        highest = sorted((max(rounds) for rounds in self._rounds.values() if rounds), reverse=True)
        most = bearable(len(self.electors))
        return highest[most] if len(highest) > most else 0

    def proposals(self, author: PeerId, round_: int) -> Iterator[st.Finding]:
        """What an elector prevotes for in a round: one finding, and nothing that counts once it has prevoted for two."""
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
        last = self.last_prevoted(round_ + 1)
        if last is not None and self._may_precommit(last.round):
            return NextVote(last.round, True, last.finding)
        if self._may_prevote(round_):
            return NextVote(round_, False, self._bound(round_))
        return None

    def _may_prevote(self, round_: int) -> bool:
        """Whether this elector has not said anything in this round or a later one."""
        return self.prevoted_in < round_ and (self.lock is None or self.lock.round < round_)

    def _may_precommit(self, round_: int) -> bool:
        """Whether this elector has prevoted for nothing later, and precommitted nothing as late."""
        return self.prevoted_in <= round_ and (self.lock is None or self.lock.round < round_)

    def _bound(self, round_: int) -> st.Finding | None:
        """What this elector must prevote for in a round if it prevotes at all; None when it is free."""
        last = self.last_prevoted(round_)
        if last is not None and (self.lock is None or last.round > self.lock.round):
            return last.finding
        return self.lock.finding if self.lock is not None else None
