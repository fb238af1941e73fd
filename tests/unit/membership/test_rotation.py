from __future__ import annotations

import random

from mesh_core.membership.rotation import Rotation
from tests.unit.membership.cluster import key

PEERS = [key(number) for number in range(10)]


def test_everybody_has_one_turn_per_round() -> None:
    rotation = Rotation(random.Random(1))
    rounds = [[rotation.next(lambda: PEERS, lambda _: True) for _ in PEERS] for _ in range(3)]
    assert all(sorted(one, key=str) == sorted(PEERS, key=str) for one in rounds)
    assert rounds[0] != rounds[1]


def test_a_newcomer_has_its_turn_in_the_running_round() -> None:
    rotation = Rotation(random.Random(2))
    first = rotation.next(lambda: PEERS, lambda _: True)
    rotation.add(key("new"))
    rest = [rotation.next(lambda: PEERS, lambda _: True) for _ in PEERS]
    assert key("new") in rest
    assert first not in rest


def test_who_is_not_wanted_is_passed_over() -> None:
    rotation = Rotation(random.Random(3))
    turns = {rotation.next(lambda: PEERS, lambda peer: peer == PEERS[4]) for _ in range(5)}
    assert turns == {PEERS[4]}


def test_nobody_is_next_when_nobody_is_wanted() -> None:
    assert Rotation(random.Random(4)).next(lambda: PEERS, lambda _: False) is None
    assert Rotation(random.Random(4)).next(list, lambda _: True) is None
