"""A set's hash follows additions and removals, whatever their order."""

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.ledger.set_hash import SetHash


def of(*elements: bytes) -> SetHash:
    sum_ = SetHash()
    for element in elements:
        sum_.add(element)
    return sum_


@settings(max_examples=40, deadline=None)
@given(some.lists(some.binary(max_size=8), unique=True, max_size=8))
def test_the_order_of_elements_does_not_matter(elements: list[bytes]) -> None:
    shuffled = sorted(elements, reverse=True)
    assert of(*elements).digest() == of(*shuffled).digest()


def test_what_is_taken_out_leaves_no_trace() -> None:
    sum_ = of(b"one", b"two")
    sum_.remove(b"one")
    assert sum_.digest() == of(b"two").digest()
    sum_.remove(b"two")
    assert sum_.digest() == SetHash().digest()


def test_a_sum_goes_on_from_its_packed_form() -> None:
    sum_ = SetHash(of(b"one").packed())
    sum_.add(b"two")
    assert sum_.digest() == of(b"one", b"two").digest()


def test_an_element_that_is_there_twice_counts_twice() -> None:
    assert of(b"one", b"one").digest() != of(b"one").digest()
