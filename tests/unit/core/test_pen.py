"""The pen: nothing is signed before a node may sign, nor twice in one slot."""

from __future__ import annotations

import pytest

from mesh_core.effects import PutVote
from mesh_core.identity.pen import NotEntitledError, Pen, SlotTakenError
from mesh_core.identity.statement import check
from mesh_core.ledger.record import FIRST_PREV, new_record
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People

JOB = b"j" * 32


def pen(people: People) -> tuple[Pen, list[PutVote]]:
    """A new pen and what it writes down."""
    written: list[PutVote] = []
    return Pen(people.submitter.crypto, written.append), written


def promise(people: People, epoch: int = 1, holder: int = 0) -> st.Promise:
    """A promise of the submitter."""
    return st.Promise(NETWORK, people.submitter.peer, JOB, epoch, people.providers[holder].peer, None, ())


def test_a_pen_that_is_not_open_signs_nothing() -> None:
    people = People()
    mine, written = pen(people)
    record = new_record(NETWORK, people.submitter.peer, 1, FIRST_PREV, 0, "note", "x")
    for shut in (True, False):
        with pytest.raises(NotEntitledError):
            mine.vote(promise(people))
        with pytest.raises(NotEntitledError):
            mine.sign(record)
        if shut:
            mine.open()
            mine.close()
    assert not written


def test_a_vote_is_written_down_as_it_is_signed() -> None:
    people = People()
    mine, written = pen(people)
    mine.open()
    signed = mine.vote(promise(people))
    assert written == [PutVote(JOB, 1, "promise", signed)]
    assert check(people.submitter.crypto, signed, st.Promise, NETWORK) == promise(people)
    assert mine.has_said(JOB, 1, "promise", signed)
    assert not mine.has_said(JOB, 1, "accept", signed)


def test_a_slot_is_signed_once_also_in_another_life() -> None:
    people = People()
    mine, written = pen(people)
    mine.open()
    mine.vote(promise(people))
    again, _ = pen(people)
    again.restore(written)
    again.open()
    for either in (mine, again):
        with pytest.raises(SlotTakenError):
            either.vote(promise(people, holder=1))
        either.vote(promise(people, epoch=2, holder=1))


def test_what_was_said_in_another_life_is_found_by_its_slot() -> None:
    people = People()
    mine, written = pen(people)
    mine.open()
    me = people.submitter.peer
    mine.vote(promise(people, epoch=3))
    releases = {epoch: mine.vote(st.Release(NETWORK, me, JOB, epoch, "")) for epoch in (2, 5, 4)}
    wish = mine.vote(st.Cancel(NETWORK, me, JOB, "enough"))
    again, _ = pen(people)
    again.restore(written)
    for either in (mine, again):
        assert {epoch: either.said(JOB, epoch, st.Release) for epoch in (2, 4, 5)} == releases
        assert either.highest(JOB, st.Release) == 5
        assert either.last(JOB, st.Release) == releases[5]
        assert either.last(JOB, st.AcceptVote) is None
        assert either.said(JOB, 0, st.Cancel) == wish
        assert either.said(JOB, 3, st.Release) is None
        assert either.highest(JOB, st.AcceptVote) == 0
        assert list(either.on(JOB)) == written
        either.forget(JOB)
        assert either.highest(JOB, st.Release) == 0
        assert either.said(JOB, 5, st.Release) is None
        assert not list(either.on(JOB))


def test_what_was_said_of_a_decided_job_is_forgotten() -> None:
    people = People()
    mine, _ = pen(people)
    mine.open()
    signed = mine.vote(promise(people))
    mine.forget(JOB)
    assert not mine.has_said(JOB, 1, "promise", signed)
