"""What a witness and its certificates make of lies, where a job is to tolerate them: six providers and a submitter,
W 7, f 1, q 5."""

from __future__ import annotations

import pytest

from mesh_core.api.receipt import ReceiptError, make_receipt, verify_receipt
from mesh_core.config import FAST, limit
from mesh_core.identity.statement import StatementError, peek
from mesh_core.ledger.fold import proven_equivocator
from mesh_core.quorum.certificate import CertificateError, check_lease, check_settlement
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import RESULT, Seat, Statements

JOB = b"j" * 32


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """The first provider as a witness of a job that tolerates one liar."""
    return seat_of(people)


def seat_of(people: People, **changes: object) -> Seat:
    """The first provider as a witness of a job."""
    fields: dict[str, object] = {"fault_bound": 1}
    return Seat(people, people.providers[0], people.submitter.record("job", people.job(**(fields | changes))))


def voted(answers: list[ms.Message]) -> st.Value | None:
    """What the answer votes for."""
    for answer in answers:
        if isinstance(answer, ms.Voted):
            return peek(answer.vote, st.AcceptVote).value
    return None


def locked(answers: list[ms.Message]) -> st.Value | None:
    """What the answer votes to settle."""
    for answer in answers:
        if isinstance(answer, ms.Locked):
            return peek(answer.vote, st.SettleVote).value
    return None


def promised(answers: list[ms.Message]) -> st.Promise:
    """The promise in the answer."""
    (answer,) = (one for one in answers if isinstance(one, ms.Promised))
    return peek(answer.promise, st.Promise)


def refused(answers: list[ms.Message]) -> bool:
    """Whether the answer is a refusal."""
    return any(isinstance(answer, ms.Refused) for answer in answers)


# ----------------------------------------------------------------------------------------- accept votes


