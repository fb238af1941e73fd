"""What a witness promises, to whom, and for how long."""

from __future__ import annotations

import pytest

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.identity.statement import peek, sign
from mesh_core.simulation import workload
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import Seat


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """The first provider as a witness."""
    return Seat(people, people.providers[0], people.submitter.record("job", people.job()))


def wish(seat: Seat, reason: str = "why not") -> ms.CancelRequest:
    """The submitter's wish that its job end."""
    submitter = seat.people.submitter
    return ms.CancelRequest(submitter.sign(st.Cancel(NETWORK, submitter.peer, seat.job.id, reason)))


def ask(seat: Seat, asker: Person, epoch: int, shown: bytes = b"") -> list[ms.Message]:
    """Ask for an epoch."""
    return seat.tell(asker, ms.PromiseRequest(seat.job.id, epoch, (seat.job.entry.signed,), shown))


def promised(answers: list[ms.Message]) -> int:
    """The epoch that is promised in the answer, 0 for none."""
    epochs = [peek(one.promise, st.Promise).epoch for one in answers if isinstance(one, ms.Promised)]
    return max(epochs, default=0)


def test_a_wish_to_cancel_with_a_reason_that_no_witness_would_vote_for_is_no_wish(
    seat: Seat, people: People
) -> None:
    seat.tell(people.submitter, wish(seat, "x" * (limit("reason_bytes_max") + 1)))
    assert seat.dropped("bad_statement") == 1
    assert promised(ask(seat, people.submitter, 1)) == 0
    seat.tell(people.submitter, wish(seat, "x" * limit("reason_bytes_max")))
    assert promised(ask(seat, people.submitter, 1)) == 1


@pytest.mark.parametrize("retries", [1, limit("retries_max")])
def test_a_job_ends_as_failed_after_as_many_failures_as_it_allows_however_long_their_errors(
    retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = workload.Workload.plan

    def long_error(self: workload.Workload, *args: object) -> workload.Run:
        run = plan(self, *args)  # type: ignore[arg-type]
        return workload.Run(run.takes_s, None, "e" * 250, run.progress_s)

    monkeypatch.setattr(workload.Workload, "plan", long_error)
    world = World(Setup(seed="retries", appetite=Appetite(0.05, 0.05, failing=1.0)))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(retries=retries), "q1")
    world.run_for(15.0)
    operator = world.hosts[OPERATOR].node
    assert operator is not None
    assert [job.state for job in operator.ledger.jobs.values()] == ["failed"]
    assert sum(host.executions for host in world.hosts.values()) <= retries + 2


def test_as_many_failures_as_a_job_may_have_fit_into_a_promise() -> None:
    people = People()
    author = people.providers[0]
    error = "e" * limit("reason_bytes_max")
    release = st.Release("n" * 32, author.peer, bytes(32), 1 << 20, error)
    assert limit("retries_max") * len(sign(author.crypto, release)) <= limit("failures_bytes_max")
