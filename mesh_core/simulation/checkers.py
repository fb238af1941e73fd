"""Feeds the invariants from a world while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mesh_core.effects import Notify, PeerId, PutStatement, PutVote, Write
from mesh_core.identity.statement import peek
from mesh_core.ledger.record import read_record
from mesh_core.simulation import at_rest
from mesh_core.simulation import invariants as inv
from mesh_core.simulation.crypto import KeyMaterial
from mesh_core.simulation.facts import Facts
from mesh_core.simulation.host import Host
from mesh_core.simulation.invariants import Invariant, Violation
from mesh_core.simulation.world import World
from mesh_core.wire import statements as st

INVARIANTS: tuple[type[Invariant], ...] = (
    inv.OneLeaseHolder,
    inv.OneProposal,
    inv.NoEquivocation,
    inv.NothingLeavesUnwritten,
    inv.NothingSignedUnready,
    inv.NothingGoesBack,
    inv.NothingReopens,
    inv.OneCut,
    inv.OneSettledValue,
    inv.AcceptedStaysStored,
    inv.NothingEndsUndecided,
    inv.SharesOnlyAtHolders,
    inv.NoAlarm,
    inv.NoKeyRetired,
    inv.QueuesBounded,
    inv.BalancesSumToZero,
    at_rest.MembershipTrue,
    at_rest.OldBackupsAreNoticed,
    at_rest.OldRecordsAreDropped,
    at_rest.BooksAreKept,
    at_rest.NothingStaysForNothing,
    at_rest.EveryJobEnds,
    at_rest.EveryQueryEnds,
    at_rest.RootsEqual,
    at_rest.ResultsStayStored,
    at_rest.ReplayGivesSameRoot,
)


class Checkers:
    """Feeds a set of invariants from a world. Is a `Watcher`."""

    def __init__(
        self,
        world: World,
        *,
        invariants: Sequence[type[Invariant]] = INVARIANTS,
        liars: frozenset[PeerId] = frozenset(),
        backups_are_noticed: bool = False,
        strict: bool = False,
    ) -> None:
        self.facts = Facts(world, liars, backups_are_noticed=backups_are_noticed, strict=strict)
        self._all = [invariant(self.facts) for invariant in invariants]
        self._promise = self._listeners("on_promise")
        self._proposal = self._listeners("on_proposal")
        self._vote = self._listeners("on_vote")
        self._writing = self._listeners("on_writing")
        self._settle_vote = self._listeners("on_settle_vote")
        self._signed = self._listeners("on_signed")
        self._record = self._listeners("on_record")
        self._notice = self._listeners("on_notice")
        self._key_material = self._listeners("on_key_material")
        self._look = self._listeners("on_look")
        world.keys.on_key_material = self._on_key_material
        sending = self._listeners("on_sending")
        if sending:
            world.listen(lambda host, message: self._tell(sending, host, message))
        world.watch(self)

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        """Tell the invariants what a node has made durable of its own decisions, before it is. Raises Violation."""
        for listener in self._writing:
            listener(host, writes)

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """Tell the invariants what became durable. Raises Violation."""
        for write in writes:
            if isinstance(write, PutStatement):
                self._on_statement(host, write)
            elif isinstance(write, PutVote):
                self._on_vote(host, write)

    def notified(self, host: Host, notify: Notify) -> None:
        """Tell the invariants what a node reported."""
        if notify.kind == "job_accepted":
            self.facts.count_accepted(notify.fields["job"])
        for listener in self._notice:
            listener(host, notify)

    def look(self) -> None:
        """Look at what is not reported."""
        for listener in self._look:
            listener()

    def unrest(self) -> Violation | None:
        """The first invariant that does not hold at rest yet, or None when the world is at rest."""
        for invariant in self._all:
            reason = invariant.at_rest()
            if reason is not None:
                return Violation(invariant.name, reason)
        return None

    def end(self) -> None:
        """Look once more, at everything. Raises Violation."""
        self.look()
        for invariant in self._all:
            invariant.at_end()

    def _on_key_material(self, material: KeyMaterial) -> None:
        for listener in self._key_material:
            listener(material)

    def _on_statement(self, host: Host, write: PutStatement) -> None:
        entry = read_record(write.signed)
        if isinstance(entry.body, st.Job) and self.facts.add_job(entry) is not None:
            for early_host, vote in self.facts.take_early(entry.hash):
                self._on_vote(early_host, vote)
        if isinstance(entry.body, st.SettleCertificate):
            self.facts.count_certificate(entry.body)
        for listener in self._record:
            listener(host, entry)

    def _on_vote(self, host: Host, write: PutVote) -> None:
        job = self.facts.jobs.get(write.job)
        if job is None:
            self.facts.early(host, write)
            return
        self._tell(self._signed, host, write)
        if write.phase == "promise":
            promise = peek(write.signed, st.Promise)
            self.facts.count_promise(job, promise)
            self._tell(self._promise, host, job, promise, write.signed)
        elif write.phase == "propose":
            self._tell(self._proposal, host, job, peek(write.signed, st.Proposal), write.signed)
        elif write.phase == "accept":
            vote = peek(write.signed, st.AcceptVote)
            self.facts.count_vote(job, vote)
            self._tell(self._vote, host, job, vote, write.signed)
        elif write.phase == "settle":
            settle_vote = peek(write.signed, st.SettleVote)
            self.facts.count_settle_vote(job, settle_vote)
            self._tell(self._settle_vote, host, job, settle_vote, write.signed)

    @staticmethod
    def _tell(listeners: list[Any], *facts: Any) -> None:
        for listener in listeners:
            listener(*facts)

    def _listeners(self, hook: str) -> list[Any]:
        """The invariants' own methods for `hook`; those that only inherit it cost nothing."""
        silent = getattr(Invariant, hook)
        return [getattr(each, hook) for each in self._all if getattr(type(each), hook) is not silent]
