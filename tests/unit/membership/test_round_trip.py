from __future__ import annotations

import pytest

from mesh_core.membership.round_trip import LONGEST, WINDOW, RoundTrips


def test_a_quick_network_gets_the_configured_timeout() -> None:
    trips = RoundTrips(0.1)
    for _ in range(10):
        trips.add(0.003)
    assert trips.timeout_s == 0.1


def test_the_timeout_follows_the_slowest_hundredth_of_round_trips() -> None:
    trips = RoundTrips(0.1)
    for millis in range(1, 201):
        trips.add(millis / 1000)
    assert trips.timeout_s == pytest.approx(0.199)


def test_one_slow_answer_among_many_is_forgotten() -> None:
    trips = RoundTrips(0.1)
    trips.add(0.25)
    assert trips.timeout_s == 0.25
    for _ in range(WINDOW):
        trips.add(0.001)
    assert trips.timeout_s == 0.1


def test_answering_late_on_purpose_cannot_blind_the_others() -> None:
    trips = RoundTrips(0.1)
    for _ in range(WINDOW):
        trips.add(60.0)
    assert trips.timeout_s == pytest.approx(LONGEST * 0.1)
