"""Checkpoints: how old records are dropped, and how a node that was away for longer than they are kept catches up.

An *elector* finds for itself what the records below a cut come to, and says so in `checkpoint` records; rounds of two
votes (`rounds.py`) decide on one cut for each height, and on who elects the next. Every replica that finds the same itself
then drops what the cut covers. A node that lacks covered records, and hears that its peers have dropped them, takes the
snapshot on the word of the electors it knows, or of those who took over from them.

A node that can compare believes nobody: it acts on its own result. An elector that cannot, because it lacks records that
it may never be able to take, follows what a quorum has prevoted for, and adopts the snapshot like anybody who was away.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.adoption import Adoption
from mesh_core.checkpoint.catch_up import CatchUp
from mesh_core.checkpoint.cuts import Cuts, ReadCut
from mesh_core.checkpoint.decision import Decision
from mesh_core.checkpoint.elector import Elector
from mesh_core.checkpoint.electors import Certificate
from mesh_core.checkpoint.findings import Findings, Verdict
from mesh_core.checkpoint.look import LOOK, look_at
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.proposals import Proposals
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import JobId, PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.proofs import Prove
from mesh_core.ledger.record import Entry
from mesh_core.ledger.sync import Replication
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Prevoted


class Checkpoints:
    """This node's part in checkpoints: composes the machines of this package and tells them what happens."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        replication: Replication,
        blobs: Blobs,
        live: Callable[[], list[PeerId]],
        retire: Callable[[str], None],
        prove: Prove,
        is_taken: Callable[[JobId], bool],
    ) -> None:
        """`retire` is told that the mesh knows more of this key than its disk does; `prove` takes two votes of one elector
        for one slot; `is_taken` tells jobs that this node has taken in."""
        config = context.config
        self._context = context
        self._newest = newest = Newest(blobs, tuple(sorted(set(config.electors[: limit("committee_max")]))))
        self._cuts = cuts = Cuts(context, blobs, newest)
        self.findings = findings = Findings(context, ledger, replication, newest, cuts)
        self._marks = marks = Marks(
            ledger, config.retained_records, findings.may_pay, findings.is_trusted_at_cut
        )
        self._proposals = proposals = Proposals(context, ledger, is_taken, newest, marks, cuts, findings)
        self._elector = elector = Elector(
            context, ledger, replication, live, prove, newest, marks, findings, proposals
        )
        self._adoption = adoption = Adoption(
            context, ledger, replication, blobs, newest, marks, cuts, findings, elector
        )
        self.catch_up = CatchUp(context, ledger, blobs, retire, newest, cuts, findings, elector, adoption)
        self._alarmed_at = 0

    @property
    def height(self) -> int:
        """The number of the newest checkpoint, 0 before the first."""
        return self._newest.height

    @property
    def electors(self) -> tuple[PeerId, ...]:
        """Who elects the next checkpoint."""
        return self._newest.electors

    @property
    def base(self) -> bytes:
        """The name of the snapshot that this replica goes on from, empty when it holds all records."""
        return self._newest.snapshot

    def needs(self, blob: bytes) -> bool:
        """Whether a blob is what this node goes on from, or a cut that is talked about, or the result of a job that is
        covered and that its submitter may be waiting for."""
        return self._newest.needs(blob) or blob in self._cuts

    # ---------------------------------------------------------------------------------- start and resume

    def restore(self, meta: Mapping[str, bytes]) -> None:
        """Begin with the newest snapshot, before any record is folded."""
        self._adoption.restore(meta)

    def resume(self, now: float) -> None:
        """This node may sign: mark where it is, and look at what others have said meanwhile."""
        self._marks.resume()
        self._context.timers.set(LOOK, now)

    # --------------------------------------------------------------------------------------- what happens

    def on_record(self, entry: Entry) -> None:
        """A record has come: one of this kind is a vote, and all others together are what is to be dropped."""
        if isinstance(entry.body, st.Checkpoint):
            # It does not count as one of many: else checkpoints alone would cause the next.
            self._elector.hear(entry, entry.body)
            self._help_along(entry.author, entry.body)
            return
        self._marks.count()
        if self._context.ready and self.electors and self._marks.is_full():
            self._marks.mark()
            if self._elector.is_due():
                look_at(self._context.timers, self._context.now)

    def _help_along(self, author: PeerId, body: st.Checkpoint) -> None:
        """An elector goes on with rounds of a height that is decided here: what decided it may have come here only."""
        newest = self._newest
        late = body.height < newest.height or (body.height == newest.height and body.round > newest.round)
        others = set(newest.electors) - {self._context.me}
        if late and author in others and self._elector.elects and self._context.ready:
            self.catch_up.offer(self._context.now, author)

    def on_prevoted(self, now: float, sender: PeerId, message: Prevoted) -> None:
        """An elector shows what binds it."""
        self._elector.on_prevoted(now, sender, message)

    def on_cut(self, now: float, need: ReadCut) -> None:
        """The cut that an elector speaks of is here."""
        self._cuts.come(need.cut)
        look_at(self._context.timers, now)

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Look at what electors say, and at whether it is this one's turn."""
        decided = self._elector.rounds.decided()
        if decided is not None:
            self._act_on(now, *decided)
        elif self._context.ready and self._elector.elects:
            self._elector.take_part(now)

    def _act_on(self, now: float, finding: st.Finding, certificate: Certificate) -> None:
        """A quorum has decided: go by it if this node finds the same."""
        height = self.height + 1
        verdict = self._elector.judge(now, finding)
        if verdict is Verdict.SAME:
            cut = self._elector.fetch_cut(now, finding)
            found = self.findings.compute(cut) if cut is not None else None
            if found is not None:
                changes = (certificate,) if finding.electors != self.electors else ()
                self._adoption.adopt(now, found, Decision(height, finding, certificate, changes))
                self.catch_up.give_up()
        elif verdict is Verdict.OTHER and self._alarmed_at != height:
            self._alarmed_at = height
            self._context.outbox.notify(
                "alarm", text="most electors sign a checkpoint that this node's own records contradict"
            )
