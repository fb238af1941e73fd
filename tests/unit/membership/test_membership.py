"""Whole meshes on a virtual clock."""

from __future__ import annotations

from functools import partial

import pytest

from mesh_core.config import DEFAULT, FAST, Timing
from tests.unit.membership.cluster import Cluster, announcement, key

STALLS = (1.0, 0.1, 0.3)
BOTH = pytest.mark.parametrize("timing", [DEFAULT, FAST], ids=["default", "fast"])


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# ---------------------------------------------------------------------------------------------- joining


def test_seven_nodes_know_each_other_within_a_tenth_of_a_second() -> None:
    cluster = Cluster(7)
    cluster.connect()
    took = cluster.run_until(cluster.converged, within=1.0)
    assert took is not None
    assert took < 0.1


def test_everybody_meets_everybody_through_one_bootstrap_peer() -> None:
    cluster = Cluster(20)
    cluster.connect({0: range(1, 20)} | {number: [0] for number in range(1, 20)})
    took = cluster.run_until(cluster.converged, within=5.0)
    assert took is not None
    assert took < 1.0


def test_a_late_joiner_learns_of_everybody_also_of_the_dead() -> None:
    cluster = Cluster(6)
    cluster.hosts[5].up = False
    cluster.settle()
    cluster.kill([0])
    cluster.run_for(3.0)
    cluster.restart(5)
    cluster.run_for(3.0)
    assert [cluster.state(5, number) for number in range(5)] == ["dead", *["alive"] * 4]
    assert cluster.converged()


def test_joining_costs_one_verification_per_member() -> None:
    cluster = Cluster(7)
    cluster.settle()
    assert [host.signer.verified for host in cluster.hosts] == [6] * 7


def test_a_mesh_with_loss_converges_all_the_same() -> None:
    cluster = Cluster(7, loss=0.2, seed=3)
    cluster.connect()
    assert cluster.run_until(cluster.converged, within=5.0) is not None


# ------------------------------------------------------------------------------------------------- idle


@BOTH
@pytest.mark.parametrize("size", [6, 20, 40])
def test_idle_traffic_does_not_grow_with_the_mesh(timing: Timing, size: int) -> None:
    cluster = Cluster(size, timing=timing)
    cluster.settle()
    cluster.run_for(3.0)
    cluster.messages.clear()
    cluster.run_for(20.0)
    per_node_and_second = cluster.messages.total() / size / 20.0
    assert per_node_and_second <= 2 / timing.probe_period_s + 0.01
    assert per_node_and_second <= (5 if timing is DEFAULT else 10)


def test_an_idle_mesh_verifies_no_statements() -> None:
    cluster = Cluster(6)
    cluster.settle()
    before = [host.signer.verified for host in cluster.hosts]
    cluster.run_for(60.0)
    assert [host.signer.verified for host in cluster.hosts] == before


# ---------------------------------------------------------------------------------------------- deaths


def deaths(timing: Timing, *, hints: bool, seeds: int = 15) -> list[float]:
    """Seconds until the last of four survivors has confirmed all of three dead."""
    took = []
    for seed in range(seeds):
        cluster = Cluster(7, timing=timing, seed=seed)
        cluster.settle()
        cluster.run_for(cluster.rng.random() * timing.probe_period_s)
        victims = cluster.rng.sample(range(6), 3)
        cluster.kill(victims, hints=hints)
        seconds = cluster.run_until(partial(cluster.all_see, "dead", victims), within=10.0)
        assert seconds is not None
        assert cluster.false_deaths() == 0
        took.append(seconds)
    return took


@pytest.mark.parametrize(
    ("timing", "hints", "at_most"),
    [(FAST, True, 0.9), (FAST, False, 1.1), (DEFAULT, True, 2.0), (DEFAULT, False, 2.6)],
    ids=["fast with hints", "fast", "default with hints", "default"],
)
def test_three_of_six_dying_at_once_is_known_to_all_survivors_soon(
    timing: Timing, hints: bool, at_most: float
) -> None:
    assert median(deaths(timing, hints=hints)) <= at_most


def test_a_hint_about_a_living_node_harms_nobody() -> None:
    cluster = Cluster(7, stalls=STALLS)
    cluster.settle()
    for _ in range(50):
        viewer = cluster.hosts[cluster.rng.randrange(7)]
        shown = dict(viewer.attached)
        lost = cluster.rng.choice(sorted(shown))
        cluster.show(viewer, {peer: value for peer, value in shown.items() if peer != lost})
        cluster.run_for(0.2)
        cluster.show(viewer, shown)
    assert cluster.false_deaths() == 0


def test_nobody_alive_is_declared_dead_while_everybody_stalls_now_and_then() -> None:
    for seed in range(3):
        cluster = Cluster(7, seed=seed, stalls=STALLS)
        cluster.settle()
        cluster.run_for(120.0)
        assert cluster.false_deaths() == 0


def test_nobody_alive_is_declared_dead_when_a_fifth_of_all_frames_is_lost() -> None:
    cluster = Cluster(7, loss=0.2)
    cluster.settle()
    cluster.run_for(60.0)
    assert cluster.false_deaths() == 0


def test_deaths_are_noticed_while_everybody_stalls_now_and_then() -> None:
    took = []
    for seed in range(10):
        cluster = Cluster(7, seed=seed, stalls=STALLS)
        cluster.settle()
        cluster.kill([0, 1, 2], hints=True)
        seconds = cluster.run_until(partial(cluster.all_see, "dead", [0, 1, 2]), within=10.0)
        assert seconds is not None
        took.append(seconds)
    assert median(took) <= 1.0


