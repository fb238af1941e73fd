"""Meshes whose electors are attacked, and who attacks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mesh_core.checkpoint.elector import Elector
from mesh_core.checkpoint.electors import rotated
from mesh_core.checkpoint.findings import Found
from mesh_core.effects import JobOptions, PeerId
from mesh_core.identity.statement import body_hash
from mesh_core.ledger.chain import Base
from mesh_core.ledger.record import Entry
from mesh_core.node import Node
from mesh_core.simulation.workload import QUICK, Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from tests.unit.core.people import Person

RETAINED = 24

Bases = Mapping[PeerId, Base]


def earners(seed: str, appetite: Appetite = QUICK, retained: int = RETAINED) -> World:
    """Six providers that have no credit, and are the electors, and an operator that has."""
    world = World(Setup(seed, retained_records=retained, earners=True, appetite=appetite))
    world.start()
    world.run_for(2.0)
    return world


def node_of(world: World, name: str) -> Node:
    """The node that runs there."""
    node = world.hosts[name].node
    assert node is not None
    return node


def up(world: World) -> list[Node]:
    """All nodes that run."""
    return [host.node for host in world.hosts.values() if host.node is not None and host.up]


def ask(world: World, count: int, every_s: float = 3.0) -> None:
    """Let the operator ask so many questions, one after the other."""
    for _ in range(count):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"at {world.now:.3f}")
        world.run_for(every_s)


def person(world: World, name: str) -> Person:
    """Whoever has the key of that name: a stranger that has no part in the mesh, or what a participant could sign."""
    return Person(name, world.keys.crypto(name), world.keys.key(name))


def show(world: World, names: Iterable[str], records: Iterable[Entry]) -> None:
    """Let these records come to those nodes, and to no others as yet."""
    records = list(records)
    for name in names:
        node = node_of(world, name)
        for entry in records:
            node.replication.ingest(node.context.now, node.peer, entry.signed)


def refuse_record(node: Node, name: bytes) -> None:
    """One record never comes to a node."""
    ingest = node.replication.ingest

    def without(now: float, sender: bytes, signed: bytes) -> Entry | None:
        return None if body_hash(signed) == name else ingest(now, sender, signed)

    node.replication.ingest = without  # type: ignore[method-assign]


def settlement(job: Entry, value: st.Value, voters: Iterable[Person]) -> st.SettleCertificate:
    """What these come to about a job when they vote for it."""
    votes = tuple(one.sign(st.AcceptVote("local", one.peer, job.hash, 1, value)) for one in voters)
    return st.SettleCertificate(job.hash, 1, value, votes)


@dataclass(eq=False)
class LyingElector:
    """An elector that, when it is the first whose turn it is, once proposes the true snapshot of a cut of its own making, and
    of that round precommits nothing unless it `precommits`.

    `_draw` makes the cut from the one that an honest elector would propose: how far it covers, and what it names beyond
    that, none for what an honest one would. `height` is where it has done so.
    """

    _world: World
    name: str
    _draw: Callable[[Bases], tuple[Bases, Iterable[bytes]]]
    precommits: bool = True
    height: int = 0
    _has_prevoted: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._elector = elector = node_of(self._world, self.name).checkpoints._elector
        self._honest = elector._proposals._found
        elector._proposals._found = self._found  # type: ignore[method-assign]
        elector._vote = self._vote  # type: ignore[method-assign]

    def _found(self, *, strangers: bool) -> Found | None:
        elector = self._elector
        turn = elector.rounds.height + elector._round
        honest = elector._marks.cut(elector._newest.covered)
        if self.height or honest is None or rotated(elector.rounds.electors, turn)[0] != elector._context.me:
            return self._honest(strangers=strangers)
        self.height = elector.rounds.height
        bases, beyond = self._draw(honest)
        return elector._findings.at(bases, tuple(sorted(beyond)) or elector._marks.beyond(bases))

    def _vote(self, now: float, round_: int, finding: st.Finding, *, precommit: bool) -> None:
        is_its_own = self._elector.rounds.height == self.height
        if is_its_own and not self.precommits and (precommit or self._has_prevoted):
            return
        self._has_prevoted |= is_its_own
        Elector._vote(self._elector, now, round_, finding, precommit=precommit)
