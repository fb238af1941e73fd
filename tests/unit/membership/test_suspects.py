from __future__ import annotations

import pytest

from mesh_core.config import FAST
from mesh_core.wire.messages import Gossip, Ping
from tests.unit.membership.cluster import key
from tests.unit.membership.solo import OTHERS, Solo, accusation, alive

SHORTEST = FAST.suspicion_min_s
LONGEST = SHORTEST * FAST.suspicion_max_factor


def lasted(solo: Solo) -> float:
    """Seconds until "a" is dead while the others answer; "a" acks probes, but does not refute."""
    began = solo.now
    while solo.state("a") == "suspect":
        solo.wait(0.01, answering=("a", *OTHERS))
    return solo.now - began


def test_a_suspicion_of_one_lasts_longest(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    assert lasted(solo) == pytest.approx(LONGEST, abs=0.02)
    assert solo.state("a") == "dead"


def test_three_accusers_shorten_it_to_the_minimum(solo: Solo) -> None:
    solo.gossip("b", *(accusation(name, "a") for name in OTHERS))
    assert lasted(solo) == pytest.approx(SHORTEST, abs=0.02)


def test_a_deadline_that_late_accusers_move_into_the_past_is_due_at_once(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    solo.wait(2 * SHORTEST, answering=("a", *OTHERS))
    assert solo.state("a") == "suspect"
    solo.gossip("b", accusation("c", "a"), accusation("d", "a"))
    solo.wait(0.01, answering=("a", *OTHERS))
    assert solo.state("a") == "dead"


def test_the_same_accuser_twice_shortens_nothing(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"), accusation("b", "a", dead=True))
    assert lasted(solo) == pytest.approx(LONGEST, abs=0.02)


def test_ones_own_failed_probe_counts_among_the_accusers(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"), accusation("c", "a"))
    began = solo.now
    while solo.state("a") == "suspect":
        solo.wait(0.01, answering=OTHERS)
    assert solo.now - began == pytest.approx(SHORTEST, abs=0.02)
    assert len(solo.accusers("a")) == 3


def test_a_newer_statement_of_its_own_ends_the_suspicion(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    solo.gossip("c", alive("a", 2))
    assert solo.state("a") == "alive"
    assert solo.accusers("a") == set()
    assert ("membership", "suspicion", key("a")) not in solo.timers
    solo.wait(2 * LONGEST, answering=("a", *OTHERS))
    assert solo.state("a") == "alive"


def test_an_ack_alone_does_not_end_a_suspicion(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    solo.answer("a")
    assert solo.state("a") == "suspect"


def test_a_suspicion_is_forwarded_at_once(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", accusation("b", "a"))
    solo.fire_due()
    assert all(accusation("b", "a").signed in solo.told(name) for name in OTHERS)


def test_accusations_by_different_accusers_are_forwarded_side_by_side(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", accusation("b", "a"), accusation("c", "a"))
    solo.fire_due()
    assert {accusation("b", "a").signed, accusation("c", "a").signed} <= solo.told("d")


def test_in_a_large_mesh_a_few_look_after_a_suspect_not_everybody() -> None:
    solo = Solo()
    names = [f"n{number}" for number in range(40)]
    solo.meet(*names)
    for name in names[1:]:
        solo.gossip("n0", accusation("n0", name))
    looked_after = [name for name in names if solo.sent(Ping, name)]
    assert 0 < len(looked_after) < 20


def test_the_suspect_is_told_directly_and_repeatedly(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", accusation("b", "a"))
    told = [message for message in solo.sent(Gossip, "a") if accusation("b", "a") in message.updates]
    assert len(told) == 1
    solo.wait(SHORTEST, answering=("a", *OTHERS))
    told = [message for message in solo.sent(Gossip, "a") if accusation("b", "a") in message.updates]
    assert len(told) >= 3


def test_a_ping_to_a_suspect_carries_what_it_must_refute(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", accusation("b", "a"))
    assert accusation("b", "a") in solo.sent(Ping, "a")[0].updates


def test_news_is_not_wasted_on_suspects(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", alive("c", 2), accusation("b", "a"))
    solo.fire_due()
    assert solo.sent(Ping, "a")
    assert alive("c", 2).signed not in solo.told("a")
    assert alive("c", 2).signed in solo.told("d")


def test_a_death_names_its_accusers_and_says_since_when(solo: Solo) -> None:
    solo.gossip("b", *(accusation(name, "a") for name in OTHERS))
    solo.wait(SHORTEST, answering=("a", *OTHERS))
    assert solo.moments("member_dead") == [{"peer": key("a"), "accusers": 3}]
    assert solo.membership.members[key("a")].since == pytest.approx(solo.now)
    assert solo.changes[-1] == (key("a"), "suspect", "dead")


def test_the_first_accuser_is_named(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"), accusation("c", "a"))
    assert solo.moments("member_suspected") == [{"peer": key("a"), "by": key("b")}]


def test_accusers_are_shown_as_they_come(solo: Solo) -> None:
    before = len(solo.changes)
    solo.gossip("b", accusation("b", "a"), accusation("c", "a"))
    assert solo.changes[before:] == [(key("a"), "alive", "suspect"), (key("a"), "suspect", "suspect")]


def test_a_dead_member_returns_with_a_newer_statement_only(solo: Solo) -> None:
    solo.gossip("b", *(accusation(name, "a") for name in OTHERS))
    solo.wait(SHORTEST, answering=OTHERS)
    solo.gossip("b", alive("a"))
    assert solo.state("a") == "dead"
    solo.gossip("b", alive("a", 2))
    assert solo.state("a") == "alive"
    assert not solo.membership.is_dead(key("a"))


def test_a_returned_member_is_checked_before_it_may_accuse(solo: Solo) -> None:
    solo.gossip("b", *(accusation(name, "a") for name in OTHERS))
    solo.wait(SHORTEST, answering=OTHERS)
    solo.gossip("a", alive("a", 2))
    solo.answer("a")
    solo.gossip("a", accusation("a", "b"))
    assert solo.state("b") == "alive"


def test_with_nobody_to_confirm_it_a_suspicion_is_short() -> None:
    solo = Solo()
    solo.meet("a")
    while solo.state("a") != "suspect":
        solo.wait(0.01)
    began = solo.now
    solo.wait(SHORTEST + 0.02)
    assert solo.state("a") == "dead"
    assert solo.membership.members[key("a")].since - began == pytest.approx(SHORTEST, abs=0.02)
