from __future__ import annotations

import pytest

from mesh_core.config import FAST
from mesh_core.wire.messages import Ping
from tests.unit.membership.solo import OTHERS, Solo, accusation, alive


def test_the_dead_are_contacted_now_and_then(solo: Solo) -> None:
    solo.kill("a")
    solo.wait(10.0, answering=OTHERS)
    contacts = solo.sent(Ping, "a")
    assert len(contacts) == pytest.approx(10.0 / FAST.dead_contact_s, abs=1)
    assert all(accusation("b", "a") in ping.updates for ping in contacts)


def test_a_member_that_left_is_not_contacted(solo: Solo) -> None:
    solo.gossip("a", alive("a", 2, left=True))
    solo.take()
    solo.wait(10.0, answering=OTHERS)
    assert solo.sent(Ping, "a") == []


def test_a_dead_member_is_forgotten_after_a_day(solo: Solo) -> None:
    solo.kill("a")
    solo.sleep(FAST.dead_memory_s - 1.0)
    solo.answer(*OTHERS)
    solo.wait(0.0, answering=OTHERS)
    assert solo.state("a") == "dead"
    solo.sleep(2.0)
    solo.wait(0.0, answering=OTHERS)
    solo.wait(1.0, answering=OTHERS)
    assert solo.state("a") == "unknown"


def test_members_that_were_once_reached_are_contacted_before_invented_ones(solo: Solo) -> None:
    solo.gossip("b", alive("invented"))
    while solo.state("invented") != "dead":
        solo.wait(0.1, answering=("a", *OTHERS))
    solo.kill("a")
    solo.wait(10.0, answering=OTHERS)
    assert solo.sent(Ping, "a")
    assert not solo.sent(Ping, "invented")


def test_nothing_is_scheduled_while_nobody_is_gone(solo: Solo) -> None:
    assert ("membership", "contact") not in solo.timers
    solo.kill("a")
    assert ("membership", "contact") in solo.timers
