"""Chains, gaps, forks, and the version vector over them."""

from mesh_core.ledger.chain import Chains
from mesh_core.ledger.record import FIRST_PREV
from tests.unit.core.people import People


def test_records_in_order_make_a_chain() -> None:
    alice, chains = People().submitter, Chains()
    for number in range(3):
        assert chains.add(alice.record("note", number)) == []
    (head,) = chains.vector()
    assert (head.seq, head.hash, head.extras) == (3, alice.head, ())


def test_a_record_behind_a_gap_is_an_extra_until_the_gap_closes() -> None:
    alice, chains = People().submitter, Chains()
    first, second, third = (alice.record("note", number) for number in range(3))
    chains.add(first)
    chains.add(third)
    (head,) = chains.vector()
    assert (head.seq, head.extras, chains.missing()) == (1, (third.hash,), 1)
    chains.add(second)
    (head,) = chains.vector()
    assert (head.seq, head.extras, chains.missing()) == (3, (), 0)


def test_two_records_at_one_place_are_a_conflict_whatever_comes_first() -> None:
    alice = People().submitter
    first = alice.record("note", "a")
    left = alice.record("note", "left")
    right = alice.record("note", "right", seq=2, prev=first.hash)
    vectors = []
    for order in ([first, left, right], [right, left, first], [left, first, right]):
        chains, conflicts = Chains(), 0
        for entry in order:
            conflicts += len(chains.add(entry))
        assert conflicts == 1
        vectors.append(chains.vector())
    assert vectors[0] == vectors[1] == vectors[2]
    assert vectors[0][0].seq == 1
    assert set(vectors[0][0].extras) == {left.hash, right.hash}


def test_the_chain_before_a_fork_is_completed_even_when_the_fork_is_known_first() -> None:
    alice, chains = People().submitter, Chains()
    first, second = alice.record("note", 1), alice.record("note", 2)
    left = alice.record("note", 3)
    right = alice.record("note", 4, seq=3, prev=second.hash)
    for entry in (left, right, first, second):
        chains.add(entry)
    (head,) = chains.vector()
    assert (head.seq, head.hash) == (2, second.hash)


def test_a_fork_deep_in_the_chain_takes_everything_after_it_off_the_chain() -> None:
    alice, chains = People().submitter, Chains()
    entries = [alice.record("note", number) for number in range(4)]
    for entry in entries:
        chains.add(entry)
    chains.add(alice.record("note", "other", seq=2, prev=entries[0].hash))
    (head,) = chains.vector()
    assert head.seq == 1
    assert len(head.extras) == 4


def test_extras_are_bounded_per_author() -> None:
    alice, chains = People().submitter, Chains()
    kept = 0
    for number in range(400):
        entry = alice.record("note", number, seq=number + 2, prev=FIRST_PREV)
        if chains.has_room(entry):
            chains.add(entry)
            kept += 1
    assert kept == 256


def test_what_lies_below_the_fork_of_an_author_that_is_full_still_completes_its_chain() -> None:
    """Whoever got the fork first would lack it for ever: of an author that is full only the chain is compared."""
    alice, chains = People().submitter, Chains()
    first, second, third = (alice.record("note", number) for number in range(3))
    chains.add(first)
    chains.add(third)
    for number in range(300):
        other = alice.record("note", f"other {number}", seq=3, prev=second.hash)
        if chains.has_room(other):
            chains.add(other)
    assert chains.full() == {alice.peer} and chains.has_room(second)
    chains.add(second)
    (head,) = chains.vector()
    assert head.seq == 2
    at_the_fork = alice.record("note", "one more", seq=3, prev=second.hash)
    assert not chains.has_room(at_the_fork)


def test_vector_hash_tells_replicas_with_different_forks_apart() -> None:
    alice = People().submitter
    first = alice.record("note", "a")
    left = alice.record("note", "left", seq=2, prev=first.hash)
    right = alice.record("note", "right", seq=2, prev=first.hash)
    one, other = Chains(), Chains()
    for chains, entry in ((one, left), (other, right)):
        chains.add(first)
        chains.add(entry)
    assert one.vector_hash() != other.vector_hash()
