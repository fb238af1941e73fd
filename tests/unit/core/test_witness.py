"""What a witness promises, to whom, and for how long."""

from __future__ import annotations

import pytest

from mesh_core.config import FAST, limit
from mesh_core.effects import JobOptions
from mesh_core.identity.statement import digest, peek, sign
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


def introduce(seat: Seat, *people: Person) -> None:
    """These are members from now on, and capable."""
    for one in people:
        announcement = st.Announcement(one.name, "provider", ("answer",), 0, (), (), "")
        alive = one.sign(st.Alive(NETWORK, one.peer, 1 << 20, announcement))
        seat.tell(one, ms.Exchange((ms.Update("alive", alive),), False))


def lease(seat: Seat, holder: Person, epoch: int = 1) -> None:
    """The lease certificate of somebody comes to the ledger."""
    certificate = seat.people.lease(seat.job.id, holder, seat.people.providers[1:5], epoch)
    seat.hold(holder.record("lease", certificate))


def votes(seat: Seat, holder: Person, value: st.Value) -> bool:
    """Whether the witness votes for what somebody proposes at epoch 1."""
    promises = seat.says.promises(seat.people.providers[1:5], holder)
    answers = seat.tell(holder, seat.says.request(holder, value, promises))
    return any(isinstance(answer, ms.Voted) for answer in answers)


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


def test_a_request_of_somebody_without_a_seat_is_not_kept(seat: Seat, people: People) -> None:
    stranger = people.person("stranger")
    introduce(seat, stranger)
    assert ask(seat, stranger, 1) == []
    assert not seat.node.instances[seat.job.id].ballot.parked


def test_who_is_proven_to_have_contradicted_itself_is_promised_nothing_and_nobody_waits_for_it(
    seat: Seat, people: People
) -> None:
    first, second = people.providers[1:3]
    introduce(seat, first, second)
    for text in ("this", "that"):
        seat.hold(first.record("note", text, seq=1))
    assert first.peer in seat.node.ledger.equivocators
    seat.wait(5.0)
    assert promised(ask(seat, first, 1)) == 0
    assert promised(ask(seat, second, 1)) == 1


# --------------------------------------------------------------------------------- for how long, and for whom


def with_a_promise(seat: Seat, people: People) -> tuple[Person, Person]:
    """Two members, the first of which has just been promised epoch 1."""
    first, second = people.providers[1:3]
    introduce(seat, first, second)
    seat.wait(1.0)
    assert promised(ask(seat, first, 1)) == 1
    return first, second


def test_a_promise_whose_lease_is_not_seen_protects_its_holder_for_a_moment_only(
    seat: Seat, people: People
) -> None:
    _, second = with_a_promise(seat, people)
    seat.wait(FAST.unseen_certificate_s - 0.05)
    assert promised(ask(seat, second, 2)) == 0
    seat.wait(0.1)
    assert promised(ask(seat, second, 2)) == 2


def test_who_has_given_an_epoch_back_is_not_promised_it_when_its_turn_comes(
    seat: Seat, people: People
) -> None:
    first, second = with_a_promise(seat, people)
    assert promised(ask(seat, second, 2)) == 0
    for holder, epoch in ((second, 2), (first, 1)):
        seat.tell(holder, ms.Released(holder.sign(st.Release(NETWORK, holder.peer, seat.job.id, epoch, ""))))
    seat.wait(0.1)
    assert seat.node.instances[seat.job.id].ballot.epoch == 1, "nobody waits"
    assert promised(ask(seat, second, 3)) == 3


def test_a_release_of_a_later_epoch_frees_a_promise_whose_release_was_lost(
    seat: Seat, people: People
) -> None:
    first, second = with_a_promise(seat, people)
    seat.tell(first, ms.Released(first.sign(st.Release(NETWORK, first.peer, seat.job.id, 4, ""))))
    assert promised(ask(seat, second, 2)) == 2


def test_every_epoch_that_comes_to_no_lease_makes_a_witness_more_patient_until_one_does(
    people: People,
) -> None:
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    ballot = seat.node.instances[seat.job.id].ballot
    holder, patience = people.providers[1].peer, []
    for epoch in range(1, 7):
        ballot.move(0.0, epoch, holder, None)
        ballot.renewed_at = 10.0
        patience.append(ballot.free_at(FAST) / FAST.unseen_certificate_s)
    assert patience == pytest.approx([1, 2, 4, 8, 8, 8])
    ballot.certify(0.0)
    ballot.move(0.0, 7, holder, None)
    ballot.renewed_at = 10.0
    assert ballot.free_at(FAST) == pytest.approx(FAST.unseen_certificate_s)


def shown_to(seat: Seat, asker: Person, epoch: int) -> set[bytes]:
    """Whom the witness sends the promise of an epoch that `asker` asks for."""
    request = ms.PromiseRequest(seat.job.id, epoch, (seat.job.entry.signed,))
    return {
        one.to
        for one in seat.hear(asker, request)
        if isinstance(one.message, ms.Promised) and peek(one.message.promise, st.Promise).epoch == epoch
    }


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_a_promise_that_skips_epochs_is_shown_to_the_committee_where_its_holder_may_lie(
    people: People, fault_bound: int
) -> None:
    entry = people.submitter.record("job", people.job(fault_bound=fault_bound))
    seat = Seat(people, people.providers[0], entry)
    first, second = people.providers[1:3]
    introduce(seat, first, second)
    seat.wait(1.0)
    assert shown_to(seat, first, 1) == {first.peer}
    seat.wait(FAST.unseen_certificate_s + 0.1)
    assert shown_to(seat, second, 2) == {second.peer}
    seat.wait(30.0)
    committee = {one.peer for one in (*people.providers[1:], people.submitter)}
    assert shown_to(seat, first, 9) == (committee if fault_bound else {first.peer})


