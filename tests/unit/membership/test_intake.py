from __future__ import annotations

import pytest

from mesh_core.config import FAST, limit
from mesh_core.identity.statement import peek, sign
from mesh_core.wire.messages import Ack, Exchange, Gossip, Ping, Update
from mesh_core.wire.statements import Accusation, Alive
from tests.unit.membership.cluster import NETWORK, Signer, announcement, key
from tests.unit.membership.solo import ME, Solo, accusation, alive

P = FAST.probe_period_s


# ------------------------------------------------------------------------------------------ cheap when idle


def test_what_is_known_is_not_verified_again(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    before = solo.signer.verified
    for _ in range(100):
        solo.gossip("c", alive("a"), alive("b"), accusation("b", "a"), accusation("b", "a", 0))
    assert solo.signer.verified == before


def test_a_newcomer_costs_one_verification() -> None:
    solo = Solo()
    for _ in range(10):
        solo.deliver("a", Exchange((alive("a"),), False))
    assert solo.signer.verified == 1


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("update", "cause"),
    [
        (alive("x", by="a"), "bad_signature"),
        (alive("a", 2, by="b"), "bad_signature"),
        (accusation("b", "a", by="c"), "bad_signature"),
        (alive("x", network="other"), "other_network"),
        (accusation("b", "a", network="other"), "other_network"),
        (Update("alive", b""), "malformed"),
        (Update("alive", b"\xff" * 200), "malformed"),
        (Update("accusation", alive("x").signed), "malformed"),
        (Update("rumour", alive("x").signed), "unknown_kind"),
        (Update("alive", alive("x").signed[:-1] + b"?"), "bad_signature"),
        (Update("alive", alive("x").signed + b"\0" * 5000), "too_large"),
    ],
)
def test_a_bad_statement_is_counted_by_cause_and_changes_nothing(
    solo: Solo, update: Update, cause: str
) -> None:
    before = list(solo.changes)
    solo.gossip("b", update)
    assert solo.membership.rejected == {cause: 1}
    assert solo.changes == before


def test_text_that_is_no_utf8_is_malformed(solo: Solo) -> None:
    broken = Update("alive", alive("x").signed.replace(b"test", b"\xff\xfe\xfd\xfc", 1))
    solo.gossip("b", broken)
    assert solo.membership.rejected == {"malformed": 1}


def test_a_bad_statement_does_not_stop_the_next_one(solo: Solo) -> None:
    solo.gossip("b", Update("alive", b"\xc1"), alive("x"))
    assert solo.state("x") == "alive"


def test_a_key_of_the_wrong_length_is_no_member(solo: Solo) -> None:
    statement = Alive(NETWORK, b"short", 1, announcement("short"))
    solo.gossip("b", Update("alive", sign(Signer(b"short"), statement)))
    assert solo.membership.rejected == {"malformed": 1}


def test_updates_beyond_the_limit_are_counted_and_ignored(solo: Solo) -> None:
    most = limit("updates_per_message_max")
    solo.gossip("b", *([alive("a")] * most), alive("x"))
    assert solo.state("x") == "unknown"
    assert solo.membership.rejected == {"too_many": 1}


# ------------------------------------------------------------------------------------------ incarnations


def test_the_newest_announcement_of_a_member_wins(solo: Solo) -> None:
    solo.gossip("b", alive("a", 3, price=30))
    solo.gossip("b", alive("a", 2, price=20))
    member = solo.membership.members[key("a")]
    assert (member.incarnation, member.announcement.price_micro) == (3, 30)


def test_a_second_statement_of_the_same_incarnation_changes_nothing(solo: Solo) -> None:
    solo.gossip("b", alive("a", 1, price=999))
    assert solo.membership.members[key("a")].announcement.price_micro == 1


def test_no_member_can_speak_for_another(solo: Solo) -> None:
    solo.gossip("b", alive("a", 9, left=True, by="b"))
    assert (solo.state("a"), solo.membership.members[key("a")].incarnation) == ("alive", 1)


def test_who_sends_something_older_is_told_what_is_current(solo: Solo) -> None:
    solo.gossip("b", alive("a", 5))
    solo.take()
    solo.gossip("c", alive("a", 4), accusation("c", "a", 4))
    assert solo.sent(Gossip, "c") == [Gossip((alive("a", 5),))]


def test_an_accusation_of_an_unknown_incarnation_is_answered_so_that_its_sender_shows_it(solo: Solo) -> None:
    solo.take()
    solo.gossip("c", accusation("c", "a", 2**63))
    assert solo.state("a") == "alive"
    assert solo.sent(Gossip, "c") == [Gossip((alive("a"),))]


def test_a_member_that_left_is_left_without_suspicion(solo: Solo) -> None:
    solo.gossip("a", alive("a", 2, left=True))
    assert solo.state("a") == "left"
    assert solo.membership.is_dead(key("a"))
    assert solo.moments("member_suspected") == []
    assert solo.moments("member_left") == [{"peer": key("a")}]


def test_a_member_that_left_may_come_back(solo: Solo) -> None:
    solo.gossip("a", alive("a", 2, left=True))
    solo.gossip("a", alive("a", 3))
    assert solo.state("a") == "alive"


def test_a_stranger_that_left_is_not_remembered(solo: Solo) -> None:
    solo.gossip("b", alive("x", 1, left=True))
    assert solo.state("x") == "unknown"


# ------------------------------------------------------------------------------------------- accusations