def test_a_result_is_voted_for_when_the_promises_bind_to_nothing(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    value = seat.says.result(holder)
    request = seat.says.request(holder, value, seat.says.promises(people.providers[:5], holder))
    assert voted(seat.tell(holder, request)) == value
    assert [write.phase for write in seat.written] == ["accept"]


def test_a_holder_that_ignores_a_lock_is_refused_and_one_that_obeys_is_not(
    seat: Seat, people: People
) -> None:
    first, holder = people.providers[1:3]
    value = seat.says.result(first)
    lock = seat.says.lock(people.providers[:5], value)
    promises = seat.says.promises(people.providers[:5], holder, 2, lock)
    own = seat.says.result(holder, b"another")
    assert voted(seat.tell(holder, seat.says.request(holder, own, promises, 2, b"another"))) is None
    assert seat.dropped("bad_proposal") == 1
    assert voted(seat.tell(holder, seat.says.request(holder, value, promises, 2))) == value


def test_of_two_locks_the_later_one_binds(seat: Seat, people: People) -> None:
    holder = people.providers[2]
    early, late = seat.says.ending(people.providers[1]), seat.says.result(people.providers[3])
    promises = (
        seat.says.promise(people.providers[1], holder, 5, seat.says.lock(people.providers[:5], early, 2)),
        seat.says.promise(people.providers[2], holder, 5, seat.says.lock(people.providers[1:], late, 4)),
        *(seat.says.promise(one, holder, 5) for one in people.providers[3:]),
    )
    assert voted(seat.tell(holder, seat.says.request(holder, early, promises, 5))) is None
    assert voted(seat.tell(holder, seat.says.request(holder, late, promises, 5))) == late


def test_a_request_without_its_promises_is_not_voted_for_although_the_lease_is_known(
    seat: Seat, people: People
) -> None:
    holder = people.providers[1]
    promises = seat.says.promises(people.providers[:5], holder)
    seat.hold(holder.record("lease", st.LeaseCertificate(seat.job.id, 1, holder.peer, promises)))
    value = seat.says.result(holder)
    assert voted(seat.tell(holder, seat.says.request(holder, value, ()))) is None
    assert voted(seat.tell(holder, seat.says.request(holder, value, promises))) == value


def test_a_vote_is_given_once_per_epoch_and_repeated_as_it_was(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    promises = seat.says.promises(people.providers[:5], holder)
    value, other = seat.says.result(holder), seat.says.result(holder, b"another")
    first = seat.tell(holder, seat.says.request(holder, value, promises))
    assert seat.tell(holder, seat.says.request(holder, other, promises, result=b"another")) == first


def test_somebody_elses_run_cannot_be_proposed_as_new(seat: Seat, people: People) -> None:
    holder, friend = people.providers[1:3]
    promises = seat.says.promises(people.providers[:5], holder)
    value = seat.says.result(friend)
    assert voted(seat.tell(holder, seat.says.request(holder, value, promises))) is None


def test_a_holder_cannot_cancel_a_job_by_its_word_alone(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    promises = seat.says.promises(people.providers[:5], holder)
    request = seat.says.request(holder, seat.says.ending(holder), promises)
    assert voted(seat.tell(holder, request)) is None
    wish = people.submitter.sign(st.Cancel(NETWORK, people.submitter.peer, seat.job.id, "changed my mind"))
    answers = seat.tell(holder, ms.CancelRequest(wish), request)
    assert voted(answers) == seat.says.ending(holder)


def test_a_job_whose_time_is_over_may_be_cancelled_by_its_holder(people: People) -> None:
    seat = seat_of(people, total_ms=5_000)
    holder = people.providers[1]
    promises = seat.says.promises(people.providers[:5], holder)
    request = seat.says.request(holder, seat.says.ending(holder, reason="timed out"), promises)
    assert voted(seat.tell(holder, request)) is None
    seat.wait(5.0)
    assert voted(seat.tell(holder, request)) is not None


def test_a_submitter_may_cancel_its_own_job(seat: Seat, people: People) -> None:
    promises = seat.says.promises(people.providers[:5], people.submitter)
    value = seat.says.ending(people.submitter)
    assert voted(seat.tell(people.submitter, seat.says.request(people.submitter, value, promises))) == value


@pytest.mark.parametrize(
    ("authors", "fails"),
    [((1, 1, 1), False), ((1, 1, 2), True), ((1, 2), False), ((1, 2, 6), False), ((1, 6, 6), False)],
)
def test_a_job_fails_by_the_word_of_more_than_the_liars(
    seat: Seat, people: People, authors: tuple[int, ...], fails: bool
) -> None:
    holder = people.providers[3]
    failing = [*people.providers, people.person("stranger")]
    failures = tuple(seat.says.failure(failing[one], epoch) for epoch, one in enumerate(authors, start=1))
    promises = (
        seat.says.promise(people.providers[1], holder, 4, None, failures),
        *(seat.says.promise(one, holder, 4) for one in people.providers[2:]),
    )
    value = seat.says.ending(holder, "failed")
    assert (voted(seat.tell(holder, seat.says.request(holder, value, promises, 4))) == value) is fails


# --------------------------------------------------------------------------------------- planted values


def planted(seat: Seat, people: People, liar: Person) -> list[st.Accepted]:
    """What a liar may show in a promise for epoch 3."""
    value = seat.says.ending(liar)
    says, others = seat.says, people.providers[:4]
    good = says.lock(people.providers[:5], value, 2)
    stranger = says.accept(people.person("stranger"), value, 2)
    return [
        st.Accepted(2, value),
        st.Accepted(2, value, (says.accept(liar, value, 2),) * 5),
        st.Accepted(2, value, (*good.votes[:4], stranger)),
        st.Accepted(2, value, (*good.votes, stranger)),
        st.Accepted(2, value, (*good.votes[:4], says.settle(people.providers[4], value, 2))),
        st.Accepted(2, value, (*good.votes[:4], says.padded(people.providers[4], value, 2))),
        st.Accepted(2, value, (*good.votes[:4], says.accept(people.providers[4], says.result(liar), 2))),
        st.Accepted(1, value, good.votes),
        st.Accepted(2, says.result(liar), good.votes),
        says.lock(others, value, 2),
        says.lock(people.providers[:5], value, 3),
        says.lock(people.providers[:5], value, 0),
    ]


@pytest.mark.parametrize("number", range(12))
def test_a_promise_that_plants_a_value_is_no_promise(seat: Seat, people: People, number: int) -> None:
    liar, holder = people.providers[1:3]
    shown = planted(seat, people, liar)[number]
    witnesses = [liar, people.providers[0], *people.providers[2:5]]
    promises = seat.says.promises(witnesses, holder, 3, shown)
    with pytest.raises(CertificateError):
        check_lease(
            seat.me.crypto,
            NETWORK,
            seat.job.job,
            st.LeaseCertificate(seat.job.id, 3, holder.peer, promises),
        )
    assert voted(seat.tell(holder, seat.says.request(holder, shown.value, promises, 3))) is None
    honest = seat.says.promises(people.providers[1:6], holder, 3)
    value = seat.says.result(holder)
    assert voted(seat.tell(holder, seat.says.request(holder, value, honest, 3))) == value


def test_a_member_that_promised_twice_counts_once(people: People) -> None:
    says, holder = Statements(JOB), people.providers[1]
    promises = says.promises(people.providers[:4], holder)
    twice = st.LeaseCertificate(JOB, 1, holder.peer, (*promises, promises[0]))
    with pytest.raises(CertificateError, match="twice"):
        check_lease(people.submitter.crypto, NETWORK, people.job(fault_bound=1), twice)


# ---------------------------------------------------------------------------------------------- locks


def test_an_accept_certificate_is_locked_on_disk_before_its_value_is_voted_to_settle(
    seat: Seat, people: People
) -> None:
    holder = people.providers[1]
    value = seat.says.result(holder)
    lock = seat.says.lock(people.providers[1:], value)
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, people.providers[1:])))
    answers = seat.tell(holder, ms.LockRequest(seat.job.id, 1, lock.votes))
    assert locked(answers) == value
    assert [write.phase for write in seat.written] == ["lock", "settle"]
    assert seat.tell(holder, ms.LockRequest(seat.job.id, 1, lock.votes[::-1])) == answers
    assert len(seat.written) == 2, "a second certificate for the same value changes nothing"


