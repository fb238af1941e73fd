from __future__ import annotations

import pytest

from mesh_core.config import DEFAULT, FAST
from mesh_core.membership.suspicion import Suspicion, shortest_s


def suspicion(live: int) -> Suspicion:
    return Suspicion(started=10.0, shortest_s=1.0, longest_s=3.0, live=live)


@pytest.mark.parametrize(
    ("live", "accusers", "lasts_s"),
    [
        (0, 1, 1.0),
        (1, 1, 3.0),
        (1, 2, 1.0),
        (5, 1, 3.0),
        (5, 2, 1.738),
        (5, 3, 1.0),
        (5, 4, 1.0),
    ],
)
def test_the_deadline_shrinks_with_independent_accusers(live: int, accusers: int, lasts_s: float) -> None:
    assert suspicion(live).deadline(accusers) == pytest.approx(10.0 + lasts_s, abs=0.001)


@pytest.mark.parametrize(
    ("live", "accusers", "expected"), [(0, 1, False), (1, 1, True), (5, 2, True), (5, 3, False)]
)
def test_accusers_beyond_those_that_shorten_it_are_not_wanted(
    live: int, accusers: int, expected: bool
) -> None:
    assert suspicion(live).has_room(accusers) is expected


@pytest.mark.parametrize(("size", "expected"), [(2, 1.5), (7, 1.5), (10, 1.5), (100, 3.0), (1000, 4.5)])
def test_the_shortest_suspicion_grows_with_the_logarithm_of_the_mesh(size: int, expected: float) -> None:
    assert shortest_s(DEFAULT, size) == pytest.approx(expected)


def test_small_meshes_suspect_for_the_documented_times() -> None:
    assert shortest_s(FAST, 7) == pytest.approx(0.6)
    assert shortest_s(FAST, 7) * FAST.suspicion_max_factor == pytest.approx(1.8)


def test_a_held_suspicion_does_not_end_before() -> None:
    held = suspicion(live=0)
    held.hold(12.0)
    assert held.deadline(1) == 12.0
