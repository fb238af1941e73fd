"""What a node that claims and holds a job makes of witnesses that lie: six providers and a submitter, W 7, f 1, q 5."""

from __future__ import annotations

import pytest

from mesh_core.config import FAST, limit
from mesh_core.effects import Send
from mesh_core.identity.statement import peek
from mesh_core.lease.claim import Claim, Phase
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import Seat


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """The first provider, which has won the auction of a job that tolerates one liar."""
    return winner(people, fault_bound=1)


def winner(people: People, fault_bound: int) -> Seat:
    """The first provider, which claims the job and has its own promise."""
    me = people.providers[0]
    job = people.submitter.record("job", people.job(fault_bound=fault_bound))
    seat = Seat(people, me, job, executes=True)
    bid = me.sign(st.Bid(NETWORK, me.peer, job.hash, 0, 0.0, 0, ""))
    seat.hold(people.submitter.record("award", st.Award(job.hash, (bid,), (me.peer,))))
    assert claim_of(seat).phase is Phase.CLAIMING
    return seat


def claim_of(seat: Seat) -> Claim:
    """The claim on the job."""
    return seat.node.instances.claims[seat.job.id]


def others(people: People) -> list[Person]:
    """The other providers."""
    return people.providers[1:]


def promise_to(
    seat: Seat, author: Person, shown: st.Accepted | None = None, failures: tuple[bytes, ...] = ()
) -> bytes:
    """A promise of the epoch that is claimed."""
    return seat.says.promise(author, seat.me, claim_of(seat).epoch, shown, failures)


def refusal(seat: Seat, promised: int, holder: Person) -> ms.Refused:
    """A refusal of the epoch that is claimed."""
    return ms.Refused(seat.job.id, claim_of(seat).epoch, promised, holder.peer)


def claim_second_epoch(seat: Seat, people: People) -> None:
    """Somebody else's lease has lapsed, and the node claims the next epoch."""
    holder, epoch = people.providers[1], claim_of(seat).epoch
    seat.hold(holder.record("lease", people.lease(seat.job.id, holder, others(people), epoch)))
    seat.wait(30.0)
    assert claim_of(seat).epoch > epoch


# ------------------------------------------------------------------------------------------ promises


def test_a_promise_that_plants_a_value_does_not_count(seat: Seat, people: People) -> None:
    claim_second_epoch(seat, people)
    liar, *honest = others(people)
    planted = st.Accepted(1, seat.says.ending(liar))
    seat.tell(liar, ms.Promised(promise_to(seat, liar, planted)))
    assert seat.dropped("bad_promise") == 1
    assert liar.peer not in claim_of(seat).promises
    for one in honest:
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    assert claim_of(seat).phase is Phase.SHARING
    assert not claim_of(seat).adopted


def test_a_lock_with_its_proof_is_adopted(seat: Seat, people: People) -> None:
    claim_second_epoch(seat, people)
    value = seat.says.ending(people.providers[1])
    lock = seat.says.lock(people.providers[:5], value)
    for one in others(people):
        seat.tell(one, ms.Promised(promise_to(seat, one, lock)))
    claim = claim_of(seat)
    assert (claim.phase, claim.value, claim.adopted) == (Phase.PROPOSING, value, True)


def test_without_lies_to_fear_a_bare_accepted_value_is_adopted(people: People) -> None:
    seat = winner(people, fault_bound=0)
    claim_second_epoch(seat, people)
    value = seat.says.ending(people.providers[1])
    for one in others(people)[:3]:
        seat.tell(one, ms.Promised(promise_to(seat, one, st.Accepted(1, value))))
    assert claim_of(seat).value == value


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_a_promise_too_large_for_a_lease_record_does_not_count(people: People, fault_bound: int) -> None:
    seat = winner(people, fault_bound)
    liar = people.providers[1]
    seat.tell(liar, ms.Promised(promise_to(seat, liar, failures=(bytes(70_000),))))
    assert seat.dropped("bad_promise") == 1
    for one in others(people)[1:]:
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    assert claim_of(seat).lease is not None


