"""This node's part in elections: it hears all votes and, where it is an elector, votes itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.electors import acceptable, certified, eligible, rotated, successors
from mesh_core.checkpoint.findings import Findings, Found
from mesh_core.checkpoint.look import LOOK, look_at
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.rounds import NextVote, Rounds
from mesh_core.checkpoint.snapshot import Cut, encoded
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.record import Entry, read_record
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Backed

_QUORUM_RETRY_S = 2.0
"""While too few electors are there nobody votes; after this long they are counted again."""

_TURN_S = 1.0
"""In the first rounds each live elector waits this much longer than the one before it, so that one of them proposes; in
later ones as many times longer as the round is, for electors may have come to it at different times."""

_TRIES = 16
"""What a cut leaves out may make it forget what was paid for by that, and so on: so often it is drawn anew."""

_ROUND_S = 4.0
_ROUND_DOUBLINGS = 10
"""A round without a decision makes way for the next after so long, twice as long after every second one."""


@dataclass(eq=False)
class Elector:
    """The height that is to be decided next. `_prove` takes two votes of one elector for one slot; `_is_taken` tells jobs
    that this node has taken in."""

    _context: Context
    _ledger: Ledger
    _replication: Replication
    _live: Callable[[], list[PeerId]]
    _prove: Prove
    _is_taken: Callable[[JobId], bool]
    _newest: Newest
    _marks: Marks
    _cuts: Cuts
    _findings: Findings

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

    def on_backed(self, now: float, sender: PeerId, message: Backed) -> None:
        """Another elector shows what it is bound by."""
        electors = self.rounds.electors
        if sender not in electors:
            return
        crypto, network = self._context.crypto, self._context.config.network
        body = certified(crypto, network, electors, message.checkpoints, locked=False)
        if body is None:
            self._context.dropped["bad_checkpoint"] += 1
            return
        for signed in message.checkpoints:
            self.hear(read_record(signed), body)
        self.rounds.show_backed(body, message.checkpoints)

    def agrees(self, now: float, finding: st.Finding) -> bool | None:
        """Whether this node finds the same as those who vote for it; None when that has to wait."""
        return self._findings.agrees(now, finding, self.rounds.voters(finding))

    def cut_of(self, now: float, finding: st.Finding) -> Cut | None:
        """The cut that they vote about; None when it has to be fetched, or is none."""
        return self._findings.cut_of(now, finding, self.rounds.voters(finding))

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
            self._vote(now, vote.round, finding, locked=vote.locked)
        if self._waits():
            self._since = None
        else:
            look_at(self._context.timers, self._ends())

    def _current_round(self, now: float) -> int:
        """The round this elector is in."""
        reached = max(self.rounds.reached(), self.rounds.backed_in)
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
        return self.rounds.backed_in >= self._round and not self.rounds.stirring

    def _show_bound(self) -> None:
        """A round was in vain: perhaps because the others do not know what binds this elector."""
        last = self.rounds.last_backed(self._round)
        if last is not None:
            shown = Backed(self.rounds.proof(last.round))
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
                proposal = self._proposal(round_)
                if proposal is not None:
                    return proposal
            for finding in list(self.rounds.proposals(peer, round_)):
                if self.agrees(now, finding) and self._is_welcome(now, finding, present):
                    return finding
        return None

    def _follows(self, now: float, finding: st.Finding) -> bool:
        """Whether this elector votes for what a quorum has backed: unless it finds something else. It may lack records that
        it can never take, of a fork or of strangers who have used up their room differently here; but of that quorum more
        than may lie have found the same, or follow some that have."""
        return self.agrees(now, finding) is not False

    def _proposal(self, round_: int) -> st.Finding | None:
        """What this elector has found at the newest cut that leaves enough records, None when there is no such cut.

        Strangers may have given others different records, and there may be no room for all of them anywhere: every
        second round does without theirs.
        """
        found = self._found(strangers=round_ % 2 == 0)
        if found is None:
            return None
        cut = found.snapshot.cut
        if len(cut.trusted) > limit("trusted_max") or not _fits(found):
            return None
        self._cuts.put(encoded(cut))
        present = {self._context.me, *self._live()}
        liars = self._ledger.equivocators.keys()
        return found.says(successors(self.rounds.electors, present, liars, eligible(found.snapshot)))

    def _found(self, *, strangers: bool) -> Found | None:
        """What there is at that cut, which leaves out whatever this elector would not agree to forget."""
        without: frozenset[JobId] = frozenset()
        for _ in range(_TRIES):
            bases = self._marks.cut(self._newest.covered, strangers=strangers, without=without)
            found = self._findings.at(bases, self._marks.beyond(bases)) if bases is not None else None
            forgotten = self._forgotten(found) if found is not None else frozenset()
            if not forgotten:
                return found
            without |= forgotten
        return None

    def _forgotten(self, found: Found) -> frozenset[JobId]:
        """Jobs that a cut would tell nothing of although it covers them, or their settlement: jobs that somebody has paid who
        may pay, and undecided ones that were taken in here. The cut knows nothing of a payment to their submitter, or of
        their settlement, or there are more of them than there is room for. Open ones stop nobody for ever."""
        places = {head.author: head.seq for head in found.snapshot.cut.heads}

        def is_covered(job: LedgerJob) -> bool:
            settle = (
                job.settle if job.settle is not None and job.settle.hash in self._ledger.chains else job.entry
            )
            return any(entry.seq <= places.get(entry.author, 0) for entry in (job.entry, settle))

        return frozenset(
            job.id
            for job in self._ledger.jobs.values()
            if is_covered(job) and not found.tells_of(job)
            if (self._findings.may_pay(job.submitter) if job.final else self._is_awaited(job))
        )

    def _is_awaited(self, job: LedgerJob) -> bool:
        return self._is_taken(job.id) and not self._marks.is_old(job.id)

    def _is_welcome(self, now: float, finding: st.Finding, present: set[PeerId]) -> bool:
        """Whether this elector backs what another proposes and is true: it makes enough room and not too much, trusts whom
        this one trusts, sets no job apart of submitters who cannot pay, forgets no job that this one does not, and names
        electors this one agrees to."""
        cut = self.cut_of(now, finding)
        found = self._findings.compute(cut) if cut is not None else None
        if cut is None or found is None:
            return False
        me = self._context.me
        held = sum(chain.head_seq for chain in self._ledger.chains.authors.values())
        trusted = set(cut.trusted)
        others = found.submitters - {me}
        return (
            cut.records >= self._newest.covered + self._marks.step
            and held - cut.records >= self._context.config.retained_records // 2
            and _fits(found)
            and len(found.snapshot.apart) <= limit("snapshot_apart_max")
            and trusted <= found.submitters
            and all(self._findings.may_pay(peer) for peer in self._apart(cut))
            and all(self._findings.is_trusted(one) == (one in trusted) for one in others)
            and not self._forgotten(found)
            and acceptable(
                finding.electors,
                self.rounds.electors,
                present,
                self._ledger.equivocators.keys(),
                eligible(found.snapshot),
            )
        )

    def _apart(self, cut: Cut) -> set[PeerId]:
        """Whose jobs the records decide that a cut names beyond it: what is set apart stays until its place is covered."""
        held = self._ledger
        named = (held.chains.get(name) for name in cut.beyond)
        ids = (
            entry.hash if isinstance(entry.body, st.Job) else getattr(entry.body, "job", b"")
            for entry in named
            if entry is not None
        )
        return {held.jobs[job].submitter for job in ids if job in held.jobs}

    def _vote(self, now: float, round_: int, finding: st.Finding, *, locked: bool) -> None:
        body = st.Checkpoint(self.rounds.height, round_, locked, finding)
        self._replication.append(now, "checkpoint", body)


def _fits(found: Found) -> bool:
    return len(found.data) <= limit("blob_bytes_max")


def _longer(round_: int) -> float:
    return float(2 ** min(round_ // 2, _ROUND_DOUBLINGS))