def test_what_is_no_accept_certificate_is_not_locked(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, people.providers[1:])))
    value = seat.says.result(holder)
    good = seat.says.lock(people.providers[1:], value).votes
    for votes in (
        (),
        good[:4],
        (*good[:4], good[0]),
        (*good[:4], seat.says.accept(people.providers[5], value, 2)),
        (*good[:4], seat.says.accept(people.providers[5], seat.says.ending(holder))),
        tuple(seat.says.settle(one, value) for one in people.providers[1:]),
    ):
        assert seat.tell(holder, ms.LockRequest(seat.job.id, 1, votes)) == []
    assert seat.dropped("bad_certificate") == 6
    assert not seat.written


def test_nothing_is_locked_below_a_promise(seat: Seat, people: People) -> None:
    first, second = people.providers[1:3]
    lock = seat.says.lock(people.providers[1:], seat.says.result(first))
    seat.hold(second.record("lease", people.lease(seat.job.id, second, people.providers[1:], 2)))
    answers = seat.tell(first, ms.LockRequest(seat.job.id, 1, lock.votes))
    assert refused(answers) and locked(answers) is None


def test_a_lock_ahead_of_the_ledger_waits_for_its_lease(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    lock = seat.says.lock(people.providers[1:], seat.says.result(holder), 7)
    request = ms.LockRequest(seat.job.id, 7, lock.votes)
    assert seat.tell(holder, request) == []
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, people.providers[1:], 7)))
    assert locked(seat.tell(holder, request)) is not None