def test_a_witness_that_promises_twice_is_proven_to(seat: Seat, people: People) -> None:
    liar = people.providers[1]
    seat.tell(liar, ms.Promised(promise_to(seat, liar)))
    seat.tell(liar, ms.Promised(promise_to(seat, liar, failures=(b"more",))))
    assert seat.node.ledger.equivocators == {liar.peer: "promise"}


def test_a_strangers_promise_starts_no_claim(people: People) -> None:
    me, stranger = people.providers[0], people.person("stranger")
    seat = Seat(people, me, people.submitter.record("job", people.job(auction_ms=60_000)), executes=True)
    assert not seat.node.instances.claims
    seat.tell(stranger, ms.Promised(seat.says.promise(stranger, me)))
    assert not seat.node.instances.claims
    seat.tell(people.providers[1], ms.Promised(seat.says.promise(people.providers[1], me)))
    assert claim_of(seat).epoch == 1


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("fault_bound", "refusing"), [(0, 1), (1, 2)])
def test_a_claim_ends_by_the_word_of_more_than_the_liars(
    people: People, fault_bound: int, refusing: int
) -> None:
    seat = winner(people, fault_bound)
    witnesses = others(people)
    for one in witnesses[: refusing - 1]:
        seat.tell(one, refusal(seat, 3, witnesses[4]))
        seat.tell(one, refusal(seat, 5, witnesses[4]))
    assert seat.job.id in seat.node.instances.claims, "one and the same liar counts once"
    seat.tell(witnesses[refusing], refusal(seat, 3, witnesses[4]))
    assert seat.job.id not in seat.node.instances.claims
    assert seat.written[-1].phase == "release"


def test_a_claim_that_cannot_win_without_who_refuses_it_is_given_back(seat: Seat, people: People) -> None:
    """Two that meet at one epoch, when every honest vote is needed, must not wait for each other."""
    rival = people.providers[5]
    for one in people.providers[1:3]:
        seat.tell(one, ms.Promised(promise_to(seat, one, failures=(bytes(70_000),))))
    assert claim_of(seat).worthless == {one.peer for one in people.providers[1:3]}
    seat.tell(rival, refusal(seat, claim_of(seat).epoch, rival))
    assert seat.job.id not in seat.node.instances.claims


def test_a_refusal_does_not_end_a_claim_that_others_can_bring_to_a_quorum(seat: Seat, people: People) -> None:
    rival = people.providers[5]
    seat.tell(rival, refusal(seat, claim_of(seat).epoch, rival))
    for one in people.providers[1:5]:
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    assert claim_of(seat).lease is not None


def test_the_next_claim_follows_a_refusal_only_as_far_as_others_can(seat: Seat, people: People) -> None:
    liar = people.providers[1]
    epoch = claim_of(seat).epoch
    seat.tell(liar, refusal(seat, 1 << 50, liar))
    assert claim_of(seat).epoch == epoch
    seat.wait(30.0)
    released = [write.epoch for write in seat.written if write.phase == "release" and write.epoch > epoch]
    assert released[0] == epoch + limit("epoch_jump_max")


def test_requests_show_the_promises_of_one_witness_after_another(seat: Seat, people: People) -> None:
    first, second = others(people)[:2]
    for one in (first, second):
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    requests = [one.message for one in seat.wait(0.9) if isinstance(one.message, ms.PromiseRequest)]
    shown = {peek(request.shown, st.Promise).author for request in requests}
    assert {first.peer, second.peer} <= shown


# -------------------------------------------------------------------------------------------- votes


def proposing(seat: Seat, people: People) -> st.Value:
    """Let the node hold a lease that binds it to a value."""
    claim_second_epoch(seat, people)
    value = seat.says.ending(people.providers[1])
    lock = seat.says.lock(people.providers[:5], value)
    for one in others(people):
        seat.tell(one, ms.Promised(promise_to(seat, one, lock)))
    return value


