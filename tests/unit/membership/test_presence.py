from __future__ import annotations

from mesh_core.config import FAST
from mesh_core.identity.statement import peek, sign
from mesh_core.wire.messages import Gossip, Ping, Update
from mesh_core.wire.statements import Alive
from tests.unit.membership.cluster import NETWORK, Signer, announcement, key
from tests.unit.membership.solo import ME, Solo, accusation

T = FAST.probe_timeout_s
FIRST = 1 << 20


def own_incarnations(solo: Solo, to: str) -> list[int]:
    """Incarnations of this node told directly to somebody since `take`."""
    return [
        statement.incarnation
        for message in solo.sent(Gossip, to)
        for update in message.updates
        if update.kind == "alive" and (statement := peek(update.signed, Alive)).author == ME
    ]


def test_incarnations_begin_above_those_of_every_former_start() -> None:
    assert Solo(boot=1).membership.incarnation == FIRST
    assert Solo(boot=2).membership.incarnation == 2 * FIRST


def test_an_accused_node_refutes_with_a_higher_incarnation(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", FIRST))
    assert solo.membership.incarnation == FIRST + 1


def test_a_refutation_goes_directly_to_all_in_a_small_mesh(solo: Solo) -> None:
    solo.take()
    solo.gossip("a", accusation("a", "me", FIRST))
    assert all(own_incarnations(solo, name) == [FIRST + 1] for name in "abcd")


def test_a_refutation_goes_directly_to_a_few_in_a_large_mesh() -> None:
    solo = Solo()
    names = [f"n{number}" for number in range(40)]
    solo.meet(*names)
    solo.gossip("n0", accusation("n0", "me", FIRST))
    told = {name for name in names if own_incarnations(solo, name)}
    assert "n0" in told
    assert 8 <= len(told) <= 9


def test_incarnation_does_not_increase_for_a_stale_suspicion(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", FIRST))
    solo.take()
    solo.gossip("b", accusation("b", "me", FIRST))
    assert solo.membership.incarnation == FIRST + 1
    assert own_incarnations(solo, "b") == [FIRST + 1], "the stale accuser is told what is current"


def test_incarnation_does_not_increase_for_an_invented_incarnation(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", 2**63))
    assert solo.membership.incarnation == FIRST


def test_a_forged_accusation_is_not_refuted(solo: Solo) -> None:
    solo.gossip("a", accusation("b", "me", FIRST, by="a"))
    assert solo.membership.incarnation == FIRST
    assert solo.membership.rejected == {"bad_signature": 1}


def test_refutations_are_not_sent_faster_than_round_trips(solo: Solo) -> None:
    for _ in range(100):
        solo.gossip("a", accusation("a", "me", solo.membership.incarnation))
    assert solo.membership.incarnation == FIRST + 1
    solo.wait(T, answering=("a", "b", "c", "d"))
    assert solo.membership.incarnation == FIRST + 2


def test_having_to_refute_a_believed_accuser_worsens_local_health(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", FIRST))
    assert solo.membership.local_health == 1


def test_fresh_keys_cannot_slow_a_node_down(solo: Solo) -> None:
    solo.gossip("x", accusation("x", "me", FIRST))
    assert solo.membership.incarnation == FIRST + 1, "others may believe it, so it is refuted"
    assert solo.membership.local_health == 0


def test_a_refutation_names_the_accuser(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "me", FIRST))
    assert solo.moments("refuted") == [{"incarnation": FIRST + 1, "by": key("a")}]


def test_a_node_whose_boot_counter_was_lost_outbids_its_former_life(solo: Solo) -> None:
    former = Alive(NETWORK, ME, 57 * FIRST, announcement("me"), left=True)
    solo.gossip("a", Update("alive", sign(Signer(ME), former)))
    assert solo.membership.incarnation == 57 * FIRST + 1


def test_nobody_else_can_raise_ones_incarnation(solo: Solo) -> None:
    forged = Alive(NETWORK, ME, 57 * FIRST, announcement("me"))
    solo.gossip("a", Update("alive", sign(Signer(key("a")), forged)))
    assert solo.membership.incarnation == FIRST


def test_an_announcement_has_a_new_incarnation(solo: Solo) -> None:
    solo.take()
    solo.membership.announce(solo.now, announcement("me", price_micro=7))
    assert solo.membership.incarnation == FIRST + 1
    assert solo.membership.announcement.price_micro == 7
    assert all(own_incarnations(solo, name) == [FIRST + 1] for name in "abcd")


def test_who_leaves_says_so_to_everybody_and_then_nothing_more(solo: Solo) -> None:
    solo.take()
    solo.membership.leave(solo.now)
    assert all(peek(solo.sent(Gossip, name)[0].updates[0].signed, Alive).left for name in "abcd")
    solo.take()
    solo.deliver("a", Ping(1, ()))
    solo.wait(5.0)
    assert solo.take() == []


def test_who_has_left_does_not_even_tell_the_dead_that_they_are_held_for_dead(solo: Solo) -> None:
    solo.kill("a")
    solo.membership.leave(solo.now)
    solo.take()
    solo.sleep(5.0)
    solo.deliver("a", Ping(1, ()))
    assert solo.take() == []
