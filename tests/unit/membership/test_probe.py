from __future__ import annotations

import itertools

import pytest

from mesh_core.config import FAST
from mesh_core.membership.probe import OWN_PROBE_ROUNDS
from mesh_core.wire.messages import Ack, Gossip, Nack, Ping, PingRequest
from tests.unit.membership.cluster import key
from tests.unit.membership.solo import Solo, accusation, alive

P, T = FAST.probe_period_s, FAST.probe_timeout_s
OTHERS = ("a", "b", "c", "d", "e")


def probing(solo: Solo, target: str) -> Ping:
    """Let others answer until `target` has an unanswered ping; nothing else is outstanding."""
    solo.take()
    others = tuple(name for name in OTHERS if name != target)
    while not solo.sent(Ping, target):
        solo.wait(P / 50, answering=others)
    return solo.sent(Ping, target)[0]


@pytest.fixture
def solo() -> Solo:
    machine = Solo()
    machine.meet(*OTHERS)
    return machine


def test_one_member_is_probed_per_period() -> None:
    solo = Solo()
    solo.meet("a")
    pings = 0
    for _ in range(100):
        solo.wait(P / 5)
        pings += len(solo.sent(Ping))
        solo.answer("a")
    assert 19 <= pings <= 20


def pings_to_a(solo: Solo, periods: int, *, it_probes: bool) -> int:
    """How often this node probes its only other member, which answers and perhaps probes by itself."""
    pings = 0
    for number in range(periods):
        if it_probes:
            solo.deliver("a", Ping(10_000 + number, ()))
        solo.wait(P)
        pings += len(solo.sent(Ping, "a"))
        solo.answer("a")
    return pings


def test_a_member_that_probes_this_node_is_seldom_probed_itself() -> None:
    solo = Solo()
    solo.meet("a")
    solo.membership.neighbours_changed(solo.now, {key("a"): True})
    assert 20 <= pings_to_a(solo, 100, it_probes=True) <= 100 // OWN_PROBE_ROUNDS + 2


def test_a_member_without_a_link_is_probed_however_often_it_probes() -> None:
    solo = Solo()
    solo.meet("a")
    assert pings_to_a(solo, 100, it_probes=True) >= 95


def test_a_member_that_no_longer_probes_is_probed_again() -> None:
    solo = Solo()
    solo.meet("a")
    solo.membership.neighbours_changed(solo.now, {key("a"): True})
    pings_to_a(solo, 20, it_probes=True)
    assert pings_to_a(solo, 20, it_probes=False) >= 18


def test_a_silent_member_is_asked_for_through_three_relays(solo: Solo) -> None:
    ping = probing(solo, "a")
    solo.wait(T, answering=("b", "c", "d", "e"))
    requests = solo.sent(PingRequest)
    assert len(requests) == 3
    assert {(r.number, r.target) for r in requests} == {(ping.number, key("a"))}


def test_a_member_that_a_relay_reaches_is_not_suspected(solo: Solo) -> None:
    ping = probing(solo, "a")
    solo.wait(T, answering=("b", "c", "d", "e"))
    relay = next(name for name in OTHERS if solo.sent(PingRequest, name))
    solo.deliver(relay, Ack(ping.number, ()))
    solo.wait(P, answering=("b", "c", "d", "e"))
    assert solo.state("a") == "alive"


def test_a_newcomer_that_only_relays_have_reached_is_not_proven(solo: Solo) -> None:
    solo.deliver("b", Gossip((alive("new"),)))
    ping = solo.sent(Ping, "new")[0]
    solo.wait(T, answering=OTHERS)
    relays = [name for name in OTHERS if solo.sent(PingRequest, name)]
    assert relays
    for relay in relays:
        solo.deliver(relay, Ack(ping.number, ()))
    assert solo.membership.members[key("new")].proven_since is None
    solo.answer("new")
    solo.wait(10 * P, answering=(*OTHERS, "new"))
    assert solo.membership.members[key("new")].proven_since is not None


def test_a_newcomer_with_a_link_does_not_wait_behind_inventions(solo: Solo) -> None:
    solo.gossip("a", *(alive(f"ghost{number}") for number in range(200)))
    solo.membership.neighbours_changed(solo.now, {key("linked"): True})
    solo.take()
    solo.gossip("a", alive("linked"), alive("unlinked"))
    assert len(solo.sent(Ping, "linked")) == 1
    assert not solo.sent(Ping, "unlinked")
    solo.membership.neighbours_changed(solo.now, {key("linked"): True, key("unlinked"): True})
    assert len(solo.sent(Ping, "unlinked")) == 1


def test_the_number_of_a_probe_says_nothing_of_the_next(solo: Solo) -> None:
    solo.take()
    solo.wait(3 * P)
    numbers = [ping.number for ping in solo.sent(Ping)]
    assert len(set(numbers)) == len(numbers) >= 4
    assert min(abs(one - other) for one, other in itertools.pairwise(numbers)) > 1 << 20


def test_an_ack_from_somebody_who_was_not_asked_means_nothing(solo: Solo) -> None:
    ping = probing(solo, "a")
    solo.deliver("b", Ack(ping.number, ()))
    solo.deliver("stranger", Ack(ping.number, ()))
    solo.wait(P, answering=("b", "c", "d", "e"))
    assert solo.state("a") == "suspect"


def test_a_member_that_nobody_reaches_is_suspected_after_one_period(solo: Solo) -> None:
    probing(solo, "a")
    solo.wait(P - 0.01, answering=("b", "c", "d", "e"))
    assert solo.state("a") == "alive"
    solo.wait(0.02, answering=("b", "c", "d", "e"))
    assert solo.state("a") == "suspect"