def test_a_quorum_of_votes_is_shown_to_all_and_a_quorum_of_settle_votes_settles(
    seat: Seat, people: People
) -> None:
    value = proposing(seat, people)
    epoch = claim_of(seat).epoch
    sent: list[ms.Message] = []
    for one in others(people):
        sent += seat.tell(one, ms.Voted(seat.says.accept(one, value, epoch)))
    assert claim_of(seat).phase is Phase.LOCKING
    (request,) = [message for message in sent if isinstance(message, ms.LockRequest)]
    assert len(request.votes) == 5
    assert not seat.job.final
    for one in others(people):
        seat.tell(one, ms.Locked(seat.says.settle(one, value, epoch)))
    assert seat.job.value == value
    assert seat.job.certificate is not None
    peeked = {peek(vote, st.SettleVote).epoch for vote in seat.job.certificate.votes}
    assert peeked == {epoch}


def test_accept_votes_do_not_count_as_settle_votes(seat: Seat, people: People) -> None:
    value = proposing(seat, people)
    epoch = claim_of(seat).epoch
    for one in others(people):
        seat.tell(one, ms.Voted(seat.says.accept(one, value, epoch)))
    for one in others(people):
        seat.tell(one, ms.Locked(seat.says.accept(one, value, epoch)))
    assert not seat.job.final
    assert claim_of(seat).phase is Phase.LOCKING


def test_lock_requests_are_repeated_to_those_who_have_not_answered(seat: Seat, people: People) -> None:
    value = proposing(seat, people)
    epoch = claim_of(seat).epoch
    for one in others(people):
        seat.tell(one, ms.Voted(seat.says.accept(one, value, epoch)))
    answered = people.providers[1]
    seat.tell(answered, ms.Locked(seat.says.settle(answered, value, epoch)))
    asked = {one.to for one in seat.wait(0.3) if isinstance(one.message, ms.LockRequest)}
    assert answered.peer not in asked
    assert {one.peer for one in people.providers[2:]} <= asked


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_a_vote_with_something_hung_on_it_does_not_count(people: People, fault_bound: int) -> None:
    """The certificate would not fit into a record."""
    seat = winner(people, fault_bound)
    value = proposing(seat, people)
    liar, epoch = people.providers[1], claim_of(seat).epoch
    padded = seat.says.padded(liar, value, epoch)
    assert peek(padded, st.AcceptVote).value == value, "an honest decoder reads over it"
    seat.tell(liar, ms.Voted(padded))
    assert liar.peer not in claim_of(seat).votes


@pytest.mark.parametrize(("refusing", "goes_on"), [(0, True), (1, False)])
def test_a_holder_whose_votes_do_not_come_starts_anew_if_somebody_is_ahead(
    seat: Seat, people: People, refusing: int, goes_on: bool
) -> None:
    """One that has promised a later epoch cannot vote any more; its vote may be the one that is missing."""
    value = proposing(seat, people)
    epoch = claim_of(seat).epoch
    for one in people.providers[1:4]:
        seat.tell(one, ms.Voted(seat.says.accept(one, value, epoch)))
    for one in people.providers[4 : 4 + refusing]:
        seat.tell(one, refusal(seat, epoch + 3, one))
    seat.wait(FAST.lease_s - 0.5)
    assert claim_of(seat).epoch == epoch
    seat.wait(1.0)
    claim = seat.node.instances.claims.get(seat.job.id)
    assert (claim is not None and claim.epoch == epoch) is goes_on


def test_a_cancellation_goes_out_with_the_submitters_wish(seat: Seat, people: People) -> None:
    """Witnesses that have not heard of it could not tell it from the holder's own idea."""
    for one in others(people):
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    assert claim_of(seat).phase is Phase.SHARING
    wish = people.submitter.sign(st.Cancel(NETWORK, people.submitter.peer, seat.job.id, "why"))
    answers = seat.tell(people.submitter, ms.CancelRequest(wish))
    kinds = [type(answer) for answer in answers if isinstance(answer, ms.CancelRequest | ms.AcceptRequest)]
    assert kinds == [ms.CancelRequest, ms.AcceptRequest]


