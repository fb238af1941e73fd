from __future__ import annotations

import random

import pytest

from mesh_core.config import FAST
from mesh_core.effects import PeerId
from mesh_core.membership.joins import Joins
from tests.unit.membership.cluster import Signer, context, key

PEER = key("peer")


class Asking:
    def __init__(self) -> None:
        me = key("me")
        shared = context("me", me, Signer(me), random.Random(0))
        self.timers = shared.timers
        self.asked: list[float] = []
        self.joins = Joins(shared, self._ask)

    def _ask(self, now: float, peer: PeerId) -> None:
        assert peer == PEER
        self.asked.append(now)

    def run(self, until: float, *, still_wanted: bool) -> None:
        while (now := self.timers.next_deadline()) is not None and now <= until:
            for _ in self.timers.due(now):
                self.joins.fire(now, PEER, still_wanted=still_wanted)


def test_a_silent_neighbour_is_asked_less_and_less_often() -> None:
    asking = Asking()
    asking.joins.want(0.0, PEER)
    asking.run(60.0, still_wanted=True)
    waits = [after - before for before, after in zip(asking.asked, asking.asked[1:], strict=False)]
    assert waits[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert max(waits) == pytest.approx(FAST.exchange_period_s)


def test_a_stranger_is_asked_once_however_many_frames_it_sends() -> None:
    asking = Asking()
    for _ in range(100):
        asking.joins.want(0.0, PEER)
    asking.run(60.0, still_wanted=False)
    assert asking.asked == [0.0]
    assert len(asking.timers) == 0


def test_who_has_introduced_itself_meanwhile_is_not_asked() -> None:
    asking = Asking()
    asking.joins.want(0.0, PEER)
    asking.joins.done(PEER)
    asking.run(60.0, still_wanted=True)
    assert asking.asked == []


def test_who_becomes_reachable_is_asked_at_once() -> None:
    asking = Asking()
    asking.joins.want(0.0, PEER)
    asking.run(20.0, still_wanted=True)
    asking.joins.again(20.0, PEER)
    asking.run(20.0, still_wanted=True)
    assert asking.asked[-1] == 20.0
