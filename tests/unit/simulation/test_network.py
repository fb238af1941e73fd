"""Frames meet the fate the weather has for them."""

from random import Random

from mesh_core.simulation.clock import HostClock
from mesh_core.simulation.network import Network, Weather, between
from mesh_core.simulation.schedule import Schedule

A, B, C = b"a", b"b", b"c"


def arrivals(weather: Weather, frames: int = 2000) -> list[list[float]]:
    network = Network(Random(1), weather)
    return [network.arrivals(0.0, A, B, 100) for _ in range(frames)]


def test_calm_weather_delivers_every_frame_once() -> None:
    assert all(len(copies) == 1 for copies in arrivals(Weather()))


def test_loss_and_duplication_happen_as_often_as_they_should() -> None:
    fates = arrivals(Weather(loss=0.3, duplication=0.2))
    assert 0.25 < sum(not copies for copies in fates) / len(fates) < 0.35
    assert 0.10 < sum(len(copies) == 2 for copies in fates) / len(fates) < 0.18


def test_stragglers_come_much_later_than_the_rest() -> None:
    delays = [copies[0] for copies in arrivals(Weather(straggling=0.05, straggle_s=1.0))]
    assert 0.02 < sum(delay > 0.1 for delay in delays) / len(delays) < 0.08


def test_a_split_cuts_between_groups_and_not_inside_them() -> None:
    network = Network(Random(1))
    network.cut(between([[A, B], [C]]))
    assert network.connected(A, B)
    assert not network.connected(A, C)
    assert not network.connected(C, B)
    assert network.arrivals(0.0, A, C, 100) == []
    network.heal()
    assert network.connected(A, C)


def test_a_one_way_cut_leaves_the_other_direction() -> None:
    network = Network(Random(1))
    network.cut([(A, B)])
    assert not network.connected(A, B)
    assert network.connected(B, A)


def test_a_link_works_again_when_every_reason_it_was_cut_for_is_mended() -> None:
    network = Network(Random(1))
    first, second = network.cut([(A, B)]), network.cut([(A, B), (B, A)])
    assert network.mend(second)
    assert not network.connected(A, B)
    assert network.connected(B, A)
    assert network.mend(first)
    assert network.connected(A, B)


def test_mending_what_was_healed_leaves_later_cuts_alone() -> None:
    network = Network(Random(1))
    old = network.cut([(A, B)])
    network.heal()
    network.cut([(A, B)])
    assert not network.mend(old)
    assert not network.connected(A, B)


def test_frames_queue_up_on_a_clogged_link_until_the_queue_is_full() -> None:
    network = Network(Random(1), Weather(delay_s=0.0, jitter_s=0.0))
    network.clog((A, B), bytes_per_s=1000.0)
    delays = [network.arrivals(0.0, A, B, 1000) for _ in range(8)]
    assert delays == [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [], []]
    assert network.arrivals(0.0, B, A, 1000) == [0.0]
    assert network.arrivals(10.0, A, B, 500) == [0.5]
    network.unclog((A, B))
    assert network.arrivals(10.0, A, B, 1000) == [0.0]


def test_calls_come_in_order_of_time_and_then_of_scheduling() -> None:
    schedule = Schedule()
    seen: list[str] = []
    schedule.at(2.0, seen.append, "late")
    schedule.at(1.0, seen.append, "first")
    schedule.at(1.0, seen.append, "second")
    schedule.run_until(1.5)
    assert seen == ["first", "second"]
    assert schedule.now == 1.5
    schedule.after(0.1, seen.append, "inserted")
    schedule.run_until(3.0)
    assert seen == ["first", "second", "inserted", "late"]


def test_a_fast_clock_shows_more_time_and_finds_its_way_back() -> None:
    clock = HostClock(rate=1.1, offset_s=5.0)
    clock.boot(100.0, base=7.0)
    assert clock.monotonic(110.0) == 18.0
    assert abs(clock.when(18.0) - 110.0) < 1e-9


def test_a_jump_moves_the_wall_clock_and_not_the_monotonic_one() -> None:
    clock = HostClock()
    before = (clock.wall_ms(3.0), clock.monotonic(3.0))
    clock.jump(-10.0)
    assert (clock.wall_ms(3.0) - before[0], clock.monotonic(3.0) - before[1]) == (-10_000, 0.0)


def test_a_clock_that_is_bent_jumps_nowhere_and_runs_at_the_new_rate() -> None:
    clock = HostClock(rate=1.0, offset_s=5.0)
    clock.boot(100.0, base=7.0)
    before = (clock.monotonic(110.0), clock.wall_ms(110.0))
    clock.bend(110.0, 2.0)
    assert (clock.monotonic(110.0), clock.wall_ms(110.0)) == before
    assert clock.monotonic(111.0) - before[0] == 2.0
    assert clock.wall_ms(111.0) - before[1] == 2000
    assert abs(clock.when(clock.monotonic(115.0)) - 115.0) < 1e-9
