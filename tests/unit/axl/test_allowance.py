"""The token bucket."""

from __future__ import annotations

from axl.allowance import Allowance


def test_a_burst_is_free_and_what_goes_beyond_is_paid_in_time() -> None:
    allowance = Allowance(rate=10, burst=5, now=100.0)
    assert allowance.debt_s(5, 100.0) == 0
    assert allowance.debt_s(1, 100.0) == 0.1
    assert allowance.debt_s(2, 100.0) == 0.3


def test_time_pays_back_up_to_one_burst() -> None:
    allowance = Allowance(rate=10, burst=5, now=0.0)
    allowance.debt_s(5, 0.0)
    assert allowance.debt_s(4, 0.4) == 0
    assert allowance.debt_s(6, 1_000.0) == 0.1


def test_what_is_not_permitted_costs_nothing() -> None:
    allowance = Allowance(rate=1, burst=2, now=0.0)
    assert [allowance.permits(0.0) for _ in range(100)] == [True, True] + [False] * 98
    assert allowance.permits(1.0)
    assert not allowance.permits(1.0)