def test_without_lies_to_fear_nothing_is_locked(people: People) -> None:
    seat = seat_of(people, fault_bound=0)
    holder = people.providers[1]
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, people.providers[1:])))
    lock = seat.says.lock(people.providers[1:], seat.says.result(holder))
    assert seat.tell(holder, ms.LockRequest(seat.job.id, 1, lock.votes)) == []


def ask_for_next_epoch(seat: Seat, asker: Person, epoch: int) -> st.Promise:
    """What is promised to `asker`, whom this witness holds for capable, once the lease has lapsed."""
    seat.tell(asker, ms.Exchange((ms.Update("alive", alive(asker)),), False))
    seat.wait(30.0)
    return promised(seat.tell(asker, ms.PromiseRequest(seat.job.id, epoch, ())))


def alive(person: Person) -> bytes:
    """Somebody's introduction."""
    announcement = st.Announcement(person.name, "provider", ("answer",), 0, (), (), "")
    return person.sign(st.Alive(NETWORK, person.peer, 1 << 20, announcement))


def test_a_promise_shows_what_was_locked_with_its_proof_and_not_what_was_only_voted_for(
    seat: Seat, people: People
) -> None:
    holder, rescuer, next_one = people.providers[1:4]
    value = seat.says.result(holder)
    promises = seat.says.promises(people.providers[1:], holder)
    assert voted(seat.tell(holder, seat.says.request(holder, value, promises))) == value
    assert ask_for_next_epoch(seat, rescuer, 2).accepted is None
    lock = seat.says.lock(people.providers[1:], value, 2)
    assert locked(seat.tell(rescuer, ms.LockRequest(seat.job.id, 2, lock.votes))) == value
    assert ask_for_next_epoch(seat, next_one, 3).accepted == lock


def test_a_vote_alone_binds_nobody_after_a_restart_either(seat: Seat, people: People) -> None:
    holder, rescuer = people.providers[1:3]
    promises = seat.says.promises(people.providers[1:], holder)
    assert voted(seat.tell(holder, seat.says.request(holder, seat.says.result(holder), promises))) is not None
    assert ask_for_next_epoch(seat.restarted(), rescuer, 2).accepted is None


def test_locks_and_votes_survive_a_restart(seat: Seat, people: People) -> None:
    holder, rescuer = people.providers[1:3]
    value = seat.says.result(holder)
    promises = seat.says.promises(people.providers[1:], holder)
    first = seat.tell(holder, seat.says.request(holder, value, promises))
    lock = seat.says.lock(people.providers[1:], value)
    request = ms.LockRequest(seat.job.id, 1, lock.votes)
    settled = seat.tell(holder, request)
    again = seat.restarted()
    assert again.tell(holder, request) == settled
    assert again.tell(holder, seat.says.request(holder, seat.says.ending(holder), promises)) == first
    assert not again.written
    assert ask_for_next_epoch(again, rescuer, 2).accepted == lock


def test_without_lies_to_fear_a_vote_alone_binds_also_after_a_restart(people: People) -> None:
    seat = seat_of(people, fault_bound=0)
    holder, rescuer = people.providers[1:3]
    value = seat.says.result(holder)
    promises = seat.says.promises(people.providers[1:5], holder)
    assert voted(seat.tell(holder, seat.says.request(holder, value, promises))) == value
    assert ask_for_next_epoch(seat.restarted(), rescuer, 2).accepted == st.Accepted(1, value)


# ------------------------------------------------------------------------------------ failures and turns


def test_a_liar_leaves_room_for_the_failures_of_others(seat: Seat, people: People) -> None:
    liar, honest, rescuer = people.providers[1:4]
    for epoch in range(1, 20):
        seat.tell(liar, ms.Released(seat.says.failure(liar, epoch)))
    for epoch in range(1, 4):
        seat.tell(honest, ms.Released(seat.says.failure(honest, epoch)))
    failures = [peek(signed, st.Release) for signed in ask_for_next_epoch(seat, rescuer, 1).failures]
    assert [release.author for release in failures[:4]] == [liar.peer, honest.peer] * 2


