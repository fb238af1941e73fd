"""Seeds draw rates within their profile's ranges, and failing runs shrink to what they need."""

from __future__ import annotations

import pytest

from tests.simulation import shrink as shrinking
from tests.simulation.liars import draw_liars
from tests.simulation.profiles import MOST, PROFILES, Profile, Rates, draw_profile
from tests.simulation.runner import Outcome, Plan
from tests.simulation.scenario import Dice


@pytest.mark.parametrize("name", PROFILES)
def test_every_rate_is_drawn_from_its_range(name: str) -> None:
    profile = PROFILES[name]
    for seed in range(20):
        rates = profile.draw(str(seed))
        for kind in MOST:
            low, high = profile.ranges.get(kind, (0, 0))
            value = getattr(rates, kind)
            assert low <= value <= high or (profile.swarm and value == 0)


def test_the_same_seed_draws_the_same_and_another_draws_something_else() -> None:
    storm = PROFILES["storm"]
    assert storm.draw("1") == storm.draw("1") != storm.draw("2")


def test_a_storm_leaves_about_half_of_all_kinds_out() -> None:
    draws = [PROFILES["storm"].draw(str(seed)) for seed in range(100)]
    without_loss = sum(rates.loss == 0 for rates in draws)
    assert 30 < without_loss < 70
    assert all(rates != Rates() for rates in draws)


def test_a_profile_with_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no such kind of trouble: rain"):
        Profile("wet", {"rain": (0, 1)})


def test_half_of_the_seeds_draw_a_storm_and_the_others_every_other_profile() -> None:
    drawn = [draw_profile(seed) for seed in range(1000)]
    assert 400 < drawn.count("storm") < 600
    assert set(drawn) == set(PROFILES)


def test_a_vice_that_is_left_out_leaves_the_others_as_they_were() -> None:
    names, vices = ["node1", "node2"], ["a", "b", "c", "d"]
    whole = draw_liars(Dice("1")["liars"], names, 2, vices, frozenset())
    less = draw_liars(Dice("1")["liars"], names, 2, vices, frozenset({"a"}))
    assert less == {name: tuple(vice for vice in drawn if vice != "a") for name, drawn in whole.items()}


def test_a_failing_run_shrinks_to_what_it_cannot_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(1, "storm")
    happened = tuple(f"crashes#{number}" for number in range(1, 7))

    def run(plan: Plan, *, telling: bool = False) -> Outcome:
        needs = {"crashes", "crashes#4", "partitions"}
        fails = not needs & plan.without
        left = tuple(name for name in happened if name not in plan.without)
        return Outcome(plan, "OneProposal" if fails else "", "", "", 0.0, 0, left, ("told",) * telling)

    monkeypatch.setattr(shrinking, "run", run)
    seed = next(
        seed
        for seed in range(100)
        if (rates := PROFILES["storm"].draw(f"{seed}/storm")).crashes and rates.partitions and rates.loss
    )
    smallest = shrinking.shrink(run(Plan(seed, plan.profile)), lambda _line: None)
    assert "loss" in smallest.plan.without
    assert {name for name in happened if name not in smallest.plan.without} == {"crashes#4"}
    assert smallest.lines == ("told",)
