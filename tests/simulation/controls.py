"""Broken protocols that the checkers must catch: what shows that they would notice.

Each control turns one rule of docs/protocol.md off, in the simulator only, and names the invariant that must break
within `SEEDS_MAX` fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any
from unittest import mock

from mesh_core import node as node_module
from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.proposals import Proposals
from mesh_core.checkpoint.snapshot import Cut
from mesh_core.context import Doors, NodeConfig
from mesh_core.effects import Effect, PeerId, PutVote, Send, Stored, Write
from mesh_core.lease.ballot import Ballot
from mesh_core.lease.claim import Claim
from mesh_core.lease.holder import Holder
from mesh_core.lease.results import Results
from mesh_core.lease.witness import Witness
from mesh_core.node import Node
from mesh_core.quorum.committee import total_weight
from mesh_core.secrecy.envelope import my_share
from mesh_core.simulation.at_rest import BooksAreKept, EveryJobEnds, ResultsStayStored
from mesh_core.simulation.checkers import Checkers
from mesh_core.simulation.disk import Damage, Disk
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.invariants import (
    Invariant,
    NoEquivocation,
    NothingEndsUndecided,
    OneProposal,
    OneSettledValue,
    SharesOnlyAtHolders,
)
from mesh_core.simulation.liar import Liar, Vice
from mesh_core.simulation.perjury import CallsBlobsCuts, ProposesTheSnapshot
from mesh_core.simulation.vices import (
    HidesWhatItAccepted,
    PlantsValues,
    PromisesAnything,
    ProposesAnew,
    VotesForAnything,
)
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.simulation.ambush import Ambush
from tests.simulation.profiles import PROFILES, Profile
from tests.simulation.runner import Outcome, Plan, finish
from tests.simulation.scenario import Scenario

SEEDS_MAX = 500
LIAR = "node2"


_STRIKES = 40


class VotersCrash(Scenario):
    """Whoever votes for a value is likely to crash within milliseconds."""

    def schedule(self, checkers: Checkers) -> None:
        """Lay another ambush."""
        super().schedule(checkers)
        self._ambush("accept", self.happenings.crash)

    def _ambush(
        self, phase: str, blow: Callable[..., None], strikes: int = _STRIKES, soon_s: float = 0.015
    ) -> None:
        rng = self.dice["control"]

        def strike(name: str) -> None:
            self.happenings.strike_soon(rng.uniform(0.0, soon_s), name, (blow,))

        self.world.watch(Ambush(rng, phase=phase, strikes=strikes, odds=0.5, early=False, strike=strike))


class SettlersCrash(VotersCrash):
    """Whoever votes to settle a value is likely to crash within milliseconds."""

    def schedule(self, checkers: Checkers) -> None:
        """Lay another ambush."""
        super(VotersCrash, self).schedule(checkers)
        self._ambush("settle", self.happenings.crash)


class HalvedAtProposals(VotersCrash):
    """Right after a proposal the mesh splits in half, and only the liar reaches both sides."""

    def schedule(self, checkers: Checkers) -> None:
        """Lay another ambush."""
        super(VotersCrash, self).schedule(checkers)
        self._ambush("propose", self.happenings.halve, strikes=1, soon_s=0.0)


@dataclass(frozen=True, slots=True)
class Control:
    """A rule turned off: `alter` breaks hosts, `patch` breaks the core while a seed runs.

    `liar` names a host whose own statements are not held against it, and whom splits do not cut off.
    """

    rule: str
    caught_by: type[Invariant]
    profile: Profile
    alter: Callable[[HostSpec], HostSpec] | None = None
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext
    liar: str = ""
    scenario: type[Scenario] = Scenario

    def run(self, seed: int) -> Outcome:
        """One seed of the broken protocol, watched by the invariant that must notice."""
        with self.patch():
            scenario = self.scenario(f"{seed}/{self.rule}", self.profile, alter=self.alter, bridge=self.liar)
            liars = frozenset({scenario.world.hosts[self.liar].peer}) if self.liar else frozenset()
            checkers = Checkers(
                scenario.world, invariants=(self.caught_by, EveryJobEnds), liars=liars, strict=True
            )
            return finish(Plan(seed, self.rule), scenario, checkers)

    def seeds_until_caught(self, seeds_max: int = SEEDS_MAX) -> int | None:
        """How many seeds it takes until the named invariant breaks; None when it never does."""
        for seed in range(seeds_max):
            if self.run(seed).invariant == self.caught_by.name:
                return seed + 1
        return None


# -------------------------------------------------------------------------------- no fsync before a vote


class EagerDisk(Disk):
    """Says that a batch is durable as soon as it is written; a crash loses the votes that were not."""

    @property
    def acknowledged(self) -> int:
        """Everything written."""
        return self.written

    def append(self, writes: Sequence[Write]) -> int:
        """Write, and say at once that it is done."""
        position = super().append(writes)
        self.on_durable(writes)
        return position

    def end_sync(self) -> None:
        """Nobody waits for it."""
        told, self.on_durable = self.on_durable, _nobody
        super().end_sync()
        self.on_durable = told

    def crash(self, kept: float = 0.0) -> Damage:
        """Everything but the votes happened to be written back in time."""
        for batch in self._pending:
            self._apply(tuple(write for write in batch if not isinstance(write, PutVote)))
        return super().crash(0.0)


def _nobody(_writes: Sequence[Write]) -> None:
    pass


def _eager_disk(spec: HostSpec) -> HostSpec:
    return replace(spec, make_disk=EagerDisk, fsync_s=(0.2, 2.0))


# ---------------------------------------------------------------------------- quorums that do not intersect


@contextmanager
def _small_quorums() -> Iterator[None]:
    def half(job: st.Job) -> int:
        return total_weight(job) // 2

    modules = (
        "mesh_core.quorum.certificate",
        "mesh_core.lease.candidate",
        "mesh_core.lease.proposer",
        "mesh_core.market.auction",
    )
    with ExitStack() as patches:
        for module in modules:
            patches.enter_context(mock.patch(f"{module}.quorum", half))
        yield


# --------------------------------------------------------------------------------- a lying witness at f = 0


class KeepsQuiet(Vice):
    """Refuses nobody and passes no record on, so that nobody hears from it what was settled elsewhere."""

    about = "keeps quiet of what it knows"

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Keep it back."""
        quiet = isinstance(effect, Send) and isinstance(
            effect.message, ms.Refused | ms.Records | ms.Advertise | ms.Vector | ms.FetchRange
        )
        return () if quiet else (effect,)