def test_failures_that_make_promises_too_large_are_not_shown(seat: Seat, people: People) -> None:
    liar, rescuer = people.providers[1:3]
    text = "x" * limit("reason_bytes_max")
    seat.tell(liar, ms.Released(seat.says.failure(liar, 1, text + "x")))
    for author in people.providers[1:6]:
        for epoch in (2, 3, 4):
            seat.tell(author, ms.Released(seat.says.failure(author, epoch, text)))
    shown = ask_for_next_epoch(seat, rescuer, 1).failures
    assert peek(shown[0], st.Release).epoch == 2
    assert 3 <= len(shown) < 6
    assert sum(map(len, shown)) <= limit("failures_bytes_max")


def test_a_failure_with_something_hung_on_it_is_not_shown(seat: Seat, people: People) -> None:
    liar, rescuer = people.providers[1:3]
    failure = seat.says.failure(liar)
    body = bytes([failure[0] + 1]) + failure[1:-64] + b"\xc5\x03\xff" + bytes(0x3FF)
    seat.tell(liar, ms.Released(body + liar.crypto.sign(b"whisper:release\0" + body)))
    assert ask_for_next_epoch(seat, rescuer, 1).failures == ()


def test_whoever_has_had_a_turn_lets_others_ask_first(seat: Seat, people: People) -> None:
    """Else a liar could take a job again and again, and never run it."""
    greedy, patient = people.providers[1:3]
    for one in (greedy, patient):
        seat.tell(one, ms.Exchange((ms.Update("alive", alive(one)),), False))
    seat.wait(1.0)
    assert promised(seat.tell(greedy, ms.PromiseRequest(seat.job.id, 1, ()))).holder == greedy.peer
    release = greedy.sign(st.Release(NETWORK, greedy.peer, seat.job.id, 1, ""))
    assert refused(seat.tell(greedy, ms.Released(release), ms.PromiseRequest(seat.job.id, 2, ())))
    assert promised(seat.tell(patient, ms.PromiseRequest(seat.job.id, 2, ()))).holder == patient.peer


def test_two_that_wait_for_each_other_come_before_one_with_more_turns(seat: Seat, people: People) -> None:
    """Each knows of promises to itself that the others have not seen."""
    greedy, first, second = people.providers[1:4]
    for one in (greedy, first, second):
        seat.tell(one, ms.Exchange((ms.Update("alive", alive(one)),), False))
    ballot = seat.node.instances[seat.job.id].ballot
    for epoch, holder in enumerate((first, greedy, greedy, greedy), start=1):
        ballot.move(seat.now, epoch, holder.peer, None)
    ballot.released_at = seat.now
    seat.wait(FAST.turn_s + 0.01)
    assert refused(seat.tell(greedy, ms.PromiseRequest(seat.job.id, 5, ())))
    assert promised(seat.tell(first, ms.PromiseRequest(seat.job.id, 5, ()))).holder == first.peer


def test_whoever_has_had_a_turn_may_ask_again_when_nobody_else_does(seat: Seat, people: People) -> None:
    greedy, patient = people.providers[1:3]
    for one in (greedy, patient):
        seat.tell(one, ms.Exchange((ms.Update("alive", alive(one)),), False))
    seat.wait(1.0)
    seat.tell(greedy, ms.PromiseRequest(seat.job.id, 1, ()))
    seat.tell(greedy, ms.Released(greedy.sign(st.Release(NETWORK, greedy.peer, seat.job.id, 1, ""))))
    seat.wait(FAST.turn_s + 0.01)
    assert promised(seat.tell(greedy, ms.PromiseRequest(seat.job.id, 2, ()))).epoch == 2


# --------------------------------------------------------------------------------------- far-off epochs


