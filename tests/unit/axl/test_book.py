"""The address book."""

from __future__ import annotations

import sys
from types import FrameType

from axl.book import PEERS_MAX, STRANGERS_PER_TELLER_MAX, AddressBook
from axl.control import ENDPOINTS_PER_PEER_MAX
from axl.endpoint import Endpoint


def peer(number: int) -> bytes:
    return number.to_bytes(32)


def at(port: int) -> tuple[Endpoint, ...]:
    return (Endpoint("127.0.0.1", port),)


def test_a_peers_own_word_comes_before_what_others_say() -> None:
    book = AddressBook()
    book.told(peer(9), peer(1), at(1))
    book.linked(peer(1), at(2))
    entry = book.told(peer(8), peer(1), at(3))
    assert entry is not None
    assert entry.endpoints == at(2) + at(3) + at(1)


def test_hearsay_about_one_peer_is_bounded_and_the_newest_stays() -> None:
    book = AddressBook()
    for port in range(1, 100):
        entry = book.told(peer(9), peer(1), at(port))
    assert entry is not None
    assert [endpoint.port for endpoint in entry.endpoints] == list(range(99, 99 - ENDPOINTS_PER_PEER_MAX, -1))


def test_one_neighbour_can_only_fill_its_share() -> None:
    book = AddressBook()
    told = [book.told(peer(9), peer(number), at(1)) for number in range(1000, 2000)]
    assert sum(entry is not None for entry in told) == len(book) == STRANGERS_PER_TELLER_MAX
    assert book.told(peer(8), peer(1), at(1)) is not None


def test_a_full_book_forgets_strangers_before_peers_that_were_linked() -> None:
    book = AddressBook()
    book.linked(peer(1), at(1))
    for teller in range(100, 120):
        for number in range(STRANGERS_PER_TELLER_MAX):
            book.told(peer(teller), peer(teller * 1000 + number), at(1))
    assert len(book) == PEERS_MAX
    assert book.get(peer(1)) is not None
    book.linked(peer(2), at(2))
    assert book.get(peer(2)) is not None
    assert len(book) == PEERS_MAX


def test_being_spoken_of_is_noted() -> None:
    book = AddressBook()
    assert not book.linked(peer(1), at(1)).is_spoken_of
    entry = book.told(peer(2), peer(1), at(1))
    assert entry is not None
    assert entry.is_spoken_of
    assert entry.was_linked


def test_a_forgotten_peer_is_gone() -> None:
    book = AddressBook()
    book.linked(peer(1), at(1))
    book.forget(peer(1))
    book.forget(peer(1))
    assert book.get(peer(1)) is None


def test_a_share_is_free_again_once_its_strangers_are_linked_or_forgotten() -> None:
    book = AddressBook()
    numbers = range(1000, 1000 + STRANGERS_PER_TELLER_MAX)
    for number in numbers:
        book.told(peer(9), peer(number), at(1))
    assert book.told(peer(9), peer(1), at(1)) is None
    book.linked(peer(numbers[0]), at(1))
    book.forget(peer(numbers[1]))
    book.forget(peer(numbers[1]))
    assert [book.told(peer(9), peer(number), at(1)) is not None for number in (1, 2, 3)] == [
        True,
        True,
        False,
    ]


def test_what_a_teller_at_its_limit_says_costs_the_same_however_full_the_book_is() -> None:
    book = AddressBook()
    for number in range(STRANGERS_PER_TELLER_MAX):
        book.told(peer(9), peer(1000 + number), at(1))
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    book.told(peer(9), peer(1), at(1))
    sys.setprofile(None)
    assert calls < STRANGERS_PER_TELLER_MAX / 4
