"""What of a job's results stays on a witness's disk: the settled one, and of the others none when it is decided."""

from __future__ import annotations

import pytest

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.identity.statement import digest
from mesh_core.ledger.record import Entry
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import People, Person
from tests.unit.core.seat import Seat

LARGE = 1 << 20
"""Too large to ride along with a proposal."""


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """The first provider as a witness of a job that tolerates one liar."""
    return Seat(people, people.providers[0], people.submitter.record("job", people.job(fault_bound=1)))


def propose(seat: Seat, holder: Person, epoch: int, result: bytes) -> st.Value:
    """Somebody who holds a lease of `epoch` asks for a vote for a result of its own."""
    value = seat.says.result(holder, result)
    promises = seat.says.promises(seat.people.providers[:5], holder, epoch)
    seat.tell(holder, seat.says.request(holder, value, promises, epoch, result))
    return value


def settlement(seat: Seat, value: st.Value, epoch: int) -> Entry:
    """The record that settles the job."""
    voters = seat.people.providers[1:6]
    votes = tuple(seat.says.settle(one, value, epoch) for one in voters)
    return voters[0].record("settle", st.SettleCertificate(seat.job.id, epoch, value, votes))


def test_results_that_have_lost_go_when_the_job_is_decided(seat: Seat, people: People) -> None:
    liar, holder = people.providers[1:3]
    propose(seat, liar, 1, b"lost")
    won = propose(seat, holder, 2, b"won")
    assert digest(b"lost") in seat.node.blobs
    seat.hold(settlement(seat, won, 2))
    assert digest(b"lost") not in seat.node.blobs
    assert digest(b"won") in seat.node.blobs


def test_a_result_that_another_job_goes_by_stays(seat: Seat, people: People) -> None:
    """A lying holder gives its own result the name of somebody else's, and loses."""
    other = people.submitter.record("job", people.job(index=2, label="q1.2"))
    seat.hold(other)
    honest = people.value(people.providers[3], b"theirs")
    propose(seat, people.providers[1], 1, b"theirs")
    votes = [one.sign(st.AcceptVote("local", one.peer, other.hash, 1, honest)) for one in people.providers]
    seat.hold(people.providers[3].record("settle", st.SettleCertificate(other.hash, 1, honest, tuple(votes))))
    seat.hold(settlement(seat, propose(seat, people.providers[2], 2, b"won"), 2))
    assert digest(b"theirs") in seat.node.blobs


def test_a_job_brings_no_more_than_so_many_results_however_many_are_proposed(
    seat: Seat, people: People
) -> None:
    results = [b"result %d" % epoch for epoch in range(1, 3 * limit("results_per_job_max"))]
    for epoch, result in enumerate(results, start=1):
        propose(seat, people.providers[1 + epoch % 2], epoch, result)
    kept = [result for result in results if digest(result) in seat.node.blobs]
    assert kept == results[-limit("results_per_job_max") :]


def test_a_locked_result_stays_however_many_are_proposed_after_it(seat: Seat, people: People) -> None:
    """Whoever comes next is bound to it as soon as it is shown."""
    liar = people.providers[1]
    value = propose(seat, liar, 1, b"locked")
    votes = tuple(seat.says.accept(one, value) for one in people.providers[:5])
    seat.tell(liar, ms.LockRequest(seat.job.id, 1, votes))
    for epoch in range(2, 2 + 3 * limit("results_per_job_max")):
        propose(seat, people.providers[1 + epoch % 2], epoch, b"result %d" % epoch)
    assert digest(b"locked") in seat.node.blobs


def test_no_more_results_are_fetched_than_a_job_may_bring(seat: Seat, people: People) -> None:
    liar = people.providers[1]
    promises = seat.says.promises(people.providers[:5], liar)
    for number in range(3 * limit("results_per_job_max")):
        value = st.Value("result", digest(b"%d" % number), LARGE, "", liar.peer, 0)
        seat.tell(liar, seat.says.request(liar, value, promises, 1, b""))
    assert len(seat.node.blobs) == limit("results_per_job_max")


@pytest.mark.parametrize("retained", [24, 4096])
def test_what_nothing_names_goes_when_a_store_is_taken_up_again(retained: int) -> None:
    """Former lives, and programs before this one, left it."""
    world = World(Setup("stale", retained_records=retained))
    world.start()
    world.run_for(2.0)
    for number in range(10):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    host = world.hosts["node1"]
    held = set(host.disk.blobs)
    host.disk.blobs[digest(b"stale")] = b"stale"
    world.crash("node1")
    world.start("node1")
    world.run_for(1.5)
    assert digest(b"stale") not in host.disk.blobs
    assert host.node is not None
    if retained == 4096:
        assert set(host.disk.blobs) == held
    else:
        assert host.node.checkpoints.height > 0 and host.node.checkpoints.base in host.disk.blobs
