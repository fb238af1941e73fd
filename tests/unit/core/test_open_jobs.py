"""Open jobs, and what they reserve of a submitter's credit."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

import pytest

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.identity.statement import digest
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.open_jobs import OpenJobs
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.standing import admission
from mesh_core.wire.messages import JobStored
from tests.unit.core.people import People, Person
from tests.unit.core.seat import Seat


def job(people: People, submitter: Person, price_micro: int) -> LedgerJob:
    """The next job of somebody."""
    entry = submitter.record("job", people.job(max_price_micro=price_micro))
    return LedgerJob(entry.hash, entry, people.job(max_price_micro=price_micro))


def test_the_newest_are_found_first() -> None:
    people, held = People(), OpenJobs()
    jobs = [job(people, people.submitter, 1) for _ in range(5)]
    for one in jobs:
        held.add(one)
    held.remove(jobs[3])
    assert list(held.newest_first()) == [jobs[4], jobs[2], jobs[1], jobs[0]]


def test_a_peer_holds_as_many_leases_as_there_are_open_jobs_whose_highest_is_its() -> None:
    people, rng = People(), Random(4)
    ledger = people.ledger()
    jobs = [people.submitter.record("job", people.job(label=f"q{number}")) for number in range(12)]
    settled: set[bytes] = set()
    for step in range(150):
        job, holder = rng.choice(jobs), rng.choice(people.providers)
        if step < 24:
            ledger.add(jobs[step // 2])
        elif rng.random() < 0.9:
            lease = people.lease(job.hash, holder, people.providers, rng.randrange(1, 30))
            ledger.add(holder.record("lease", lease))
        else:
            settled.add(job.hash)
            ledger.add(
                holder.record("settle", people.settlement(job.hash, people.value(holder), people.providers))
            )
        holders = [job.holder for job in ledger.open_jobs.values() if job.holder is not None]
        assert ledger.open_jobs.leases_of == Counter(holders)
    assert settled and ledger.open_jobs.leases_of


def test_a_job_reserves_with_those_before_it_in_its_submitters_chain_and_no_others() -> None:
    people, rng = People(), Random(3)
    alice, bob = people.submitter, people.person("bob")
    jobs = [job(people, person, rng.randrange(100)) for person in (alice, bob) * 20]
    held = OpenJobs()
    for _ in range(400):
        one = rng.choice(jobs)
        if one.id in held:
            held.remove(one)
        else:
            held.add(one)
        for asked in (rng.choice(jobs), one):
            assert held.reserved_micro(asked.submitter, asked.entry.seq) == sum(
                other.job.max_price_micro
                for other in held.values()
                if other.submitter == asked.submitter and other.entry.seq <= asked.entry.seq
            )


def test_what_is_removed_twice_is_removed_once() -> None:
    people = People()
    held = OpenJobs()
    one = job(people, people.submitter, 5)
    held.add(one)
    held.remove(one)
    held.remove(one)
    assert len(held) == 0
    assert held.reserved_micro(people.submitter.peer, 9) == 0


def calls_of_one_look(count: int) -> int:
    """How many calls a provider's periodic look takes when somebody has so many open jobs with a seat for it."""
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()), executes=True)
    stranger = people.person("stranger")
    committee = tuple(
        one if one.peer != people.submitter.peer else type(one)(stranger.peer, 1)
        for one in people.job().committee
    )
    for number in range(count):
        body = people.job(label=f"{number}", committee=committee, payload_hash=digest(b"%d" % number))
        seat.node.ledger.add(stranger.record("job", body))
    assert len(seat.node.instances) == count + 1
    calls = 0

    def count_call(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count_call)
    seat.node.candidate.examine(seat.now)
    sys.setprofile(None)
    return calls


def test_a_look_at_all_open_jobs_takes_no_more_for_each_however_many_there_are() -> None:
    assert calls_of_one_look(400) < 3 * calls_of_one_look(200)


def test_jobs_taken_in_in_a_former_life_count_as_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Setup(seed="former", appetite=Appetite(hanging=1.0)))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1, 2, 3], JobOptions(), "q1")
    world.run_for(2.0)
    world.crash("node1")
    world.run_for(0.2)
    world.start("node1")
    world.run_for(2.0)
    monkeypatch.setattr(admission, "limit", lambda name: 3 if name == "open_jobs_max" else limit(name))
    refusals: list[str] = []
    world.listen(
        lambda host, message: (
            refusals.append(host.name) if isinstance(message, JobStored) and message.refused else None
        )
    )
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q2")
    world.run_for(0.1)
    assert "node1" in refusals
