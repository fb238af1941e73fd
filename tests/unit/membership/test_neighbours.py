from __future__ import annotations

import pytest

from mesh_core.config import FAST
from mesh_core.wire.messages import Exchange, Ping, PingRequest
from tests.unit.membership.cluster import key
from tests.unit.membership.solo import ME, OTHERS, Solo, accusation, alive

T = FAST.probe_timeout_s


def show(solo: Solo, *names: str, detached: tuple[str, ...] = ()) -> None:
    """What `/topology` shows now."""
    solo.membership.neighbours_changed(solo.now, {key(name): name not in detached for name in names})


@pytest.fixture
def solo(solo: Solo) -> Solo:
    show(solo, "a", *OTHERS)
    solo.take()
    return solo


def not_lately_contacted(solo: Solo, name: str) -> None:
    """Wait until a dead member has not been contacted for more than a time-out."""
    solo.wait(2 * T, answering=OTHERS)
    while solo.now - solo.membership.members[key(name)].contacted <= T:
        solo.wait(T / 10, answering=OTHERS)
    solo.take()


def test_an_unknown_neighbour_is_asked_for_all_it_knows() -> None:
    solo = Solo()
    show(solo, "a")
    solo.fire_due()
    exchange = solo.sent(Exchange, "a")[0]
    assert exchange.reply
    assert len(exchange.updates) == 1, "this node introduces itself"


def test_a_node_is_not_its_own_neighbour() -> None:
    solo = Solo()
    solo.membership.neighbours_changed(solo.now, {ME: True})
    solo.fire_due()
    assert solo.take() == []


def test_a_neighbour_whose_client_comes_later_is_asked_again_then() -> None:
    solo = Solo()
    show(solo, "a", detached=("a",))
    solo.wait(10.0)
    solo.take()
    show(solo, "a")
    solo.fire_due()
    assert len(solo.sent(Exchange, "a")) == 1


def test_a_neighbour_that_drops_out_is_probed_at_once_directly_and_indirectly(solo: Solo) -> None:
    show(solo, *OTHERS)
    assert len(solo.sent(Ping, "a")) == 1
    assert len(solo.sent(PingRequest)) == 3
    assert solo.moments("neighbour_lost") == [{"peer": key("a")}]


def test_a_neighbour_whose_client_is_gone_is_probed_at_once(solo: Solo) -> None:
    show(solo, "a", *OTHERS, detached=("a",))
    assert len(solo.sent(Ping, "a")) == 1
    assert len(solo.sent(PingRequest)) == 3
    assert solo.moments("client_detached") == [{"peer": key("a")}]
    member = solo.membership.members[key("a")]
    assert (member.neighbour, member.attached) == (True, False)


def test_a_hint_is_never_a_verdict(solo: Solo) -> None:
    show(solo)
    assert {solo.state(name) for name in ("a", *OTHERS)} == {"alive"}
    solo.answer("a", *OTHERS)
    solo.wait(5.0, answering=("a", *OTHERS))
    assert {solo.state(name) for name in ("a", *OTHERS)} == {"alive"}


def test_a_hint_makes_suspicion_quicker(solo: Solo) -> None:
    show(solo, *OTHERS)
    solo.wait(T + 0.001, answering=OTHERS)
    assert solo.state("a") == "suspect"


def test_a_flapping_link_does_not_put_off_the_verdict(solo: Solo) -> None:
    began = solo.now
    while solo.state("a") == "alive" and solo.now < began + 1.0:
        show(solo, *OTHERS)
        solo.wait(T / 4, answering=OTHERS)
        show(solo, "a", *OTHERS)
    assert solo.now - began < 2 * T


def test_links_are_shown_in_the_table(solo: Solo) -> None:
    assert solo.membership.members[key("a")].neighbour
    before = len(solo.changes)
    show(solo, *OTHERS)
    assert not solo.membership.members[key("a")].neighbour
    assert (key("a"), "alive", "alive") in solo.changes[before:]


def test_a_dead_neighbour_that_is_back_hears_at_once_that_it_is_held_for_dead(solo: Solo) -> None:
    show(solo, *OTHERS)
    solo.kill("a")
    not_lately_contacted(solo, "a")
    show(solo, "a", *OTHERS)
    assert accusation("b", "a") in solo.sent(Ping, "a")[0].updates


def test_a_dead_member_that_is_heard_from_is_told_at_once_but_not_for_every_frame(solo: Solo) -> None:
    solo.kill("a")
    not_lately_contacted(solo, "a")
    for _ in range(50):
        solo.membership.heard_from(solo.now, key("a"))
    assert len(solo.sent(Ping, "a")) == 1


def test_a_stranger_that_is_heard_from_is_asked_who_it_is(solo: Solo) -> None:
    for _ in range(50):
        solo.membership.heard_from(solo.now, key("x"))
    solo.fire_due()
    assert len(solo.sent(Exchange, "x")) == 1


def test_a_stranger_that_introduces_itself_is_not_asked(solo: Solo) -> None:
    solo.membership.heard_from(solo.now, key("x"))
    solo.deliver("x", Ping(1, (alive("x"),)))
    solo.fire_due()
    assert solo.sent(Exchange, "x") == []
