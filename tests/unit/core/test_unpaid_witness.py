"""What a witness signs for strangers, how much of it stays on disk, and whom it lets ask first after a failure."""

from __future__ import annotations

import pytest

from mesh_core.config import limit
from mesh_core.effects import DropPromises, PutVote
from mesh_core.identity.statement import peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import Seat, Statements


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """The first provider, which knows one job of a submitter with credit."""
    return Seat(people, people.providers[0], people.submitter.record("job", people.job()))


def cancelled_job(seat: Seat, people: People, submitter: Person, **changes: object) -> LedgerJob:
    """Another job with the same providers, which its submitter wants to end."""
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, submitter])
    record = submitter.record("job", people.job(committee=committee, **changes))
    seat.hold(record)
    wish = submitter.sign(st.Cancel(NETWORK, submitter.peer, record.hash, "go"))
    seat.tell(submitter, ms.CancelRequest(wish))
    return seat.node.ledger.jobs[record.hash]


def promises(seat: Seat, asker: Person, job: bytes, epochs: range) -> list[st.Promise]:
    """What is promised to one that asks for one epoch after the other."""
    answers = [one for epoch in epochs for one in seat.tell(asker, ms.PromiseRequest(job, epoch, ()))]
    return [peek(one.promise, st.Promise) for one in answers if isinstance(one, ms.Promised)]


def test_a_stranger_may_end_its_job_but_not_have_promises_without_end(seat: Seat, people: People) -> None:
    stranger = people.person("stranger")
    job = cancelled_job(seat, people, stranger)
    given = promises(seat, stranger, job.id, range(1, 200))
    assert len(given) == limit("favours_max")
    assert seat.dropped("job_not_taken_in") > 0


def test_nobody_else_is_promised_a_strangers_job(seat: Seat, people: People) -> None:
    job = cancelled_job(seat, people, people.person("stranger"))
    seat.tell(people.providers[1], introduction(people.providers[1]))
    seat.wait(30.0)
    assert not promises(seat, people.providers[1], job.id, range(1, 5))


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_votes_for_a_strangers_job_are_cast_at_own_promises_only(
    seat: Seat, people: People, fault_bound: int
) -> None:
    stranger = people.person("stranger")
    job = cancelled_job(seat, people, stranger, fault_bound=fault_bound)
    says, others = Statements(job.id), [*people.providers[1:], stranger]
    value = says.ending(stranger)

    def answered(epoch: int) -> list[ms.Message]:
        request = says.request(stranger, value, says.promises(others, stranger, epoch), epoch)
        lock = ms.LockRequest(job.id, epoch, says.lock(others, value, epoch).votes)
        return seat.tell(stranger, request, *([lock] if fault_bound else []))

    assert not answered(1)
    assert promises(seat, stranger, job.id, range(2, 3))
    assert len(answered(2)) == 1 + fault_bound
    assert not answered(3)


def test_who_has_credit_may_end_whatever_it_asked_for(seat: Seat, people: People) -> None:
    job = cancelled_job(seat, people, people.submitter, max_price_micro=10**12)
    assert len(promises(seat, people.submitter, job.id, range(1, 101))) == 100


def test_a_higher_promise_takes_the_place_of_lower_ones_on_disk(seat: Seat, people: People) -> None:
    wish = people.submitter.sign(st.Cancel(NETWORK, people.submitter.peer, seat.job.id, "go"))
    seat.tell(people.submitter, ms.CancelRequest(wish))
    assert len(promises(seat, people.submitter, seat.job.id, range(1, 4))) == 3
    assert seat.let_go == [DropPromises(seat.job.id, 2), DropPromises(seat.job.id, 3)]


def judged(seat: Seat, people: People, held: int, shown: int) -> str:
    """Why the key is retired, if it is, by a node whose store holds the promise of one epoch when a peer shows that of
    another."""
    peer, me = people.providers[1], seat.me
    says = Statements(seat.job.id)
    stored = PutVote(seat.job.id, held, "promise", says.promise(me, people.submitter, held))
    vote = ms.SignedVote("promise", says.promise(me, people.submitter, shown))
    again = Seat(people, me, seat.job.entry, written=[stored], answer=(peer, vote))
    return again.node.past.retired


def test_a_promise_that_gave_way_to_a_higher_one_is_not_taken_for_lost(seat: Seat, people: People) -> None:
    assert judged(seat, people, held=3, shown=2) == ""
    assert judged(seat, people, held=3, shown=3) == ""
    assert "promise" in judged(seat, people, held=3, shown=4)


def introduction(person: Person) -> ms.Exchange:
    """Somebody's word that it is a provider."""
    announcement = st.Announcement(person.name, "provider", ("answer",), 0, (), (), "")
    alive = person.sign(st.Alive(NETWORK, person.peer, 1 << 20, announcement))
    return ms.Exchange((ms.Update("alive", alive),), False)


def test_who_has_failed_a_job_goes_behind_all_who_have_not(seat: Seat, people: People) -> None:
    for person in people.providers[1:]:
        seat.tell(person, introduction(person))
    order = seat.candidates()
    failed = people.person_of(next(peer for peer in order if peer != seat.me.peer))
    seat.tell(failed, ms.Released(seat.says.failure(failed)))
    assert seat.candidates() == [*(peer for peer in order if peer != failed.peer), failed.peer]


def test_who_lets_its_lease_run_out_goes_behind_all_who_have_not(seat: Seat, people: People) -> None:
    for person in people.providers[1:]:
        seat.tell(person, introduction(person))
    order = seat.candidates()
    holder = people.person_of(order[0])
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, people.providers[:4])))
    assert seat.candidates() == order
    seat.wait(121.0)
    rescuer = people.person_of(order[1])
    seat.hold(rescuer.record("lease", people.lease(seat.job.id, rescuer, people.providers[:4], 2)))
    assert seat.candidates() == [*order[1:], holder.peer]
