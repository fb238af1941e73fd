"""How long a suspicion lasts: never shorter than the least, never longer than the most, shorter with each accuser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from mesh_core.config import DEFAULT, FAST, Timing
from mesh_core.membership.suspicion import CONFIRMATIONS, Suspicion, shortest_s

SECONDS = some.floats(0.001, 1000.0)
LIVE = some.integers(0, 1000)
TIMINGS = some.sampled_from([DEFAULT, FAST])
ROUNDING_S = 1e-6


@given(SECONDS, SECONDS, some.floats(1.0, 10.0), LIVE)
def test_each_accuser_brings_the_end_nearer_until_they_are_enough(
    started: float, shortest: float, factor: float, live: int
) -> None:
    suspicion = Suspicion(started=started, shortest_s=shortest, longest_s=shortest * factor, live=live)
    ends = [suspicion.deadline(accusers) for accusers in range(1, CONFIRMATIONS + 4)]
    assert ends == sorted(ends, reverse=True)
    for end in ends:
        assert started + shortest - ROUNDING_S <= end <= started + shortest * factor + ROUNDING_S
    if live:
        assert abs(ends[0] - (started + shortest * factor)) < ROUNDING_S
    assert abs(ends[-1] - (started + shortest)) < ROUNDING_S
    for accusers in range(1, CONFIRMATIONS + 3):
        if not suspicion.has_room(accusers):
            assert suspicion.deadline(accusers + 1) == suspicion.deadline(accusers)
        elif factor > 1.01:
            assert suspicion.deadline(accusers + 1) < suspicion.deadline(accusers)


@given(SECONDS, SECONDS, LIVE, some.integers(1, 10), some.floats(-10, 100))
def test_a_held_suspicion_ends_no_sooner_than_it_is_held(
    started: float, shortest: float, live: int, accusers: int, held_s: float
) -> None:
    suspicion = Suspicion(started=started, shortest_s=shortest, longest_s=3 * shortest, live=live)
    free = suspicion.deadline(accusers)
    suspicion.hold(started + held_s)
    assert suspicion.deadline(accusers) == max(free, started + held_s)


@given(TIMINGS, some.integers(1, 2000), some.integers(0, 1000))
def test_news_of_a_larger_mesh_has_more_time_to_spread(timing: Timing, size: int, more: int) -> None:
    assert timing.suspicion_min_s <= shortest_s(timing, size) <= shortest_s(timing, size + more)
    assert shortest_s(timing, size) <= 4 * timing.suspicion_min_s
