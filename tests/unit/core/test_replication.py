"""Replication among replicas some of which hold what others have no room for."""

from __future__ import annotations

import msgspec
import pytest

from mesh_core import config
from mesh_core.config import limit
from mesh_core.effects import Send
from mesh_core.ledger.chain import FULL, Chains
from mesh_core.ledger.record import FIRST_PREV, Entry, make_record, read_record
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire.codec import FrameCodec
from mesh_core.wire.messages import Digest, Records, Vector
from tests.unit.core.people import NETWORK, People, Person, take

FORKS = 300


def forks(author: Person, count: int, place: int = 1, tell: str = "") -> list[Entry]:
    """So many different records for one place."""
    return [author.record("note", f"{tell} {number}", seq=place, prev=FIRST_PREV) for number in range(count)]


def keep(chains: Chains, entries: list[Entry]) -> None:
    """Take what there is room for."""
    for entry in entries:
        if entry.hash not in chains and chains.has_room(entry):
            chains.add(entry)


def frames_in(world: World, seconds: float) -> tuple[int, int]:
    """Frames and bytes on all links within so much time."""
    seen = [0, 0]

    def tap(_sender: bytes, _receiver: bytes, frame: bytes) -> None:
        seen[0] += 1
        seen[1] += len(frame)

    world.tap = tap
    world.run_for(seconds)
    world.tap = None
    return seen[0], seen[1]


def split_forger(world: World) -> None:
    """A stranger's forks of its first record, half of them to each half of the mesh."""
    peer, crypto = world.keys.key("stranger"), world.keys.crypto("stranger")
    codec = FrameCodec(me=peer, network="local", boot=1, crypto=crypto)
    names = list(world.hosts)
    for side in (0, 1):
        made = [
            make_record(crypto, "local", peer, 1, bytes(32), 0, "note", f"{side} {number} " + "x" * 400)
            for number in range(FORKS)
        ]
        for name in names[side::2]:
            for first in range(0, FORKS, 50):
                batch = Records(tuple(made[first : first + 50]))
                world.inject(name, codec.seal(world.hosts[name].peer, [batch])[0])


def test_a_strangers_forks_cost_the_mesh_little_more_than_what_it_has_sent() -> None:
    world = World(Setup(seed="forger"))
    world.start()
    world.run_for(5.0)
    _, quiet = frames_in(world, 2.0)
    split_forger(world)
    _, stirred = frames_in(world, 2.0)
    assert stirred - quiet < 8 << 20
    _, after = frames_in(world, 2.0)
    assert after < 2 * quiet
    vectors = {host.node.ledger.chains.vector_hash() for host in world.hosts.values() if host.node}
    assert len(vectors) == 1


def test_replicas_that_can_never_agree_fall_nearly_silent() -> None:
    world = World(Setup(seed="strangers", providers=2))
    world.start()
    world.run_for(3.0)
    for name in ("node1", OPERATOR):  # each has taken other strangers in, and has no room for any more
        node = world.hosts[name].node
        assert node is not None
        for number in range(limit("members_max")):
            peer, crypto = world.keys.key(f"{name} {number}"), world.keys.crypto(f"{name} {number}")
            signed = make_record(crypto, NETWORK, peer, 1, FIRST_PREV, 0, "note", "x")
            node.ledger.add(read_record(signed))
    world.run_for(60.0)
    _, after = frames_in(world, 60.0)
    assert after < 60 * (64 << 10)


def test_replicas_with_different_forks_of_an_author_that_is_full_agree() -> None:
    people = People()
    vectors = set()
    for side in ("one", "other"):
        chains = Chains()
        keep(chains, forks(people.submitter, FORKS, tell=side))
        (head,) = chains.vector()
        assert head.extras == (FULL,)
        vectors.add(chains.vector_hash())
    assert len(vectors) == 1


def test_there_is_room_for_an_earlier_fork_of_an_author_that_is_full() -> None:
    people = People()
    chains = Chains()
    author = people.submitter
    keep(chains, [author.record("note", number) for number in range(5)])
    keep(chains, forks(author, FORKS, place=5))
    (head,) = chains.vector()
    assert (head.seq, head.extras) == (4, (FULL,))
    keep(chains, forks(author, 1, place=3))
    (head,) = chains.vector()
    assert (head.seq, head.extras) == (2, (FULL,))


def test_what_an_author_wrote_before_it_forked_counts_where_the_fork_is_known_first() -> None:
    people = People()
    author = people.submitter
    honest = [author.record("note", number) for number in range(600)]
    chains = Chains()
    keep(chains, [*honest[:2], *forks(author, 1, place=2), *honest[2:]])
    assert all(entry.hash in chains for entry in honest)
    keep(chains, forks(author, 2 * FORKS, place=3))
    assert len(chains) <= 600 + limit("extras_per_author_max")


