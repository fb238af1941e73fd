from __future__ import annotations

from mesh_core.effects import Outbox
from mesh_core.membership.members import Member, Roster
from mesh_core.wire.statements import Alive
from tests.unit.membership.cluster import NETWORK, announcement, key


def roster(capacity: int = 3) -> Roster:
    return Roster(capacity, Outbox(), lambda *_: None)


def add(table: Roster, name: str, now: float = 0.0) -> Member:
    return table.add(now, Alive(NETWORK, key(name), 1, announcement(name)), b"signed")


def test_live_members_have_the_same_order_on_every_node() -> None:
    one, other = roster(), roster()
    for name in "abc":
        add(one, name)
    for name in "cab":
        add(other, name)
    assert [m.peer for m in one.live()] == [m.peer for m in other.live()] == sorted(map(key, "abc"))


def test_a_suspect_is_live_and_a_dead_one_is_not() -> None:
    table = roster()
    a, b = add(table, "a"), add(table, "b")
    table.enter(1.0, a, "suspect")
    table.enter(1.0, b, "dead")
    assert table.live() == (a,)
    assert table.gone() == [b]
    assert table.size() == 2


def test_since_is_when_the_state_changed_not_when_it_was_confirmed() -> None:
    table = roster()
    a = add(table, "a", now=1.0)
    table.enter(2.0, a, "suspect")
    table.enter(3.0, a, "suspect")
    assert a.since == 2.0


def test_a_full_table_of_live_members_takes_nobody() -> None:
    table = roster()
    for name in "abc":
        add(table, name)
    assert not table.has_room(hearsay=False)


def test_a_newcomer_takes_the_place_of_a_dead_member_never_reached_before_that_of_one_reached() -> None:
    table = roster()
    for name in "abc":
        add(table, name)
    a, b = table.by_id[key("a")], table.by_id[key("b")]
    a.proven_since = 0.5
    table.enter(1.0, a, "dead")
    table.enter(9.0, b, "dead")
    assert table.has_room(hearsay=True)
    add(table, "d")
    assert key("b") not in table.by_id
    assert key("a") in table.by_id


def test_hearsay_never_drives_out_a_member_that_was_reached() -> None:
    table = roster()
    for name in "abc":
        add(table, name)
    a = table.by_id[key("a")]
    a.proven_since = 0.5
    table.enter(1.0, a, "dead")
    assert not table.has_room(hearsay=True)
    assert table.has_room(hearsay=False)
