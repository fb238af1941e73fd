"""What a holder that lies has settled reaches everybody, however much it forks."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.record import Entry, make_record
from mesh_core.node import Node
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from tests.unit.core.people import People, Person
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


def fill_up(author: Person) -> list[Entry]:
    """Records behind a gap, as many as an author may leave."""
    numbers = range(2, limit("extras_per_author_max") + 2)
    return [author.record("note", "", seq=number, prev=bytes(32)) for number in numbers]


def settled_by_friends(
    people: People, submitter: Person, guest: bytes, number: int
) -> tuple[Entry, st.SettleCertificate]:
    """A job that two keys decide between themselves, with a seat for somebody who was not asked."""
    one, two = people.person("one"), people.person("two")
    seats = (
        st.Seat(submitter.peer, 1),
        st.Seat(one.peer, 16),
        st.Seat(two.peer, 16),
        st.Seat(guest, 1),
    )
    job = submitter.record("job", people.job(committee=seats, index=number))
    value = st.Value("cancelled", b"", 0, "why not", one.peer, 0)
    return job, people.settlement(job.hash, value, [one, two])


def ingest(world: World, names: Iterable[str], entries: Iterable[Entry]) -> None:
    for name in names:
        node = node_of(world, name)
        for entry in entries:
            node.replication.ingest(node.context.now, node.peer, entry.signed)


def calm_world(people: People, *customers: Person, retained: int = 4096) -> World:
    """Three providers that trust the operator and these customers, but not each other."""
    credit = dict.fromkeys([people.vault.key(OPERATOR), *(one.peer for one in customers)], 10**9)

    def trusting(spec: HostSpec) -> HostSpec:
        return replace(spec, config=replace(spec.config, credit=credit))

    world = World(Setup("friends", providers=3, keys=people.vault, alter=trusting, retained_records=retained))
    world.start()
    world.run_for(2.0)
    return world


def settlements_of(node: Node, author: bytes) -> list[bytes]:
    """The jobs whose settlement an author has recorded, as one replica holds it."""
    held = node.ledger.chains.authors.get(author, AuthorChain())
    return [entry.body.job for entry in held.entries() if isinstance(entry.body, st.SettleCertificate)]


def test_what_strangers_settle_among_themselves_is_recorded_by_nobody_else_and_reaches_everybody() -> None:
    people = People()
    world = calm_world(people)
    stranger, scribe = people.person("stranger"), people.person("scribe")
    guests = [world.hosts[name].peer for name in world.hosts if name != OPERATOR]
    made = [settled_by_friends(people, stranger, guests[number % 3], number) for number in range(30)]
    places = range(1_000, 1_000 + len(made))
    records = [
        scribe.record("settle", settled, seq=seq, prev=bytes(32))
        for (_, settled), seq in zip(made, places, strict=True)
    ]
    ingest(world, world.hosts, [*(job for job, _ in made), *fill_up(scribe)])
    ingest(world, ["node1"], records)
    nodes = [node_of(world, name) for name in world.hosts]
    assert all(scribe.peer in node.ledger.chains.full() for node in nodes)
    assert len({node.ledger.state_root() for node in nodes}) == 2
    assert world.run_while(lambda: len({node.ledger.state_root() for node in nodes}) > 1, 60.0)
    assert all(job.final for node in nodes for job in node.ledger.jobs.values())
    world.run_for(10.0)
    assert not any(settlements_of(node, guest) for node in nodes for guest in guests)


def test_a_settlement_that_members_record_again_costs_them_nothing_where_it_is_known_already() -> None:
    people = People()
    customer, scribe = people.person("customer"), people.person("scribe")
    world = calm_world(people, customer)
    guest = world.hosts["node1"].peer
    made = [settled_by_friends(people, customer, guest, number) for number in range(30)]
    records = [
        scribe.record("settle", settled, seq=1_000 + number, prev=bytes(32))
        for number, (_, settled) in enumerate(made)
    ]
    ingest(world, world.hosts, [*(job for job, _ in made), *fill_up(scribe), *records])
    nodes = [node_of(world, name) for name in world.hosts]
    assert all(job.final for node in nodes for job in node.ledger.jobs.values())
    world.run_for(10.0)
    assert all(sorted(settlements_of(node, guest)) == sorted(job.hash for job, _ in made) for node in nodes)
    charged = limit("extras_per_author_max") + len(records)
    assert {node.ledger.budget.count for node in nodes} == {charged}, "the scribe alone is charged"


@pytest.mark.parametrize("who", ["stranger", "customer"])
def test_a_settlement_on_the_side_of_a_fork_that_a_cut_drops_is_kept_if_the_job_could_be_paid(
    who: str,
) -> None:
    people = People()
    world = calm_world(people, people.person("customer"), retained=24)
    guest, forger, friends = world.hosts["node1"].peer, people.person("forger"), people.person("one")
    template, settled = settled_by_friends(people, people.person(who), guest, 1)
    job = people.person(who).record("job", template.body, seq=9, prev=bytes(32))
    settled = people.settlement(job.hash, settled.value, [friends, people.person("two")])
    others = [name for name in world.hosts if name != "node1"]
    ingest(world, ["node1"], [job, forger.record("settle", settled, seq=1, prev=bytes(32))])
    ingest(world, others, [forger.record("note", number) for number in range(5)])
    apart = world.split([["node1"], others])
    for number in range(12):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    assert node_of(world, "node1").ledger.jobs[job.hash].final
    world.mend(apart)
    nodes = [node_of(world, name) for name in world.hosts]
    world.run_for(10.0)
    assert all(node.checkpoints.height > 0 for node in nodes)
    assert len({node.ledger.state_root() for node in nodes}) == 1
    is_kept = who == "customer"
    assert {node.ledger.jobs[job.hash].final for node in nodes} == {is_kept}
    assert all(settlements_of(node, guest) == [job.hash] * is_kept for node in nodes)