def test_a_holder_that_was_restarted_goes_by_the_lease_it_made_itself(seat: Seat, people: People) -> None:
    """A witness that promised twice may have made another record of it, whose promises bind to something else."""
    liar, *honest = others(people)
    claim_second_epoch(seat, people)
    value, epoch = seat.says.ending(people.providers[1]), claim_of(seat).epoch
    lock = seat.says.lock(people.providers[:5], value)
    for one in others(people):
        seat.tell(one, ms.Promised(promise_to(seat, one, lock)))
    own = claim_of(seat).lease
    assert own is not None
    kept = [promise_to(seat, one) for one in honest]
    while True:
        twice = seat.says.promise(liar, seat.me, epoch, None, (bytes([len(liar.head)]) * liar.seq,))
        other = liar.record("lease", st.LeaseCertificate(seat.job.id, epoch, seat.me.peer, (twice, *kept)))
        if other.hash < own.hash:
            break
    seat.hold(other)
    again = seat.restarted()
    assert again.job.leases[epoch][1].hash == other.hash, "replicas keep the lower one of two"
    claim = claim_of(again)
    assert claim.lease is not None and claim.lease.hash == own.hash
    assert (claim.value, claim.opened_promises()[1].accepted) == (value, lock)


# -------------------------------------------------------------------------------------------- turns


def test_one_that_failed_lets_others_try_before_it_claims_again(seat: Seat, people: People) -> None:
    for one in others(people):
        seat.tell(one, ms.Exchange((ms.Update("alive", introduced(one)),), False))
        seat.tell(one, ms.Promised(promise_to(seat, one)))
    claim = claim_of(seat)
    assert claim.phase is Phase.SHARING
    seat.hold(seat.job.entry)
    seat.node.holder.release(seat.now, claim, "out of memory", error="out of memory")
    sent = seat.wait(0.95)
    assert not any(asks_for(one, seat) for one in sent)


def asks_for(send: Send, seat: Seat) -> bool:
    """Whether a message asks for the lease."""
    return isinstance(send.message, ms.PromiseRequest) and send.message.job == seat.job.id


def introduced(person: Person) -> bytes:
    """Somebody's introduction."""
    announcement = st.Announcement(person.name, "provider", ("answer",), 0, (), (), "")
    return person.sign(st.Alive(NETWORK, person.peer, 1 << 20, announcement))


def test_the_next_claim_begins_beyond_what_witnesses_show_that_they_were_led_to(
    seat: Seat, people: People
) -> None:
    """Told by more than may lie, nobody spends a turn on finding out; told by fewer, it changes nothing."""
    rival, *witnesses = others(people)
    epoch = claim_of(seat).epoch
    for one, at in ((witnesses[0], epoch + 9), (witnesses[1], epoch + 7)):
        assert claim_of(seat).epoch == epoch
        seat.tell(one, ms.Promised(seat.says.promise(one, rival, at)))
        assert seat.node.instances[seat.job.id].ballot.proven == (0 if one is witnesses[0] else at)
    seat.wait(30.0)
    assert min(one.epoch for one in seat.written if one.epoch > epoch) == epoch + 8


def test_what_somebody_without_a_seat_shows_leads_nobody_on(seat: Seat, people: People) -> None:
    strangers = [people.person(name) for name in ("first", "second", "third")]
    for one in strangers:
        seat.tell(one, ms.Promised(seat.says.promise(one, people.providers[1], 9)))
    assert not seat.node.instances[seat.job.id].ballot.ahead


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_without_lies_to_fear_nobody_is_led_on_by_what_is_shown(people: People, fault_bound: int) -> None:
    seat = winner(people, fault_bound)
    epoch = claim_of(seat).epoch
    for one in people.providers[2:4]:
        seat.tell(one, ms.Promised(seat.says.promise(one, people.providers[1], 9)))
    seat.wait(30.0)
    later = min(one.epoch for one in seat.written if one.epoch > epoch)
    assert later == (10 if fault_bound else epoch + 1)
