"""What a node has to do with a job goes when the job is decided, all at once."""

from __future__ import annotations

import pytest

from mesh_core.effects import JobOptions
from mesh_core.lease.ballot import Ballot
from mesh_core.lease.claim import Claim
from mesh_core.lease.instance import Instances
from mesh_core.ledger.job import LedgerJob
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.unit.core.people import People


def test_a_job_has_one_claim_at_a_time_and_none_without_a_seat() -> None:
    people = People()
    ours, theirs = (
        LedgerJob(entry.hash, entry, entry.body)
        for entry in (people.submitter.record("job", people.job(index=number)) for number in (1, 2))
    )
    instances = Instances()
    instances.open(Ballot(ours, 0.0))
    first = instances.begin(Claim(ours, 1, 0.0))
    with pytest.raises(AssertionError):
        instances.begin(Claim(ours, 2, 0.0))
    with pytest.raises(AssertionError):
        instances.begin(Claim(theirs, 1, 0.0))
    assert list(instances.claims.values()) == [first]
    instances.end(first)
    assert instances.begin(Claim(ours, 2, 0.0)).epoch == 2


def test_nothing_is_left_of_jobs_that_are_decided() -> None:
    world = World(Setup(seed="left", appetite=Appetite(0.1, 0.3)))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", range(6), JobOptions(), "q1")
    seen = 0
    for _ in range(40):
        world.run_for(0.2)
        for host in world.live():
            node = host.node
            assert node is not None
            assert node.instances.keys() == node.ledger.open_jobs.keys(), host.name
            assert node.instances.claims.keys() <= node.instances.keys()
            seen += len(node.instances.claims)
    assert seen
    assert not any(host.node and host.node.instances for host in world.live())
