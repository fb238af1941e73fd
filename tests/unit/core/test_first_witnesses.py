"""Who promises an auction's winner its lease without being asked."""

from __future__ import annotations

import pytest

from mesh_core.lease.turns import first_witnesses
from mesh_core.ledger.job import LedgerJob
from mesh_core.quorum.committee import quorum, weight_of
from tests.unit.core.people import People


def job_with(people: People, **options: object) -> LedgerJob:
    record = people.submitter.record("job", people.job(**options))
    return LedgerJob(record.hash, record, record.body)


def nobody(_: bytes) -> bool:
    return False


def test_a_quorum_and_one_seat_to_spare_promise_unasked() -> None:
    people = People()
    job, winner = job_with(people), people.providers[2].peer
    first = first_witnesses(job, winner, nobody)
    assert {people.submitter.peer, winner} < first
    assert weight_of(job.job, first) == quorum(job.job) + 1


@pytest.mark.parametrize("dead", range(1, 4))
def test_the_dead_are_not_counted_on(dead: int) -> None:
    people = People()
    job, winner = job_with(people), people.providers[0].peer
    gone = {person.peer for person in people.providers[-dead:]}
    first = first_witnesses(job, winner, gone.__contains__)
    assert not first & gone
    assert weight_of(job.job, first) == min(quorum(job.job) + 1, 7 - dead)


def test_different_jobs_burden_different_witnesses() -> None:
    people = People()
    winner = people.providers[0].peer
    firsts = {first_witnesses(job_with(people, index=number), winner, nobody) for number in range(20)}
    assert len(firsts) > 3