# ------------------------------------------------------------------------------------ lies that are believed


@contextmanager
def _nothing_is_proven() -> Iterator[None]:
    def believe(*_args: object) -> None:
        pass

    with ExitStack() as patches:
        for module in ("mesh_core.quorum.certificate", "mesh_core.lease.candidate"):
            patches.enter_context(mock.patch(f"{module}.check_shown", believe))
        yield


@contextmanager
def _holders_are_trusted() -> Iterator[None]:
    with mock.patch("mesh_core.lease.voter.adopted", lambda promises: None):
        yield


# ------------------------------------------------------------------------------------------------- checkpoints


@contextmanager
def _cuts_are_what_is_called_so() -> Iterator[None]:
    known = Cuts.fetch

    def believe(self: Cuts, now: float, name: bytes, sources: Iterable[PeerId]) -> Cut | None:
        self._keep_name(name)
        return known(self, now, name, sources)

    with mock.patch.object(Cuts, "fetch", believe), _dropped_unasked(Cuts, "_let_go"):
        yield


@contextmanager
def _offers_keep_nothing() -> Iterator[None]:
    def nothing(self: Results) -> set[bytes]:
        return set()

    with mock.patch.object(Results, "names", nothing):
        yield


@contextmanager
def _dropped_unasked(machine: type[Any], name: str) -> Iterator[None]:
    """What this method of a machine lets go of is dropped, whatever else needs it."""
    known = getattr(machine, name)

    def let_go(self: Any, *args: object) -> None:
        with mock.patch.object(self._blobs, "_needed", lambda names: set()):
            known(self, *args)

    with mock.patch.object(machine, name, let_go):
        yield


@contextmanager
def _only_the_trusted_pay() -> Iterator[None]:
    def trusted_only(accounts: object, trusted: Iterable[PeerId]) -> frozenset[PeerId]:
        return frozenset(trusted)

    def nothing(self: Proposals, found: object) -> frozenset[bytes]:
        return frozenset()

    with ExitStack() as patches:
        for module in ("snapshot", "taking"):
            patches.enter_context(mock.patch(f"mesh_core.checkpoint.{module}.payers_of", trusted_only))
        # Otherwise they would elect no such cut.
        patches.enter_context(mock.patch.object(Proposals, "_forgotten", nothing))
        yield


def _with_vices(*vices: type[Vice]) -> Callable[[HostSpec], HostSpec]:
    """Makes the liar of a control."""

    def alter(spec: HostSpec) -> HostSpec:
        if spec.name != LIAR:
            return spec
        return replace(spec, make_node=partial(Liar, vices=vices, rng=Random(spec.name)))

    return alter


# ----------------------------------------------------------------------------------------- broken holders


class NeverAdopts(Holder):
    """Proposes its own value whatever the promises show."""

    def adopted_value(self, claim: Claim) -> st.Value | None:
        """Nothing."""
        return None


class NoProposalsDisk(Disk):
    """Keeps no proposals: after a restart its node has forgotten what it proposed, and runs its lease again."""

    def append(self, writes: Sequence[Write]) -> int:
        """Drop proposals."""
        kept = (write for write in writes if not (isinstance(write, PutVote) and write.phase == "propose"))
        return super().append(tuple(kept))


