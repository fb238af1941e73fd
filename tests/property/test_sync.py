"""Replication: two replicas with any parts of a history come to hold the same, and send each other little more than that."""

from __future__ import annotations

from collections import deque
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.config import FAST, limit
from mesh_core.context import Context, Doors, NodeConfig
from mesh_core.effects import PeerId, Send
from mesh_core.identity.statement import body_hash
from mesh_core.ledger.record import Entry
from mesh_core.ledger.sync import Replication
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People

ROUNDS_MAX = 6
"""Rounds of repair after which all that two replicas hold is held by both."""

MESSAGES_MAX = 24
"""Messages that two small replicas need to become equal, whatever they lack."""

PEOPLE = People()


def history() -> list[Entry]:
    """Four authors of some records each; one of them has forked, and goes on behind both sides."""
    entries: list[Entry] = []
    for person, count in zip(PEOPLE.providers, (12, 7, 1, 4), strict=False):
        entries += [person.record("note", [person.name, number]) for number in range(count)]
    forger = PEOPLE.providers[3]
    other = forger.record("note", "the other side", seq=3, prev=entries[-2].head.prev)
    behind = forger.record("note", "behind it", seq=4, prev=other.hash)
    return [*entries, other, behind]


HISTORY = history()


class Replica:
    """A ledger with its replication, and what that has sent."""

    def __init__(self, name: str) -> None:
        person = PEOPLE.person(name)
        self.peer = person.peer
        self.others: list[PeerId] = []
        self.sent: list[ms.Message] = []
        announcement = st.Announcement(name, "provider", (), 0, (), (), "")
        config = NodeConfig(NETWORK, person.peer, FAST, announcement, False, {})
        self.context = Context(config, Doors(person.crypto, Random(name), lambda: 0))
        self.ledger = PEOPLE.ledger()
        self.replication = Replication(self.context, self.ledger, lambda: self.others, lambda entry: None)

    def hold(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.ledger.add(entry)

    def handle(self, now: float, sender: PeerId, message: ms.Message) -> None:
        replication = self.replication
        match message:
            case ms.Records():
                replication.on_records(now, sender, message)
            case ms.Advertise():
                replication.on_advertise(now, sender, message)
            case ms.FetchRecords():
                replication.on_fetch(sender, message)
            case ms.Digest():
                replication.on_digest(sender, message)
            case ms.Vector():
                replication.on_vector(now, sender, message)
            case ms.FetchRange():
                replication.on_fetch_range(sender, message)
            case _:
                raise AssertionError(f"replication sends no {message}")

    def outgoing(self) -> list[Send]:
        sends = [effect for effect in self.context.outbox.take() if isinstance(effect, Send)]
        self.sent += [send.message for send in sends]
        return sends

    def records_sent(self) -> list[bytes]:
        return [
            body_hash(signed)
            for message in self.sent
            if isinstance(message, ms.Records)
            for signed in message.records
        ]


def meet(*replicas: Replica) -> None:
    for replica in replicas:
        replica.others = [other.peer for other in replicas if other is not replica]


def repair(*replicas: Replica, rng: Random, begins: Replica | None = None) -> int:
    """Rounds until all are equal: in each, everybody compares or only who `begins`, and what is sent arrives in any
    order."""
    by_peer = {replica.peer: replica for replica in replicas}
    for number in range(ROUNDS_MAX + 1):
        if len({replica.ledger.chains.vector_hash() for replica in replicas}) == 1:
            return number
        now = 10.0 * number
        under_way: deque[tuple[PeerId, Send]] = deque()
        for replica in replicas:
            replica.context.now = now
            for key in replica.context.timers.due(now):
                replica.replication.fire(now, key)  # type: ignore[arg-type]
            if begins in (None, replica):
                replica.replication.fire(now, ("sync", "repair"))
            under_way.extend((replica.peer, send) for send in replica.outgoing())
        while under_way:
            under_way.rotate(rng.randrange(len(under_way)))
            sender, send = under_way.popleft()
            receiver = by_peer[send.to]
            receiver.handle(now, sender, send.message)
            under_way.extend((receiver.peer, answer) for answer in receiver.outgoing())
    raise AssertionError("replicas do not come to hold the same")


PARTS = some.lists(some.sampled_from(HISTORY), unique_by=lambda entry: entry.hash)
RNG = some.integers(0, 2**32).map(Random)


@settings(max_examples=120, deadline=None)
@given(PARTS, PARTS, RNG)
def test_two_replicas_with_any_parts_of_a_history_come_to_hold_both(
    mine: list[Entry], yours: list[Entry], rng: Random
) -> None:
    one, other = Replica("one"), Replica("other")
    meet(one, other)
    one.hold(mine)
    other.hold(yours)
    repair(one, other, rng=rng)
    union = {entry.hash for entry in (*mine, *yours)}
    for replica in (one, other):
        assert {entry.hash for entry in HISTORY if entry.hash in replica.ledger.chains} == union
    assert one.ledger.state_root() == other.ledger.state_root()


def beyond_the_chain(entries: list[Entry]) -> set[bytes]:
    """Records in a stretch which their holder may have to ask for: behind one that it lacks, or behind a fork."""
    chains = PEOPLE.ledger().chains
    for entry in {entry.hash: entry for entry in entries}.values():
        chains.add(entry)
    return {name for held in chains.authors.values() for name in held.extras}


@settings(max_examples=120, deadline=None)
@given(PARTS, PARTS, RNG)
def test_little_more_is_sent_than_is_missing(mine: list[Entry], yours: list[Entry], rng: Random) -> None:
    one, other = Replica("one"), Replica("other")
    meet(one, other)
    one.hold(mine)
    other.hold(yours)
    repair(one, other, rng=rng)
    for sender, held, receiver in ((one, mine, yours), (other, yours, mine)):
        sent = sender.records_sent()
        missing = {entry.hash for entry in held} - {entry.hash for entry in receiver}
        # Nor does a sender know whose chain a record is in of which it lacks the one before.
        unclear = beyond_the_chain(receiver) | beyond_the_chain([*held, *receiver]) | beyond_the_chain(held)
        assert set(sent) <= missing | unclear, "what the other's vector covers is sent"
        # Both begin at once: what one pushes may be asked for as well, by hash and as part of a stretch.
        assert all(sent.count(name) <= 3 for name in set(sent))
    assert len(one.sent) + len(other.sent) <= MESSAGES_MAX


@settings(max_examples=60, deadline=None)
@given(some.lists(PARTS, min_size=3, max_size=5), RNG)
def test_several_replicas_come_to_hold_what_any_of_them_held(parts: list[list[Entry]], rng: Random) -> None:
    replicas = [Replica(f"replica{number}") for number in range(len(parts))]
    meet(*replicas)
    for replica, part in zip(replicas, parts, strict=True):
        replica.hold(part)
    repair(*replicas, rng=rng)
    union = {entry.hash for part in parts for entry in part}
    assert all(union == {e.hash for e in HISTORY if e.hash in one.ledger.chains} for one in replicas)


@settings(max_examples=8, deadline=None)
@given(some.integers(1, 3 * limit("records_per_message_max")), some.integers(0, 40), RNG)
def test_who_was_away_for_long_catches_up_a_message_at_a_time(count: int, own: int, rng: Random) -> None:
    people = People()
    author, writer = people.providers[:2]
    long = [author.record("note", number) for number in range(count)]
    short = [writer.record("note", number) for number in range(own)]
    one, other = Replica("one"), Replica("other")
    meet(one, other)
    one.hold(long)
    other.hold(short)
    batch = limit("records_per_message_max")
    assert repair(one, other, rng=rng) <= 2 + count // batch
    assert len(one.records_sent()) <= 3 * count + batch


PREFIXES = some.lists(some.integers(0, limit("records_per_message_max") // 3), min_size=3, max_size=3)


@settings(max_examples=12, deadline=None)
@given(PREFIXES, PREFIXES, some.booleans(), RNG)
def test_where_one_begins_and_a_message_is_enough_nothing_is_sent_twice(
    mine: list[int], yours: list[int], mine_begins: bool, rng: Random
) -> None:
    """Two replicas that hold the beginnings of the same chains."""
    people = People()
    chains = [
        [author.record("note", number) for number in range(max(lengths))]
        for author, lengths in zip(people.providers, zip(mine, yours, strict=True), strict=False)
    ]
    one, other = Replica("one"), Replica("other")
    meet(one, other)
    for replica, lengths in ((one, mine), (other, yours)):
        for chain, length in zip(chains, lengths, strict=True):
            replica.hold(chain[:length])
    assert repair(one, other, rng=rng, begins=one if mine_begins else other) <= 3
    sent = one.records_sent() + other.records_sent()
    assert len(set(sent)) == len(sent)
    assert len(sent) == sum(abs(a - b) for a, b in zip(mine, yours, strict=True))
