from __future__ import annotations

import msgspec

from mesh_core.config import FAST, limit
from mesh_core.wire.messages import Exchange
from tests.unit.membership.cluster import key
from tests.unit.membership.solo import OTHERS, Solo, accusation, alive


def test_an_exchange_is_answered_but_not_for_every_request(solo: Solo) -> None:
    for _ in range(50):
        solo.deliver("a", Exchange((), True))
    answers = solo.sent(Exchange, "a")
    assert len(answers) == 1
    assert not answers[0].reply
    assert {alive(name) for name in ("a", *OTHERS)} <= set(answers[0].updates)


def test_an_exchange_shows_deaths_with_their_accusations(solo: Solo) -> None:
    solo.kill("a")
    solo.deliver("b", Exchange((), True))
    updates = solo.sent(Exchange, "b")[0].updates
    assert {alive("a"), accusation("b", "a"), accusation("c", "a")} <= set(updates)


def test_a_stranger_gets_no_answer_before_it_says_who_it_is(solo: Solo) -> None:
    solo.deliver("x", Exchange((), True))
    assert solo.sent(Exchange, "x") == []


def test_a_member_dead_for_half_a_day_is_not_passed_on(solo: Solo) -> None:
    solo.kill("a")
    solo.sleep(FAST.dead_memory_s / 2 + 1.0)
    solo.take()
    solo.deliver("b", Exchange((), True))
    assert alive("a") not in solo.sent(Exchange, "b")[0].updates


def test_now_and_then_everything_is_exchanged_with_one_member(solo: Solo) -> None:
    solo.wait(2 * FAST.exchange_period_s, answering=("a", *OTHERS))
    asked = solo.sent(Exchange)
    assert len(asked) == 2
    assert all(exchange.reply for exchange in asked)
    assert all(len(exchange.updates) == 5 for exchange in asked)


def test_a_large_table_is_exchanged_in_parts_and_answered_once() -> None:
    solo = Solo()
    most = limit("updates_per_message_max")
    names = [f"n{number}" for number in range(most + 10)]
    for name in names:
        solo.deliver(name, Exchange((alive(name),), False))
    solo.answer(*names)
    solo.take()
    solo.membership.neighbours_changed(solo.now, {key("x"): True})
    solo.wait(0.0)
    parts = solo.sent(Exchange, "x")
    assert [len(part.updates) for part in parts] == [most, 11]
    assert [part.reply for part in parts] == [False, True]


def test_a_table_of_long_announcements_is_exchanged_in_parts_that_fit_a_frame() -> None:
    solo = Solo()
    most = limit("updates_per_message_max")
    names = [f"n{number}" for number in range(most)]
    for name in names:
        models = tuple(f"{name}-{number:0>240}" for number in range(15))
        solo.deliver(name, Exchange((alive(name, models=models),), False))
    solo.answer(*names)
    solo.take()
    solo.membership.neighbours_changed(solo.now, {key("x"): True})
    solo.wait(0.0)
    parts = solo.sent(Exchange, "x")
    assert sum(len(part.updates) for part in parts) == most + 1
    assert all(len(msgspec.msgpack.encode(part)) < limit("frame_bytes_target") for part in parts)
    assert [part.reply for part in parts] == [False] * (len(parts) - 1) + [True]