def _never_adopts(spec: HostSpec) -> HostSpec:
    return replace(spec, make_node=_node_with(Holder=NeverAdopts))


def _runs_again(spec: HostSpec) -> HostSpec:
    return replace(spec, make_disk=NoProposalsDisk)


# ------------------------------------------------------------------------------------ shares inside promises


class LeakyWitness(Witness):
    """Sends its share of the key along with its promise, before there is a lease."""

    def sign_promise(self, ballot: Ballot, epoch: int, holder: bytes) -> bytes:
        """Promise, and give the share away."""
        crypto = self._context.crypto
        share = my_share(crypto, ballot.job.job, self._context.me)
        if share is not None and holder != self._context.me:
            sealed = crypto.seal(holder, share)
            self._context.send(holder, ms.ShareRelease(ballot.job.id, epoch, sealed, False))
        return super().sign_promise(ballot, epoch, holder)


def _leaky(spec: HostSpec) -> HostSpec:
    return replace(spec, make_node=_node_with(Witness=LeakyWitness))


def _node_with(**parts: type[Any]) -> Callable[[NodeConfig, Doors, Stored, int], Node]:
    """Makes nodes in which the machines named are replaced."""

    def make(config: NodeConfig, doors: Doors, stored: Stored, boot: int) -> Node:
        with ExitStack() as patches:
            for name, part in parts.items():
                patches.enter_context(mock.patch.object(node_module, name, part))
            return Node(config, doors, stored, boot)

    return make


_AMBUSH = PROFILES["ambush"]
_LYING = replace(
    _AMBUSH,
    terms=((1, 1),),
    providers=(6,),
    ranges={**_AMBUSH.ranges, "partitions": (2, 4), "failing": (0.0, 0.2)},
)
_RESTLESS = replace(_AMBUSH, ranges={**_AMBUSH.ranges, "partitions": (2, 4), "crashes": (2, 4)})
_SPLITS = replace(PROFILES["partition"], ranges={**PROFILES["partition"].ranges, "ambushes": (2, 6)})
_PERJURY = replace(PROFILES["perjury"], rounds=2)
_LOCKING = replace(_PERJURY, rounds=4, ranges={**PROFILES["calm"].ranges, "short_memory": (1.0, 1.0)})
_EARNING = replace(
    PROFILES["forgetful"],
    ranges={**PROFILES["calm"].ranges, "short_memory": (1.0, 1.0), "earners": (1.0, 1.0)},
)
_EARNING_SLOWLY = replace(_EARNING, ranges={**_EARNING.ranges, "slow_disks": (1.0, 1.0), "loss": (0.1, 0.3)})

CONTROLS = (
    Control("no fsync before a vote", NoEquivocation, _AMBUSH, _eager_disk, scenario=VotersCrash),
    Control("quorums that do not intersect", OneSettledValue, _SPLITS, patch=_small_quorums),
    Control(
        "f = 0 with a lying witness",
        OneSettledValue,
        _AMBUSH,
        _with_vices(PromisesAnything, VotesForAnything, HidesWhatItAccepted, KeepsQuiet),
        liar=LIAR,
        scenario=HalvedAtProposals,
    ),
    Control(
        "f = 1, but what a promise shows needs no proof",
        OneSettledValue,
        _LYING,
        _with_vices(PlantsValues, VotesForAnything),
        patch=_nothing_is_proven,
        liar=LIAR,
        scenario=SettlersCrash,
    ),
    Control(
        "f = 1, but witnesses leave it to the holder what it must adopt",
        OneSettledValue,
        _LYING,
        _with_vices(ProposesAnew, VotesForAnything),
        patch=_holders_are_trusted,
        liar=LIAR,
        scenario=SettlersCrash,
    ),
    Control("no adopt rule", OneSettledValue, _RESTLESS, _never_adopts),
    Control(
        "a holder that runs again at the same epoch", OneProposal, _AMBUSH, _runs_again, scenario=VotersCrash
    ),
    Control("shares inside promises", SharesOnlyAtHolders, _AMBUSH, _leaky),
    Control(
        "what an elector calls a cut is dropped as one",
        ResultsStayStored,
        _PERJURY,
        _with_vices(CallsBlobsCuts),
        patch=_cuts_are_what_is_called_so,
        liar=LIAR,
    ),
    Control(
        "an old snapshot goes although it is locked as the result of an open job",
        EveryJobEnds,
        _LOCKING,
        _with_vices(ProposesTheSnapshot),
        patch=_offers_keep_nothing,
        liar=LIAR,
    ),
    Control(
        "a checkpoint keeps books of nobody but whom electors trust",
        BooksAreKept,
        _EARNING,
        patch=_only_the_trusted_pay,
    ),
    Control(
        "a checkpoint ends open jobs that electors have taken in",
        NothingEndsUndecided,
        _EARNING_SLOWLY,
        patch=_only_the_trusted_pay,
    ),
)
