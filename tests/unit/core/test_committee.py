"""Weights and quorums: what the arithmetic of docs/protocol.md promises, tried on every small committee."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mesh_core.config import limit
from mesh_core.lease.tolerance import tolerance
from mesh_core.ledger.record import job_is_sound
from mesh_core.quorum.committee import (
    fitting_submitter,
    heaviest_submitter,
    members,
    quorum,
    quorum_of,
    total_weight,
    vouched,
    weight_of,
    weights_problem,
)
from mesh_core.wire import statements as st
from tests.unit.core.people import People

PEOPLE = People()
SUBMITTER = PEOPLE.submitter.peer


def job_of(weights: list[int], own: int, fault_bound: int) -> st.Job:
    """A job over providers of `weights` and a submitter of weight `own`."""
    seats = [st.Seat(bytes([number]) * 32, weight) for number, weight in enumerate(weights)]
    return PEOPLE.job(committee=(*seats, st.Seat(SUBMITTER, own)), fault_bound=fault_bound)


@some.composite
def draw_committee(draw: some.DrawFn) -> st.Job:
    """Any sound job over up to seven providers of unequal weights."""
    weights = draw(some.lists(some.integers(1, 4), min_size=1, max_size=7))
    own = draw(some.integers(1, 5))
    return job_of(weights, own, draw(some.integers(0, min(5, (sum(weights) + own - 1) // 3))))


committees = draw_committee().filter(lambda job: job_is_sound(job, SUBMITTER))


def a_quorum(job: st.Job, data: some.DataObject) -> set[bytes]:
    """Members in some order, until they are a quorum."""
    chosen: set[bytes] = set()
    for peer in data.draw(some.permutations(members(job))):
        if weight_of(job, chosen) < quorum(job):
            chosen.add(peer)
    return chosen


def some_liars(job: st.Job, data: some.DataObject) -> set[bytes]:
    """As many members, in some order, as may lie."""
    liars: set[bytes] = set()
    for peer in data.draw(some.permutations(members(job))):
        if weight_of(job, liars | {peer}) <= job.fault_bound:
            liars.add(peer)
    return liars


@given(committees, some.data())
def test_two_quorums_share_an_honest_member_whoever_lies(job: st.Job, data: some.DataObject) -> None:
    common = a_quorum(job, data) & a_quorum(job, data)
    assert weight_of(job, common) > job.fault_bound
    assert common - some_liars(job, data)


@given(committees, some.data())
def test_the_honest_are_a_quorum_although_all_liars_are_silent(job: st.Job, data: some.DataObject) -> None:
    assert weight_of(job, set(members(job)) - some_liars(job, data)) >= quorum(job)


@given(committees)
def test_no_quorum_is_larger_than_it_must_be(job: st.Job) -> None:
    smaller = quorum(job) - 1
    assert 2 * smaller - total_weight(job) <= job.fault_bound


@given(some.integers(1, 6), some.integers(1, 16), some.integers(0, 5))
def test_what_a_submitter_may_ask_for_is_what_replicas_hold_for_sound(
    providers: int, own: int, fault_bound: int
) -> None:
    job = job_of([1] * providers, own, fault_bound)
    problem = weights_problem(providers, own, fault_bound)
    assert job_is_sound(job, SUBMITTER) == (not problem)
    assert "\n" not in problem


@given(some.integers(1, 6), some.integers(0, 5))
def test_the_heaviest_submitter_is_the_last_one_that_is_no_quorum(providers: int, fault_bound: int) -> None:
    alone = [
        own for own in range(1, limit("seat_weight_max") + 1) if own < quorum_of(providers + own, fault_bound)
    ]
    assert heaviest_submitter(providers, fault_bound) == max(alone)


@given(some.integers(1, 6), some.integers(1, 16), some.integers(0, 5))
def test_a_weight_is_changed_no_more_than_fewer_providers_ask(
    providers: int, wanted: int, fault_bound: int
) -> None:
    possible = [
        own
        for own in range(1, limit("seat_weight_max") + 1)
        if not weights_problem(providers, own, fault_bound)
    ]
    fitting = fitting_submitter(providers, wanted, fault_bound)
    if possible:
        assert fitting == min(possible, key=lambda own: abs(own - wanted))
    else:
        assert weights_problem(providers, fitting, fault_bound)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((6, 1, -1), "a fault bound of -1 is out of range: votes of weight 0 to 5 may lie"),
        ((6, 1, 6), "a fault bound of 6 is out of range: votes of weight 0 to 5 may lie"),
        ((6, 0, 0), "a submitter weight of 0 is out of range: 1 to 16"),
        (
            (2, 1, 1),
            "lies of weight 1 need votes of weight 4 in all, 2 providers and a submitter weight of 1 make 3: "
            "start 1 more, or ask for less",
        ),
        (
            (6, 8, 1),
            "a submitter weight of 8 would be a quorum by itself: with 6 providers it may be 7",
        ),
        ((6, 3, 1), ""),
        ((3, 1, 1), ""),
    ],
)
def test_who_asks_for_too_much_is_told_what_would_do(asked: tuple[int, int, int], said: str) -> None:
    assert weights_problem(*asked) == said


@pytest.mark.parametrize(
    ("said", "fault_bound", "believed"),
    [
        ({}, 0, 0),
        ({0: 9}, 0, 9),
        ({0: 9}, 1, 0),
        ({0: 9, 1: 7, 2: 5}, 1, 7),
        ({0: 9, 1: 7, 2: 5}, 2, 5),
    ],
)
def test_only_what_more_than_the_liars_say_is_believed(
    said: dict[int, int], fault_bound: int, believed: int
) -> None:
    job = job_of([1] * 6, 1, fault_bound)
    assert vouched(job, {bytes([number]) * 32: epoch for number, epoch in said.items()}) == believed


def test_a_heavy_member_is_not_believed_alone_where_it_may_lie() -> None:
    job = job_of([1] * 6, 3, 1)
    assert vouched(job, {SUBMITTER: 9}) == 9, "it weighs more than f: it must be trusted anyway"


# ------------------------------------------------------------------------------------------- tolerance


def survives(job: st.Job, silent: set[bytes]) -> bool:
    """Whether the others still are a quorum."""
    return weight_of(job, set(members(job)) - silent) >= quorum(job)


def any_so_many(job: st.Job, count: int, also: set[bytes]) -> bool:
    """Whether the job survives any `count` silent providers, beside `also`."""
    providers = [peer for peer in members(job) if peer != SUBMITTER]
    return all(survives(job, also | set(silent)) for silent in combinations(providers, count))


def most(job: st.Job, also: set[bytes]) -> int | None:
    """The same the long way: try every set of providers."""
    counts = [count for count in range(len(members(job))) if any_so_many(job, count, also)]
    return max(counts) if counts else None


@given(committees)
def test_tolerance_is_what_trying_every_set_of_providers_gives(job: st.Job) -> None:
    told = tolerance(job, SUBMITTER)
    assert told.providers == len(job.committee) - 1
    assert told.silent_providers == most(job, set())
    assert told.silent_without_submitter == most(job, {SUBMITTER})
    assert told.lying_weight == job.fault_bound
    assert set(told.trusted) == {seat.peer for seat in job.committee if seat.weight > job.fault_bound}


@pytest.mark.parametrize(
    ("providers", "own", "fault_bound", "with_submitter", "without"),
    [
        (6, 1, 0, 3, 2),
        (6, 1, 1, 2, 1),
        (6, 3, 1, 3, 0),
        (6, 3, 0, 4, 1),
        (3, 1, 1, 1, 0),
        (1, 1, 0, 0, None),
    ],
)
def test_what_the_documents_say_of_committees_is_so(
    providers: int, own: int, fault_bound: int, with_submitter: int, without: int | None
) -> None:
    told = tolerance(job_of([1] * providers, own, fault_bound), SUBMITTER)
    assert (told.silent_providers, told.silent_without_submitter) == (with_submitter, without)


def test_a_submitter_heavier_than_the_liars_must_be_trusted() -> None:
    assert tolerance(job_of([1] * 6, 3, 1), SUBMITTER).trusted == (SUBMITTER,)
    assert tolerance(job_of([1] * 6, 1, 1), SUBMITTER).trusted == ()