def test_after_one_timeout_the_others_are_probed_out_of_turn(solo: Solo) -> None:
    probing(solo, "a")
    solo.take()
    solo.wait(T + 0.001, answering=())
    assert {name for name in OTHERS if solo.sent(Ping, name)} >= {"b", "c", "d", "e"}


def test_the_others_are_probed_out_of_turn_once_per_second_at_most(solo: Solo) -> None:
    probing(solo, "a")
    solo.take()
    began = solo.now
    pings = 0
    while solo.now < began + 2.5 * T:
        solo.wait(T / 20)
        pings += sum(len(solo.sent(Ping, name)) for name in "cde")
        solo.answer("c", "d", "e")
    turns = 2
    assert pings <= 3 + turns


def until_suspected(solo: Solo) -> None:
    """Wait until "a" has just become suspect; the others have answered so far."""
    while solo.state("a") == "alive":
        solo.wait(P / 500)


def test_relays_that_answer_show_that_this_node_is_well(solo: Solo) -> None:
    ping = probing(solo, "a")
    solo.wait(T, answering=("b", "c", "d", "e"))
    relay = next(name for name in OTHERS if solo.sent(PingRequest, name))
    solo.deliver(relay, Nack(ping.number))
    until_suspected(solo)
    assert solo.membership.local_health == 0


def test_relays_that_are_silent_too_worsen_this_nodes_health(solo: Solo) -> None:
    probing(solo, "a")
    solo.wait(T, answering=("b", "c", "d", "e"))
    until_suspected(solo)
    assert solo.membership.local_health == 1


def test_an_unwell_node_probes_more_slowly_and_waits_longer(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", 1 << 20))
    assert solo.membership.local_health == 1
    solo.take()
    while not solo.sent(Ping):
        solo.wait(P / 50)
    period = solo.timers.deadline(("membership", "period"))
    assert period is not None
    assert period - solo.now == pytest.approx(2 * P, rel=0.05)
    solo.wait(2 * T - P / 25)
    assert solo.sent(PingRequest) == []
    solo.wait(P / 25)
    assert len(solo.sent(PingRequest)) == 3


def test_a_nack_from_somebody_who_was_not_asked_does_not_count(solo: Solo) -> None:
    ping = probing(solo, "a")
    solo.wait(T, answering=("b", "c", "d", "e"))
    bystander = next(name for name in "bcde" if not solo.sent(PingRequest, name))
    solo.deliver(bystander, Nack(ping.number))
    until_suspected(solo)
    assert solo.membership.local_health == 1


def test_a_stalled_node_gives_its_probes_a_fresh_timeout(solo: Solo) -> None:
    probing(solo, "a")
    solo.sleep(1.0)
    solo.fire_due()
    solo.fire_due()
    assert all(solo.state(name) == "alive" for name in OTHERS)
    assert solo.sent(PingRequest) == []
    solo.answer("a")
    solo.wait(P, answering=OTHERS)
    assert all(solo.state(name) == "alive" for name in OTHERS)


def test_a_stall_does_not_confirm_a_death(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    assert solo.state("a") == "suspect"
    solo.sleep(60.0)
    solo.fire_due()
    assert solo.state("a") == "suspect"


def test_a_probe_for_somebody_else_is_answered_through_this_node(solo: Solo) -> None:
    solo.take()
    solo.deliver("b", PingRequest(77, key("a"), ()))
    solo.answer("a")
    assert [ack.number for ack in solo.sent(Ack, "b")] == [77]


def test_a_relay_says_that_it_is_alive_when_the_target_is_silent(solo: Solo) -> None:
    solo.take()
    solo.deliver("b", PingRequest(77, key("a"), ()))
    solo.wait(T, answering=("b", "c", "d", "e"))
    assert Nack(77) in solo.sent(Nack, "b")


def test_an_answer_after_the_nack_is_still_passed_on(solo: Solo) -> None:
    solo.take()
    solo.deliver("b", PingRequest(77, key("a"), ()))
    ping = solo.sent(Ping, "a")[-1]
    solo.wait(T, answering=("b", "c", "d", "e"))
    solo.deliver("a", Ack(ping.number, ()))
    assert 77 in [ack.number for ack in solo.sent(Ack, "b")]


def test_an_unknown_target_is_answered_with_a_nack_at_once(solo: Solo) -> None:
    solo.take()
    solo.deliver("b", PingRequest(77, key("nobody"), ()))
    assert solo.sent(Nack, "b") == [Nack(77)]
    assert solo.sent(Ping) == []


def test_somebody_else_cannot_answer_for_the_target_of_a_relayed_probe(solo: Solo) -> None:
    solo.take()
    solo.deliver("b", PingRequest(77, key("a"), ()))
    ping = solo.sent(Ping, "a")[-1]
    solo.deliver("c", Ack(ping.number, ()))
    assert solo.sent(Ack, "b") == []


def test_a_slow_network_stretches_the_timeout() -> None:
    solo = Solo()
    solo.meet("a", "b")
    for _ in range(20):
        solo.take()
        while not solo.sent(Ping):
            solo.wait(P / 50)
        solo.wait(0.09)
        solo.answer("a", "b")
    ping = probing(solo, "a")
    solo.wait(0.25, answering=("b",))
    late = solo.state("a")
    solo.deliver("a", Ack(ping.number, ()))
    solo.take()
    assert late == "suspect"
    ping = probing(solo, "a")
    solo.wait(0.2, answering=("b",))
    asked = {request.number for request in solo.sent(PingRequest)}
    assert ping.number not in asked, "a round trip of 0.25 s has been seen"
