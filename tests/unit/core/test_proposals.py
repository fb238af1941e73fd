"""What one elector proposes, one that sees the same welcomes: else rounds would pass in vain."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from msgspec import structs

from mesh_core import config
from mesh_core.checkpoint.proposals import Proposals
from mesh_core.effects import JobOptions, PeerId
from mesh_core.identity.statement import digest
from mesh_core.ledger.record import make_record
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st

QUESTIONS = 12


def quiet(world: World) -> None:
    pass


def an_elector_goes_and_another_forks(world: World) -> None:
    """The seats of both are for others, and of what the second has written nothing can be covered any more."""
    world.kill("node5")
    node = world.hosts["node1"].node
    assert node is not None
    forger = world.hosts["node6"].peer
    forged = make_record(world.keys.crypto("node6"), "local", forger, 1, bytes(32), 0, "note", "forged")
    node.replication.ingest(node.context.now, world.hosts["node2"].peer, forged)


def strangers_write(world: World) -> None:
    node = world.hosts["node1"].node
    assert node is not None
    for number in range(3):
        name, prev = f"stranger{number}", bytes(32)
        for seq in range(1, 4):
            signed = make_record(
                world.keys.crypto(name), "local", world.keys.key(name), seq, prev, 0, "note", seq
            )
            node.replication.ingest(node.context.now, world.hosts["node2"].peer, signed)
            prev = digest(signed[:-64])


def a_job_is_taken_in_that_no_snapshot_would_keep(world: World) -> None:
    """A provider that pays with its earnings has made up a committee that never decides it."""
    node = world.hosts["node1"].node
    assert node is not None
    own = next(iter(node.ledger.jobs.values())).job
    seats = tuple(st.Seat(world.keys.key(f"nobody{number}"), 1) for number in range(6))
    sham = structs.replace(own, label="sham", committee=(*seats, st.Seat(node.peer, 1)))
    job = node.replication.append(node.context.now, "job", sham).hash
    world.run_for(1.0)
    for host in world.hosts.values():
        if host.node is not None:
            host.node.admission.take(host.node.ledger.jobs[job])


@pytest.mark.parametrize("earners", [False, True])
@pytest.mark.parametrize(
    "happens",
    [
        quiet,
        an_elector_goes_and_another_forks,
        strangers_write,
        a_job_is_taken_in_that_no_snapshot_would_keep,
    ],
)
def test_what_one_proposes_one_that_sees_the_same_welcomes(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[World], None], earners: bool
) -> None:
    monkeypatch.setitem(config._LIMIT, "earner_jobs_max", 0)
    welcomed: list[bool] = []
    propose = Proposals.own

    def own(self: Proposals, round_: int, present: Collection[PeerId]) -> st.Finding | None:
        finding = propose(self, round_, present)
        if finding is not None:
            cut = self._cuts.fetch(self._context.now, finding.cut, ())
            assert cut is not None
            welcomed.append(self.welcomes(finding, cut, present))
        return finding

    monkeypatch.setattr(Proposals, "own", own)
    world = World(Setup("proposals", retained_records=24, earners=earners))
    world.start()
    world.run_for(2.0)
    for number in range(QUESTIONS):
        if number == QUESTIONS // 3:
            happens(world)
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    assert len(welcomed) >= 3 and all(welcomed)
