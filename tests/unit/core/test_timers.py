"""Named deadlines."""

from mesh_core.timers import Timers


def test_timers_fire_once_in_order_of_their_deadlines() -> None:
    timers = Timers()
    timers.set("late", 2.0)
    timers.set("early", 1.0)
    assert timers.next_deadline() == 1.0
    assert list(timers.due(2.0)) == ["early", "late"]
    assert list(timers.due(9.0)) == []
    assert timers.next_deadline() is None


def test_setting_again_moves_a_timer() -> None:
    timers = Timers()
    timers.set("one", 1.0)
    timers.set("one", 3.0)
    assert list(timers.due(2.0)) == []
    assert timers.deadline("one") == 3.0


def test_a_timer_cleared_by_an_earlier_one_of_the_same_pass_does_not_fire() -> None:
    timers = Timers()
    timers.set("first", 1.0)
    timers.set("second", 1.5)
    fired = []
    for key in timers.due(2.0):
        fired.append(key)
        timers.clear("second")
    assert fired == ["first"]


def test_a_timer_set_during_a_pass_waits_for_the_next() -> None:
    timers = Timers()
    timers.set("again", 1.0)
    fired = 0
    for key in timers.due(1.0):
        fired += 1
        timers.set(key, 1.0)
    assert fired == 1
    assert list(timers.due(1.0)) == ["again"]


def test_moving_a_timer_for_ever_costs_no_memory() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set("one", float(number))
    assert len(timers._heap) < 200