@pytest.mark.parametrize(("fault_bound", "needed"), [(0, 1), (1, 2), (2, 3)])
def test_a_witness_follows_far_ahead_on_the_word_of_more_than_the_liars(
    people: People, fault_bound: int, needed: int
) -> None:
    seat = seat_of(people, fault_bound=fault_bound)
    asker = people.providers[1]
    seat.tell(asker, ms.Exchange((ms.Update("alive", alive(asker)),), False))
    seat.wait(30.0)
    answers: list[ms.Message] = []
    for author in people.providers[1 : 1 + needed]:
        assert not any(isinstance(answer, ms.Promised) for answer in answers)
        shown = seat.says.promise(author, asker, 1_000)
        answers = seat.tell(asker, ms.PromiseRequest(seat.job.id, 1_001, (), shown))
    assert promised(answers).epoch == 1_001


# ------------------------------------------------------------------------------------------ settlements


def test_accept_votes_do_not_settle_a_job_that_tolerates_lies(people: People) -> None:
    says, holder = Statements(JOB), people.providers[0]
    value = people.value(holder)
    job = people.job(fault_bound=1)
    accepts = st.SettleCertificate(JOB, 1, value, says.lock(people.providers[:5], value).votes)
    with pytest.raises(CertificateError):
        check_settlement(holder.crypto, NETWORK, job, accepts)
    votes = tuple(says.settle(one, value) for one in people.providers[:5])
    check_settlement(holder.crypto, NETWORK, job, st.SettleCertificate(JOB, 1, value, votes))
    with pytest.raises(CertificateError, match="weight 4 where 5 of 7"):
        check_settlement(holder.crypto, NETWORK, job, st.SettleCertificate(JOB, 1, value, votes[:4]))
    with pytest.raises(CertificateError):
        check_settlement(holder.crypto, NETWORK, people.job(), st.SettleCertificate(JOB, 1, value, votes))


def test_a_receipt_of_a_job_that_tolerates_lies_holds_settle_votes(people: People) -> None:
    job = people.submitter.record("job", people.job(fault_bound=1))
    says, holder = Statements(job.hash), people.providers[0]
    value = people.value(holder)
    votes = tuple(says.settle(one, value, 2) for one in people.providers[:5])
    record = holder.record("settle", st.SettleCertificate(job.hash, 2, value, votes))
    report = verify_receipt(holder.crypto, make_receipt(NETWORK, job.signed, record.signed))
    assert (report.weight, report.quorum, report.total_weight, report.fault_bound) == (5, 5, 7, 1)
    assert report.voters == tuple(one.peer for one in people.providers[:5])
    accepts = says.lock(people.providers[:5], value, 2).votes
    record = holder.record("settle", st.SettleCertificate(job.hash, 2, value, accepts))
    with pytest.raises(ReceiptError):
        verify_receipt(holder.crypto, make_receipt(NETWORK, job.signed, record.signed))


def test_two_settle_votes_for_one_epoch_are_a_proof(people: People) -> None:
    says, liar = Statements(JOB), people.providers[0]
    first, second = says.settle(liar, people.value(liar)), says.settle(liar, says.ending(liar))
    crypto = people.submitter.crypto
    assert proven_equivocator(crypto, NETWORK, st.Equivocation("settle", first, second)) == liar.peer
    later = says.settle(liar, says.ending(liar), 2)
    for other in (later, says.accept(liar, says.ending(liar))):
        with pytest.raises(StatementError):
            proven_equivocator(crypto, NETWORK, st.Equivocation("settle", first, other))


def test_a_result_is_kept_by_whoever_votes_for_it(seat: Seat, people: People) -> None:
    holder = people.providers[1]
    value = seat.says.result(holder)
    request = seat.says.request(holder, value, seat.says.promises(people.providers[1:], holder), result=b"")
    answers = seat.tell(holder, request)
    assert voted(answers) is None
    assert any(isinstance(answer, ms.FetchBlob) for answer in answers)
    assert voted(seat.tell(holder, ms.BlobChunk(value.result_hash, 0, len(RESULT), RESULT))) == value
