"""Who may make a replica forget: nobody against its own records, and of strangers to it nobody at all."""

from mesh_core.effects import Effect, JobOptions, Notify, Tick
from mesh_core.identity.statement import digest
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.record import make_record
from mesh_core.ledger.snapshot import Cut, encoded
from mesh_core.node import Node
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Truncated

RETAINED = 24


def mesh(queries: int, retained: int = RETAINED) -> World:
    """Six providers that have answered some questions."""
    world = World(Setup("checkpoints", retained_records=retained))
    world.start()
    world.run_for(2.0)
    for number in range(queries):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    return world


def node_of(world: World, name: str) -> Node:
    node = world.hosts[name].node
    assert node is not None
    return node


def signed_by(world: World, names: list[str], body: st.Checkpoint) -> tuple[bytes, ...]:
    """What these keys would say next, whether they hold it for true or not."""
    records = []
    for name in names:
        host = world.hosts[name]
        chain = node_of(world, "node1").ledger.chains.authors.get(host.peer, AuthorChain())
        place = (chain.head_seq + 1, chain.head_hash, 0, "checkpoint", body)
        records.append(make_record(world.keys.crypto(name), "local", host.peer, *place))
    return tuple(records)


def told(effects: list[Effect], kind: str) -> bool:
    return any(isinstance(effect, Notify) and effect.kind == kind for effect in effects)


def a_cut(node: Node) -> Cut:
    """Everything that a node holds."""
    chains = node.ledger.chains.authors
    return Cut.of({author: type(held.base)(held.head_seq, held.head_hash) for author, held in chains.items()})


def test_records_of_decided_jobs_are_dropped_everywhere_and_the_root_stays() -> None:
    world = mesh(12)
    nodes = [node_of(world, name) for name in world.hosts]
    assert len({node.ledger.state_root() for node in nodes}) == 1
    for host in world.hosts.values():
        assert host.node is not None
        assert host.node.ledger.collapsed >= 36
        assert len(host.disk.statements) < 4 * RETAINED
        assert len(host.node.ledger.jobs) < 4 * RETAINED / 4
        assert {job for job, _, _ in host.disk.votes} <= host.node.ledger.jobs.keys()
    assert all(
        query.finished and not query.failed for query in node_of(world, OPERATOR).queries.queries.values()
    )


def test_a_mesh_that_is_asked_nothing_checkpoints_nothing() -> None:
    world = mesh(8)
    world.run_for(10.0)
    records = len(node_of(world, "node1").ledger.chains)
    world.run_for(60.0)
    assert len(node_of(world, "node1").ledger.chains) == records


def test_the_word_of_keys_without_credit_is_worth_nothing() -> None:
    world = mesh(1, retained=4096)
    world.join("node7")
    world.join("node8")
    world.run_for(3.0)
    world.submit("node7", "why?", [1], JobOptions(), "s1")
    world.submit("node8", "why?", [1], JobOptions(), "s2")
    world.run_for(2.0)
    body = st.Checkpoint(digest(b"cut"), digest(b"snapshot"), bytes(32), 10_000)
    victim = node_of(world, "node1")
    records = signed_by(world, ["node7", "node8"], body)
    victim.checkpoints.on_truncated(victim.context.now, world.hosts["node7"].peer, Truncated(records))
    assert victim.context.dropped["bad_checkpoint"] == 1 and len(victim.blobs) == 0


def test_the_word_of_few_electors_is_not_enough() -> None:
    world = mesh(1, retained=4096)
    body = st.Checkpoint(digest(b"cut"), digest(b"snapshot"), bytes(32), 10_000)
    victim = node_of(world, "node1")
    records = signed_by(world, ["node2", "node3", "node4"], body)
    victim.checkpoints.on_truncated(victim.context.now, world.hosts["node2"].peer, Truncated(records))
    assert victim.context.dropped["bad_checkpoint"] == 1


def test_a_node_believes_its_own_records_more_than_all_electors() -> None:
    world = mesh(1, retained=4096)
    victim = node_of(world, "node1")
    cut = a_cut(victim)
    body = st.Checkpoint(victim.blobs.put(encoded(cut)), digest(b"lie"), bytes(32), cut.records)
    root, held = victim.ledger.state_root(), len(victim.ledger.chains)
    for signed in signed_by(world, ["node2", "node3", "node4", "node5"], body):
        victim.replication.ingest(victim.context.now, world.hosts["node2"].peer, signed)
    effects = victim.step(victim.context.now, Tick())
    assert told(effects, "alarm")
    assert victim.ledger.state_root() == root and len(victim.ledger.chains) == held + 4
    assert victim.ledger.collapsed == 0


def test_an_elector_signs_only_what_it_finds_itself() -> None:
    world = mesh(1, retained=4096)
    elector = node_of(world, "node1")
    cut = a_cut(elector)
    body = st.Checkpoint(elector.blobs.put(encoded(cut)), digest(b"lie"), bytes(32), cut.records)
    seq = elector.ledger.chains.authors[elector.peer].head_seq
    for signed in signed_by(world, ["node2"], body):
        elector.replication.ingest(elector.context.now, world.hosts["node2"].peer, signed)
    elector.step(elector.context.now, Tick())
    assert elector.ledger.chains.authors[elector.peer].head_seq == seq


def test_a_job_of_long_ago_that_is_shown_again_is_neither_stored_nor_promised() -> None:
    world = mesh(1, retained=RETAINED)
    node = node_of(world, "node1")
    first = next(iter(node.ledger.jobs.values())).entry
    for number in range(1, 10):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    assert first.hash not in node.ledger.jobs and node.ledger.chains.is_closed(first.author, first.seq)
    held, paid = len(node.ledger.jobs), node.ledger.state_root()
    node.replication.ingest(node.context.now, world.hosts["node2"].peer, first.signed)
    assert node.context.dropped["record_covered"] == 1
    assert (len(node.ledger.jobs), node.ledger.state_root()) == (held, paid)


def test_a_submitter_that_was_away_gets_answers_that_the_others_have_collapsed() -> None:
    world = mesh(2)
    world.submit(OPERATOR, "why?", range(3), JobOptions(), "late")
    world.run_for(0.05)
    world.crash(OPERATOR)
    world.run_for(3.0)
    for number in range(20):
        world.submit("node1", "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(2.0)
    others = node_of(world, "node2").ledger
    late = [
        job
        for job in world.hosts[OPERATOR].disk.statements.values()
        if others.chains.is_closed(job.author, job.seq)
    ]
    assert late, "the others have collapsed records that the submitter still has"
    world.start(OPERATOR)
    world.run_for(8.0)
    operator = node_of(world, OPERATOR)
    assert all(query.finished and not query.failed for query in operator.queries.queries.values())
    assert operator.ledger.state_root() == node_of(world, "node2").ledger.state_root()
