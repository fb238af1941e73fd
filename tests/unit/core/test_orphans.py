"""What a holder that lies has settled reaches everybody, however much it forks."""

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.ledger.record import make_record
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.unit.core.test_checkpoint import node_of


def test_a_settlement_in_a_chain_that_nobody_copies_any_more_is_recorded_again() -> None:
    world = World(Setup("orphans", providers=4))
    world.start()
    world.run_for(2.0)
    others = [name for name in world.hosts if name != "node4"]
    cut = world.split([["node4"], others])
    world.run_for(5.0)  # it is in no committee
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q1")
    world.run_for(4.0)
    settled = [job.settle for job in node_of(world, "node1").ledger.jobs.values() if job.settle is not None]
    liar = world.by_peer[settled[0].author]
    crypto = world.keys.crypto(liar.name)
    forks = [
        make_record(crypto, "local", liar.peer, 1, bytes(32), number, "note", "")
        for number in range(1, limit("extras_per_author_max") + 20)
    ]
    world.kill(liar.name)
    left = [name for name in world.hosts if name != liar.name]
    for name in left:
        node = node_of(world, name)
        for signed in forks:
            node.replication.ingest(node.context.now, node.peer, signed)
    world.mend(cut)
    world.run_for(20.0)
    assert len({node_of(world, name).ledger.state_root() for name in left}) == 1
    assert all(not node_of(world, name).ledger.open_jobs for name in left)