@pytest.mark.parametrize(("says", "turns"), [("nothing", 2), ("a release", 1), ("a lease", 1)])
def test_a_promise_of_which_nothing_is_heard_any_more_counts_as_two_turns(
    people: People, says: str, turns: int
) -> None:
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job(fault_bound=1)))
    ballot = seat.node.instances[seat.job.id].ballot
    holder, rival = (one.peer for one in people.providers[1:3])
    ballot.move(0.0, 1, holder, None)
    if says == "a release":
        ballot.released_at = 0.1
    elif says == "a lease":
        ballot.certify(0.1)
    ballot.move(1.0, 2, rival, None)
    assert ballot.turns == {holder: turns, rival: 1}


def test_a_lease_that_is_seen_and_renewed_protects_its_holder_until_its_time_to_run_is_over(
    people: People,
) -> None:
    entry = people.submitter.record("job", people.job(execution_ms=6_000))
    seat = Seat(people, people.providers[0], entry)
    holder, rescuer = people.providers[1:3]
    introduce(seat, rescuer)
    lease(seat, holder)
    for _ in range(11):
        seat.wait(0.5)
        seat.tell(holder, ms.Renew(((seat.job.id, 1),)))
    assert promised(ask(seat, rescuer, 2)) == 0
    seat.wait(0.6)
    seat.tell(holder, ms.Renew(((seat.job.id, 1),)))
    introduce(seat, rescuer)
    assert promised(ask(seat, rescuer, 2)) == 2


def test_a_lease_that_is_not_renewed_lapses(seat: Seat, people: People) -> None:
    holder, rescuer = people.providers[1:3]
    introduce(seat, rescuer)
    lease(seat, holder)
    seat.wait(FAST.lease_s - 0.1)
    assert promised(ask(seat, rescuer, 2)) == 0
    seat.wait(0.2)
    assert promised(ask(seat, rescuer, 2)) == 2


def test_a_renewal_after_the_time_to_run_is_not_told_as_one(people: People) -> None:
    entry = people.submitter.record("job", people.job(execution_ms=1_000))
    seat = Seat(people, people.providers[0], entry)
    holder = people.providers[1]
    lease(seat, holder)
    for seconds, told in ((0.9, True), (0.2, False)):
        seat.wait(seconds)
        seat.told.clear()
        seat.tell(holder, ms.Renew(((seat.job.id, 1),)))
        assert ("lease_renewed" in seat.told) == told


# ------------------------------------------------------------------------------------------------- votes


def test_a_fresh_result_is_voted_for_only_when_its_lease_was_promised_in_time(people: People) -> None:
    for total_ms, votes_for_result in ((3_600_000, True), (1_000, False)):
        entry = people.submitter.record("job", people.job(total_ms=total_ms))
        seat = Seat(people, people.providers[0], entry)
        holder = people.providers[1]
        assert votes(seat, holder, seat.says.result(holder)) == votes_for_result
        if not votes_for_result:
            assert votes(seat, holder, seat.says.ending(holder, "cancelled", "timed out"))


def test_a_result_is_voted_for_at_the_price_that_was_bid_and_no_other(people: People) -> None:
    entry = people.submitter.record("job", people.job())
    holder = people.providers[1]
    bid = holder.sign(st.Bid(NETWORK, holder.peer, entry.hash, 9_000, 0.0, 0, ""))
    award = people.submitter.record("award", st.Award(entry.hash, (bid,), (holder.peer,)))
    for price_micro in (8_999, 9_001, 9_000):
        seat = Seat(people, people.providers[0], entry)
        seat.hold(award)
        value = people.value(holder, price_micro=price_micro)
        assert votes(seat, holder, value) == (price_micro == 9_000)


# ------------------------------------------------------------------------------------------------ shares


@pytest.fixture
def sharing(people: People) -> Seat:
    """A witness with a share of the payload's key."""
    me = people.providers[0]
    share = st.Share(me.peer, me.crypto.seal(me.peer, b"share"), digest(b"share"))
    job = people.job(shares=(share,), threshold=1)
    return Seat(people, me, people.submitter.record("job", job))


def shares(seat: Seat, asker: Person, epoch: int, lease: bytes = b"") -> bool:
    """Whether the witness gives its share away."""
    answers = seat.tell(asker, ms.ShareRequest(seat.job.id, epoch, lease))
    return any(isinstance(answer, ms.ShareRelease) for answer in answers)


def test_a_share_goes_to_the_holder_of_the_lease_and_nobody_else(sharing: Seat, people: People) -> None:
    holder, other = people.providers[1:3]
    assert not shares(sharing, holder, 1)
    certificate = people.lease(sharing.job.id, holder, people.providers[1:5])
    record = holder.record("lease", certificate).signed
    assert not shares(sharing, other, 1, record)
    assert not shares(sharing, people.person("outsider"), 1, record)
    assert shares(sharing, holder, 1, record)


def test_a_share_goes_to_nobody_whose_lease_is_past(sharing: Seat, people: People) -> None:
    former, holder = people.providers[1:3]
    lease(sharing, former)
    lease(sharing, holder, 2)
    assert not shares(sharing, former, 1)
    assert shares(sharing, holder, 2)


# ----------------------------------------------------------------------------------------------- failures


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
