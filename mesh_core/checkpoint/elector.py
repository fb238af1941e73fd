"""This node's part in elections: it hears all votes and, where it is an elector, votes itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.checkpoint.electors import certified, rotated
from mesh_core.checkpoint.findings import Findings, Verdict
from mesh_core.checkpoint.look import LOOK, look_at
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.proposals import Proposals
from mesh_core.checkpoint.rounds import NextVote, Rounds
from mesh_core.checkpoint.snapshot import Cut
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.record import Entry, read_record
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Prevoted

_QUORUM_RETRY_S = 2.0
"""While too few electors are there nobody votes; after this long they are counted again."""

_TURN_S = 1.0
"""In the first rounds each live elector waits this much longer than the one before it, so that one of them proposes; in
later ones as many times longer as the round is, for electors may have come to it at different times."""

_ROUND_S = 4.0
_ROUND_DOUBLINGS = 10
"""A round without a decision makes way for the next after so long, twice as long after every second one."""


@dataclass(eq=False)
class Elector:
    """The height that is to be decided next. `_prove` takes two votes of one elector for one slot."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _live: Callable[[], list[PeerId]]
    _prove: Prove
    _newest: Newest
    _marks: Marks
    _findings: Findings
    _proposals: Proposals

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A height is decided: votes on the next count."""
        newest = self._newest
        self.rounds = Rounds(newest.height + 1, newest.electors, self._context.me)
        self._round = 0
        self._since: float | None = None

    @property
    def elects(self) -> bool:
        """Whether this node is an elector."""
        return self._context.me in self._newest.electors

    def is_due(self) -> bool:
        """Whether this node is an elector, and there is a place for a cut."""
        return self.elects and self._marks.is_due(self._newest.covered)

    # -------------------------------------------------------------------------------------------- hearing

    def hear(self, entry: Entry, body: st.Checkpoint) -> None:
        """A vote has come."""
        other = self.rounds.hear(entry.author, body, entry.signed)
        if other is not None:
            self._prove("checkpoint", other, entry.signed)
        if body.height == self.rounds.height and entry.author in self._newest.electors:
            self._context.timers.set(LOOK, self._context.now)

    def hear_again(self, now: float) -> None:
        """Votes on this height may have come before the one below was decided here."""
        for elector in self._newest.electors:
            held = self._ledger.chains.authors.get(elector)
            for entry in list(held.entries()) if held is not None else ():
                if isinstance(entry.body, st.Checkpoint):
                    self.hear(entry, entry.body)
        look_at(self._context.timers, now)

    def on_prevoted(self, now: float, sender: PeerId, message: Prevoted) -> None:
        """Another elector shows what it is bound by."""
        electors = self.rounds.electors
        if sender not in electors:
            return
        crypto, network = self._context.crypto, self._context.config.network
        body = certified(crypto, network, electors, message.checkpoints, precommit=False)
        if body is None:
            self._context.dropped["bad_checkpoint"] += 1
            return
        for signed in message.checkpoints:
            self.hear(read_record(signed), body)
        self.rounds.show_prevoted(body, message.checkpoints)

    def judge(self, now: float, finding: st.Finding) -> Verdict:
        """Whether this node finds the same as those who vote for it."""
        return self._findings.judge(now, finding, self.rounds.voters(finding))

    def fetch_cut(self, now: float, finding: st.Finding) -> Cut | None:
        """The cut that they vote about; None while it is fetched, and when it is none."""
        return self._findings.fetch_cut(now, finding, self.rounds.voters(finding))

    # --------------------------------------------------------------------------------------------- voting

    def take_part(self, now: float) -> None:
        """Vote, if it is time to."""
        rounds, present = self.rounds, {self._context.me, *self._live()}
        if not rounds.stirring and not self.is_due():
            self._since = None  # a vote that nobody joins, and that may be a lie, lets no round pass
            return
        if len(present.intersection(rounds.electors)) < rounds.quorum:
            self._since = None
            look_at(self._context.timers, now + _QUORUM_RETRY_S)
            return
        vote = rounds.next_vote(self._current_round(now))
        finding = self._choice(now, vote, present) if vote is not None else None
        if vote is not None and finding is not None:
            self._vote(now, vote.round, finding, precommit=vote.precommit)
        if self._waits():
            self._since = None
        else:
            look_at(self._context.timers, self._ends())

    def _current_round(self, now: float) -> int:
        """The round this elector is in."""
        reached = max(self.rounds.reached(), self.rounds.prevoted_in)
        if self._since is None or reached > self._round:
            self._round, self._since = max(self._round, reached), now
        elif now >= self._ends():
            self._round, self._since = self._round + 1, now
            self._show_bound()
        return self._round

    def _ends(self) -> float:
        """When the round this elector is in ends, unless it waits."""
        assert self._since is not None
        return self._since + _ROUND_S * _longer(self._round)

    def _waits(self) -> bool:
        """Whether this elector has said what it has to say, and nobody honest need have heard that anything is due: it
        would only be far ahead of the others when they come."""
        return self.rounds.prevoted_in >= self._round and not self.rounds.stirring

    def _show_bound(self) -> None:
        """A round was in vain: perhaps because the others do not know what binds this elector."""
        last = self.rounds.last_prevoted(self._round)
        if last is not None:
            shown = Prevoted(self.rounds.proof(last.round))
            for peer in sorted(set(self.rounds.electors).intersection(self._live())):
                self._context.send(peer, shown)

    def _choice(self, now: float, vote: NextVote, present: set[PeerId]) -> st.Finding | None:
        """What to vote for: what the rules bind this elector to, else what one says whose turn has come, or itself."""
        if vote.finding is not None:
            return vote.finding if self._follows(now, vote.finding) else None
        assert self._since is not None
        round_ = vote.round
        order = rotated(self.rounds.electors, self.rounds.height + round_)
        live = [peer for peer in order if peer in present and peer not in self._ledger.equivocators]
        for rank, peer in enumerate(live):
            turn = self._since + rank * _TURN_S * _longer(round_)
            if now < turn:
                look_at(self._context.timers, turn)
                return None
            if peer == self._context.me:
                proposal = self._proposals.own(round_, present)
                if proposal is not None:
                    return proposal
            for finding in list(self.rounds.proposals(peer, round_)):
                if self._welcomes(now, finding, present):
                    return finding
        return None

    def _welcomes(self, now: float, finding: st.Finding, present: set[PeerId]) -> bool:
        """Whether this elector prevotes for what another proposes."""
        if self.judge(now, finding) is not Verdict.SAME:
            return False
        cut = self.fetch_cut(now, finding)
        return cut is not None and self._proposals.welcomes(finding, cut, present)

    def _follows(self, now: float, finding: st.Finding) -> bool:
        """Whether this elector votes for what a quorum has prevoted for: unless it finds something else. It may lack records that
        it can never take, of a fork or of strangers who have used up their room differently here; but of that quorum more
        than may lie have found the same, or follow some that have."""
        return self.judge(now, finding) is not Verdict.OTHER

    def _vote(self, now: float, round_: int, finding: st.Finding, *, precommit: bool) -> None:
        body = st.Checkpoint(self.rounds.height, round_, precommit, finding)
        self._replication.append(now, "checkpoint", body)


def _longer(round_: int) -> float:
    return float(2 ** min(round_ // 2, _ROUND_DOUBLINGS))
