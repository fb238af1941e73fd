from __future__ import annotations

import pytest

from mesh_core.membership.broadcast import Broadcast, transmissions_max
from mesh_core.wire.messages import Update
from tests.unit.membership.cluster import key

A, B, C = key("a"), key("b"), key("c")


def update(text: str) -> Update:
    return Update("alive", text.encode())


@pytest.mark.parametrize(("size", "expected"), [(1, 4), (7, 4), (9, 4), (10, 8), (99, 8), (100, 12)])
def test_an_update_is_told_four_times_the_logarithm_of_the_mesh(size: int, expected: int) -> None:
    assert transmissions_max(size) == expected


def test_an_update_leaves_the_queue_once_told_often_enough() -> None:
    broadcast = Broadcast()
    broadcast.put(A, A, update("a"))
    assert [broadcast.take(12, 2) for _ in range(3)] == [(update("a"),), (update("a"),), ()]
    assert len(broadcast) == 0


def test_the_least_told_go_first_and_among_them_the_newest() -> None:
    broadcast = Broadcast()
    broadcast.put(A, A, update("told"))
    broadcast.take(12, 9)
    broadcast.put(B, B, update("older"))
    broadcast.put(C, C, update("newer"))
    assert broadcast.take(3, 9) == (update("newer"), update("older"), update("told"))


def test_a_newer_word_of_the_same_author_replaces_the_older_one() -> None:
    broadcast = Broadcast()
    broadcast.put(A, A, update("first"))
    broadcast.take(12, 9)
    broadcast.put(A, A, update("second"))
    assert broadcast.take(12, 9) == (update("second"),)


def test_accusations_of_one_subject_by_several_accusers_travel_side_by_side() -> None:
    broadcast = Broadcast()
    broadcast.put(A, B, update("by b"))
    broadcast.put(A, C, update("by c"))
    assert set(broadcast.take(12, 9)) == {update("by b"), update("by c")}


def test_dropping_a_subject_drops_what_anybody_said_of_it() -> None:
    broadcast = Broadcast()
    broadcast.put(A, A, update("own"))
    broadcast.put(A, B, update("accusation"))
    broadcast.put(B, B, update("other"))
    broadcast.drop(A)
    assert broadcast.take(12, 9) == (update("other"),)