def test_an_accusation_by_a_proven_member_makes_a_suspect(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a"))
    assert solo.state("a") == "suspect"
    assert solo.accusers("a") == {key("b")}


def test_whoever_hears_a_suspicion_looks_for_itself(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", accusation("b", "a"))
    assert len(solo.sent(Ping, "a")) == 1


def test_a_dead_heard_from_others_is_an_accusation_never_a_verdict(solo: Solo) -> None:
    solo.gossip("b", accusation("b", "a", dead=True), accusation("c", "a", dead=True))
    solo.deliver("d", Exchange((accusation("d", "a", dead=True),), False))
    assert solo.state("a") == "suspect"


@pytest.mark.parametrize("dead", [False, True])
def test_two_invented_accusers_do_not_make_a_suspect(solo: Solo, dead: bool) -> None:
    solo.gossip("b", alive("x"), alive("y"))
    solo.answer("x", "y")
    solo.gossip("b", accusation("x", "a", dead=dead), accusation("y", "a", dead=dead))
    assert solo.state("a") == "alive"


def test_accusers_that_nobody_has_ever_heard_of_do_not_make_a_suspect(solo: Solo) -> None:
    solo.gossip("b", accusation("x", "a"), accusation("y", "a"))
    assert solo.state("a") == "alive"


def test_an_accusation_that_does_not_count_is_a_reason_to_look(solo: Solo) -> None:
    while not _unheard_of_for_a_period(solo):
        solo.wait(P / 10, answering=("a", "b", "c", "d"))
    solo.take()
    solo.gossip("x", accusation("x", "a"), accusation("x", "a"))
    assert len(solo.sent(Ping, "a")) == 1


def test_an_accusation_that_does_not_count_is_nothing_when_its_subject_has_just_answered(solo: Solo) -> None:
    while _unheard_of_for_a_period(solo):
        solo.wait(P / 10, answering=("a", "b", "c", "d"))
    solo.take()
    solo.gossip("x", accusation("x", "a"))
    assert solo.sent(Ping, "a") == []


def _unheard_of_for_a_period(solo: Solo) -> bool:
    return solo.now - solo.membership.members[key("a")].answered > P


def test_a_newcomer_counts_once_it_has_answered_for_five_periods(solo: Solo) -> None:
    solo.gossip("x", alive("x"))
    solo.answer("x")
    names = ("a", "b", "c", "d", "x")
    solo.wait(4 * P, answering=names)
    solo.gossip("x", accusation("x", "a"))
    assert solo.state("a") == "alive"
    solo.wait(P, answering=names)
    solo.gossip("x", accusation("x", "a"))
    assert solo.state("a") == "suspect"


def test_a_dead_members_accusation_does_not_count(solo: Solo) -> None:
    solo.gossip("b", alive("b", 2, left=True))
    solo.gossip("c", accusation("b", "a"))
    assert solo.state("a") == "alive"


def test_accusations_in_ones_own_name_from_a_former_life_do_not_count(solo: Solo) -> None:
    mine = Update("accusation", sign(Signer(ME), Accusation(NETWORK, ME, key("a"), 1, True)))
    solo.gossip("b", mine)
    assert solo.state("a") == "alive"


def test_members_cannot_accuse_themselves(solo: Solo) -> None:
    solo.gossip("a", accusation("a", "a"))
    assert solo.state("a") == "alive"


def test_more_accusers_than_needed_are_not_kept(solo: Solo) -> None:
    solo.meet("e", "f")
    solo.gossip("b", *(accusation(name, "a") for name in "bcdef"))
    assert len(solo.accusers("a")) == 3


# ------------------------------------------------------------------------------------------ invented members


def test_five_thousand_invented_members_do_not_exhaust_the_table(solo: Solo) -> None:
    for start in range(0, 5000, 250):
        solo.deliver("b", Exchange(tuple(alive(f"invented{i}") for i in range(start, start + 250)), False))
    assert len(solo.membership.members) == limit("members_max")
    assert solo.membership.rejected["no_room"] == 5000 - (limit("members_max") - 4)
    assert len(solo.sent(Ping)) <= limit("greetings_max")
    assert all(solo.state(name) == "alive" for name in "abcd")


def test_after_a_flood_of_invented_members_a_real_newcomer_is_let_in(solo: Solo) -> None:
    for start in range(0, 1000, 250):
        solo.deliver("b", Exchange(tuple(alive(f"invented{i}") for i in range(start, start + 250)), False))
    solo.wait(30.0, answering=("a", "b", "c", "d"))
    solo.deliver("x", Exchange((alive("x"),), False))
    assert solo.state("x") == "alive"
    assert all(solo.state(name) == "alive" for name in "abcd")


def test_hearsay_is_not_repeated_before_it_is_checked(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", alive("x"))
    solo.wait(P, answering=("a", "b", "c", "d"))
    solo.deliver("c", Exchange((), True))
    assert all(alive("x").signed not in solo.told(name) for name in "acd")


def test_a_newcomer_that_answers_is_passed_on_at_once(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", alive("x"))
    solo.answer("x")
    solo.fire_due()
    assert any(alive("x").signed in solo.told(name) for name in "acd")


def test_a_ping_to_a_newcomer_introduces_its_sender(solo: Solo) -> None:
    solo.take()
    solo.gossip("b", alive("x"))
    introduction = peek(solo.sent(Ping, "x")[0].updates[0].signed, Alive)
    assert (introduction.author, introduction.incarnation) == (ME, solo.membership.incarnation)


def test_an_ack_is_sent_to_strangers_too(solo: Solo) -> None:
    solo.deliver("stranger", Ping(5, ()))
    assert [ack.number for ack in solo.sent(Ack, "stranger")] == [5]