def test_a_machine_that_stops_for_seconds_wakes_up_without_deaths() -> None:
    for seed in range(5):
        cluster = Cluster(7, seed=seed)
        cluster.settle()
        for number in range(7):
            cluster.stall(number, 3.0 + cluster.rng.random() / 2)
        cluster.run_for(6.0)
        assert cluster.false_deaths() == 0
        assert cluster.converged()


def test_a_paused_node_is_confirmed_dead_and_back_as_soon_as_it_goes_on() -> None:
    cluster = Cluster(7)
    cluster.settle()
    cluster.stall(3, 10.0)
    cluster.run_for(5.0)
    assert cluster.all_see("dead", [3])
    cluster.run_for(5.0 - 0.001)
    took = cluster.run_until(cluster.converged, within=5.0)
    assert took is not None
    assert took < 0.5
    assert {fields["peer"] for _, name, fields in cluster.moments("member_dead") if name == 3} == set()


def test_the_last_two_notice_when_one_of_them_dies() -> None:
    cluster = Cluster(2)
    cluster.settle()
    cluster.kill([0])
    took = cluster.run_until(lambda: cluster.all_see("dead", [0]), within=5.0)
    assert took is not None
    assert took < 1.2


def test_half_of_a_larger_mesh_dying_at_once_is_noticed() -> None:
    cluster = Cluster(32)
    cluster.settle()
    victims = list(range(16))
    cluster.kill(victims)
    took = cluster.run_until(lambda: cluster.all_see("dead", victims), within=10.0)
    assert took is not None
    assert took < 3.0
    assert cluster.false_deaths() == 0


# ------------------------------------------------------------------------------- splits


@BOTH
def test_a_healed_partition_merges_within_a_second(timing: Timing) -> None:
    took = []
    for seed in range(20):
        cluster = Cluster(6, timing=timing, seed=seed)
        cluster.settle()
        cluster.partition(range(3), range(3, 6))
        cluster.run_for(16.0 + cluster.rng.random())
        assert all(cluster.state(a, b) == "dead" for a in range(3) for b in range(3, 6))
        assert all(cluster.state(a, b) == "alive" for a in range(3) for b in range(3) if a != b)
        cluster.heal()
        seconds = cluster.run_until(cluster.converged, within=10.0)
        assert seconds is not None
        took.append(seconds)
    assert sorted(took)[int(0.95 * len(took))] <= 1.0


def test_a_partition_that_heals_while_frames_are_lost_merges_too() -> None:
    for seed in range(5):
        cluster = Cluster(6, seed=seed, loss=0.2)
        cluster.settle()
        cluster.partition(range(3), range(3, 6))
        cluster.run_for(16.0)
        cluster.heal()
        assert cluster.run_until(cluster.converged, within=10.0) is not None


def test_a_restarted_node_outbids_what_was_said_of_its_former_life() -> None:
    cluster = Cluster(6)
    cluster.settle()
    cluster.kill([2])
    cluster.run_for(3.0)
    assert cluster.all_see("dead", [2])
    cluster.restart(2)
    took = cluster.run_until(cluster.converged, within=5.0)
    assert took is not None
    assert took < 0.3


def test_a_node_that_restarts_before_it_is_missed_is_not_suspected() -> None:
    cluster = Cluster(6)
    cluster.settle()
    cluster.kill([2])
    cluster.run_for(0.05)
    cluster.restart(2)
    cluster.run_for(3.0)
    assert cluster.converged()
    assert cluster.moments("member_dead") == []


def test_a_node_with_a_lost_boot_counter_comes_back() -> None:
    cluster = Cluster(6)
    cluster.hosts[2].boot = 56
    cluster.kill([2])
    cluster.restart(2)
    cluster.settle()
    cluster.kill([2])
    cluster.run_for(3.0)
    cluster.hosts[2].boot = 0
    cluster.restart(2)
    took = cluster.run_until(cluster.converged, within=5.0)
    assert took is not None
    assert cluster.hosts[2].membership.incarnation > 57 << 20


def test_who_leaves_is_left_everywhere_without_suspicion() -> None:
    cluster = Cluster(7)
    cluster.settle()
    leaver = cluster.hosts[4]
    leaver.membership.leave(cluster.now)
    cluster.step(leaver)
    leaver.up = False
    cluster.run_for(5.0)
    assert cluster.all_see("left", [4])
    assert cluster.moments("member_suspected") == []


def test_a_new_announcement_reaches_everybody() -> None:
    cluster = Cluster(20)
    cluster.settle()
    speaker = cluster.hosts[4]
    speaker.membership.announce(cluster.now, announcement("node4", price_micro=777))
    cluster.step(speaker)

    def heard() -> bool:
        views = [host.membership.members[key(4)] for host in cluster.hosts if host is not speaker]
        return all(view.announcement.price_micro == 777 for view in views)

    took = cluster.run_until(heard, within=5.0)
    assert took is not None
    assert took < 0.2


def test_a_node_that_alone_cannot_be_reached_by_another_is_reached_through_others() -> None:
    cluster = Cluster(7)
    cluster.settle()
    cluster.cut(0, 1)
    cluster.run_for(30.0)
    assert cluster.false_deaths() == 0
    assert cluster.moments("member_suspected") == []


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[tuple[float, int, dict[str, object]]]:
        cluster = Cluster(7, seed=11, loss=0.1, stalls=STALLS)
        cluster.settle()
        cluster.kill([1, 2])
        cluster.run_for(5.0)
        return [
            moment
            for kind in ("member_suspected", "member_dead", "refuted")
            for moment in cluster.moments(kind)
        ]

    assert run() == run()