def test_a_repair_goes_on_only_while_it_brings_something_new() -> None:
    world = World(Setup(seed="more"))
    world.start()
    world.run_for(1.0)
    node = world.hosts["node1"].node
    assert node is not None
    author, crypto = world.keys.key("stranger"), world.keys.crypto("stranger")
    batch = Records((make_record(crypto, NETWORK, author, 1, FIRST_PREV, 0, "note", "x"),), more=True)
    peer = world.hosts["node2"].peer
    for digests in (1, 0):
        node.replication.on_records(node.context.now, peer, batch)
        sent = [one.message for one in node.context.outbox.take() if isinstance(one, Send) and one.to == peer]
        assert sum(isinstance(message, Digest) for message in sent) == digests


def test_what_decides_a_job_has_room_whoever_carries_it() -> None:
    people = People()
    ledger = people.ledger()
    job = people.submitter.record("job", people.job())
    ledger.add(job)
    carrier = people.providers[0]
    for entry in forks(carrier, FORKS):
        take(ledger, entry)
    value = people.value(carrier)
    bad = people.settlement(job.hash, value, people.providers[:3])
    good = people.settlement(job.hash, value, people.providers[:4])
    assert not take(ledger, carrier.record("settle", bad, seq=9, prev=bytes(32)))
    assert take(ledger, carrier.record("settle", good, seq=9, prev=bytes(32)))
    assert ledger.jobs[job.hash].final


def test_a_long_chain_behind_a_fork_is_bounded_for_each_author_and_in_all() -> None:
    people = People()
    chains = Chains()
    for number in range(12):
        author = people.person(f"forger{number}")
        keep(chains, forks(author, 2))
        author.seq, author.head = 1, next(iter(chains.authors[author.peer].extras))
        keep(chains, [author.record("note", number) for number in range(1_500)])
        assert len(chains.authors[author.peer].extras) <= limit("extras_linked_max")
    assert len(chains) <= limit("extras_total_max") + 2 * 12, "two records show that an author has forked"


def test_a_vector_stays_within_a_frame_whatever_a_disk_holds_and_names_all_in_turn() -> None:
    people = People()
    chains = Chains()
    for number in range(60):
        author = people.person(f"forger{number}")
        for entry in forks(author, 2):
            chains.add(entry)
        author.head, author.seq = entry.hash, 1
        for place in range(700):
            chains.add(author.record("note", place))
    named: set[bytes] = set()
    for _ in range(30):
        heads = chains.vector()
        assert len(msgspec.msgpack.encode(Vector(heads))) < limit("frame_bytes_target")
        named |= {head.author for head in heads if head.extras != (FULL,)}
    assert len(named) == 60


def test_replicas_that_hold_a_flood_behind_forks_still_repair_what_differs_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(config._LIMIT, "stray_records_total_max", 1 << 20)
    world = World(Setup(seed="flood", providers=2))
    world.start()
    world.run_for(3.0)
    nodes = [host.node for host in world.hosts.values() if host.node is not None]
    people = People(world.keys)
    for number in range(5):
        author = people.person(f"forger{number}")
        entries = forks(author, 2)
        author.seq, author.head = 1, entries[-1].hash
        entries += [author.record("note", place) for place in range(7_200)]
        for count, node in enumerate(nodes):  # what an earlier version has taken in differs, and is kept
            for entry in entries[: len(entries) - 100 * count]:
                node.ledger.add(entry)
    missing = people.person("elsewhere").record("note", "x")
    nodes[0].ledger.add(missing)
    world.run_for(10.0)
    assert all(missing.hash in node.ledger.chains for node in nodes)


def test_a_decided_job_reaches_replicas_whose_room_for_its_submitter_was_filled_otherwise() -> None:
    people = People()
    world = World(Setup(seed="filled", keys=people.vault))
    world.start()
    world.run_for(1.0)
    submitter = people.submitter
    job = submitter.record("job", people.job(), seq=500, prev=b"p" * 32)
    value = people.value(people.providers[0])
    settled = people.providers[1].record("settle", people.settlement(job.hash, value, people.providers[:4]))
    names = list(world.hosts)
    for name in names:
        node = world.hosts[name].node
        assert node is not None
        first = [job] if name == names[0] else []
        filling = [
            submitter.record("note", f"{name}", seq=1_000 + number, prev=b"p" * 32)
            for number in range(limit("extras_per_author_max"))
        ]
        for entry in [*first, *filling]:
            if node.ledger.has_room(entry):
                node.ledger.add(entry)
    for name in names:
        host = world.hosts[name]
        assert host.node is not None
        host.node.replication.ingest(host.node.context.now, host.peer, settled.signed)
        host.act(host.node.context.outbox.take())

    def differ() -> bool:
        return len({host.node.ledger.state_root() for host in world.live() if host.node}) > 1

    assert differ()
    assert world.run_while(differ, 20.0)
    assert all(host.node.ledger.jobs[job.hash].settle for host in world.live() if host.node)
