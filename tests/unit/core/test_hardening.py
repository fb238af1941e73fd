"""What strangers may do to a node's ledger, money and memory: each of these once worked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh_core.after_disk import AfterDisk
from mesh_core.config import limit
from mesh_core.effects import (
    Effect,
    Execute,
    JobOptions,
    Notify,
    Persist,
    PutMeta,
    PutVote,
    Send,
    StopExecution,
    Tick,
)
from mesh_core.identity.statement import StatementError
from mesh_core.lease.ballot import Ballot, remember
from mesh_core.ledger.award import award_is_sound
from mesh_core.ledger.chain import Chains
from mesh_core.ledger.fold import Account, Hooks
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import FIRST_PREV, check_record
from mesh_core.quorum.certificate import CertificateError, check_settlement
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.standing.price import price_of
from mesh_core.timers import Timers
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Nack, Work
from tests.unit.core.people import NETWORK, People, take

JOB = b"j" * 32


@pytest.mark.parametrize("seq", [0, -1, 2**53 + 1, 2**64 - 1])
def test_a_record_with_an_impossible_number_is_refused(seq: int) -> None:
    people = People()
    entry = people.submitter.record("note", "x", seq=seq, prev=FIRST_PREV)
    with pytest.raises(StatementError):
        check_record(people.submitter.crypto, entry.signed, NETWORK)


@pytest.mark.parametrize("price_micro", [-(10**12), -1, 50_001])
def test_a_certificate_cannot_pay_less_than_nothing_or_more_than_the_job_allows(price_micro: int) -> None:
    people = People()
    value = people.value(people.providers[0], price_micro=price_micro)
    with pytest.raises(CertificateError):
        check_settlement(
            people.submitter.crypto,
            NETWORK,
            people.job(),
            people.settlement(JOB, value, people.providers[:4]),
        )


def test_a_certificate_cannot_pay_an_outsider() -> None:
    people = People()
    value = people.value(people.person("outsider"))
    with pytest.raises(CertificateError):
        check_settlement(
            people.submitter.crypto,
            NETWORK,
            people.job(),
            people.settlement(JOB, value, people.providers[:4]),
        )


def test_what_invented_keys_pay_each_other_buys_nothing() -> None:
    world = World(Setup(seed="mint"))
    world.start()
    world.run_for(0.5)
    node = world.hosts["node1"].node
    assert node is not None
    account = node.ledger.accounts.setdefault(b"b" * 32, type(node.ledger.account(b""))())
    account.balance_micro = 10**9
    account.earned_micro[b"a" * 32] = 10**9
    assert node.credit.funds_micro(b"b" * 32) == 0
    account.earned_micro[world.hosts[OPERATOR].peer] = 5
    assert node.credit.funds_micro(b"b" * 32) == 5


def test_what_a_submitter_pays_buys_no_more_than_its_limit_however_many_it_pays() -> None:
    world = World(Setup(seed="mint"))
    world.start()
    world.run_for(0.5)
    node = world.hosts["node1"].node
    assert node is not None
    payer, limit_micro = world.hosts[OPERATOR].peer, world.setup.credit_micro
    payees = [bytes([number]) * 32 for number in range(1, 11)]
    for payee in payees:
        node.ledger.accounts[payee] = Account(earned_micro={payer: 100 * limit_micro})
    node.ledger.accounts[payer] = Account(spent_micro=10 * 100 * limit_micro)
    assert sum(map(node.credit.funds_micro, payees)) == limit_micro
    assert node.credit.funds_micro(payer) < 0


def test_a_job_below_every_providers_price_is_not_run() -> None:
    world = World(Setup(seed="free"))
    world.start()
    world.run_for(0.5)
    world.submit(OPERATOR, "why?", [1], JobOptions(max_price_micro=0), "q1")
    world.run_for(6.0)
    assert sum(host.executions for host in world.hosts.values()) == 0


def test_extras_are_bounded_over_all_authors() -> None:
    people = People()
    ledger = people.ledger()
    for number in range(40):
        author = people.person(f"forger{number}")
        for seq in range(3, 260):
            take(ledger, author.record("note", seq, seq=seq, prev=FIRST_PREV))
    assert len(ledger.chains) <= limit("extras_total_max")


def test_a_forked_author_gets_no_more_room_than_others() -> None:
    people = People()
    ledger = people.ledger()
    forger = people.submitter
    first = forger.record("note", 0)
    ledger.add(first)
    for number in range(1000):
        take(ledger, forger.record("note", number, seq=2, prev=first.hash))
    assert len(ledger.chains) <= limit("extras_per_author_max") + 2


def test_one_proof_per_author_however_often_it_forks() -> None:
    people = People()
    conflicts: list[str] = []
    ledger = people.ledger(Hooks(on_conflict=lambda kind, first, second: conflicts.append(kind)))
    for number in range(20):
        ledger.add(people.submitter.record("note", number, seq=1, prev=FIRST_PREV))
    assert conflicts == ["record"]


def test_timers_left_over_by_a_handler_that_raised_still_fire() -> None:
    timers = Timers()
    timers.set("bad", 1.0)
    timers.set("good", 1.0)
    for key in timers.due(2.0):
        assert key == "bad"
        break
    assert timers.next_deadline() == 1.0
    assert list(timers.due(2.0)) == ["good"]


def test_a_handler_that_raises_once_does_not_end_its_periodic_timer() -> None:
    world = World(Setup(seed="bug", providers=2))
    world.start()
    world.run_for(2.0)
    node = world.hosts["node1"].node
    assert node is not None
    prober = node.membership._prober
    right, period = prober.next_in_turn, ("membership", "period")

    def wrong(_now: float) -> None:
        prober.next_in_turn = right  # type: ignore[method-assign]
        raise RuntimeError("a bug, once")

    prober.next_in_turn = wrong  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a bug, once"):
        node.step(node.context.now + 1.0, Tick())
    assert period in node.context.timers
    node.step(node.context.now + 2.0, Tick())
    assert period in node.context.timers


class _Slow:
    """A disk that has acknowledged nothing yet."""

    def __init__(self) -> None:
        self.done: list[Effect] = []
        self.tickets = 0
        self.after_disk = AfterDisk(self.write, self.done.append)

    def write(self, writes: object) -> int:
        self.tickets += 1
        return self.tickets


WRITE = Persist((PutMeta("a", b""),))
RUN = Execute(JOB, 1, Work("answer", "", "", None))
STOP = StopExecution(JOB, 1)


def test_effects_wait_in_order_for_what_was_written_before_them() -> None:
    slow = _Slow()
    first, second = Send(b"a", Nack(1)), Send(b"a", Nack(2))
    probe = Send(b"a", Nack(3), after_disk=False)
    slow.after_disk.perform([WRITE, first, probe, WRITE, second])
    assert slow.done == [probe]
    slow.after_disk.durable(1)
    assert slow.done == [probe, first]
    slow.after_disk.durable(2)
    assert slow.done == [probe, first, second]


def test_a_run_that_is_stopped_while_it_waits_for_the_disk_never_starts() -> None:
    slow = _Slow()
    slow.after_disk.perform([WRITE, RUN])
    slow.after_disk.perform([STOP])
    slow.after_disk.durable(1)
    assert slow.done == [STOP]


def test_news_that_waits_for_a_disk_that_refuses_is_bounded_and_what_runs_is_not_forgotten() -> None:
    slow = _Slow()
    slow.after_disk.perform([WRITE, RUN, Send(b"a", Nack(1))])
    room = limit("effects_waiting_max")
    slow.after_disk.perform([Notify("problem", {"text": str(number)}) for number in range(room + 10)])
    assert len(slow.after_disk) == room
    slow.after_disk.durable(1)
    assert slow.done[0] == RUN
    assert slow.done[-1] == Notify("problem", {"text": str(room + 9)})


def test_messages_that_wait_for_a_disk_that_refuses_are_bounded() -> None:
    slow = _Slow()
    slow.after_disk.perform([WRITE, RUN])
    room = limit("effects_waiting_max")
    slow.after_disk.perform([Send(b"a", Nack(number)) for number in range(room + 10)])
    assert len(slow.after_disk) == room
    slow.after_disk.durable(1)
    assert slow.done[0] == RUN
    assert slow.done[1] != Send(b"a", Nack(0))


def test_a_witness_that_promised_and_voted_at_one_epoch_remembers_both() -> None:
    people = People()
    witness, holder = people.providers[0], people.providers[1]
    job = people.submitter.record("job", people.job())
    failure = holder.sign(st.Release(NETWORK, holder.peer, job.hash, 1, "out of memory"))
    promise = st.Promise(NETWORK, witness.peer, job.hash, 2, holder.peer, None, (failure,))
    vote = st.AcceptVote(NETWORK, witness.peer, job.hash, 2, people.value(holder))
    rows = [
        PutVote(job.hash, 2, "accept", witness.sign(vote)),
        PutVote(job.hash, 2, "promise", witness.sign(promise)),
    ]
    for order in (rows, rows[::-1]):
        ballot = Ballot(LedgerJob(job.hash, job, job.body), 0.0)
        for row in order:
            remember(ballot, row)
        assert (ballot.epoch, ballot.holder, ballot.promise) == (2, holder.peer, rows[1].signed)
        assert ballot.accepted == st.Accepted(2, vote.value)
        assert list(ballot.failures) == [(holder.peer, 1)]


@pytest.mark.parametrize(
    "changes",
    [
        {"price_micro": -5},
        {"price_micro": 50_001},
        {"load": float("nan")},
        {"load": float("inf")},
        {"expected_ms": -1},
        {"job": b"another" * 4},
        {"author": b"o" * 32},
    ],
)
def test_an_award_with_an_impossible_bid_means_nothing(changes: dict[str, object]) -> None:
    people = People()
    bidder = people.providers[0]
    fields: dict[str, object] = {
        "network": NETWORK,
        "author": bidder.peer,
        "job": JOB,
        "price_micro": 9_000,
        "load": 0.0,
        "expected_ms": 0,
        "model": "",
    }
    good = st.Bid(**fields)  # type: ignore[arg-type]
    bad = st.Bid(**(fields | changes))  # type: ignore[arg-type]
    assert award_is_sound(people.job(), JOB, st.Award(JOB, (bidder.sign(good),), (good.author,)))
    assert not award_is_sound(people.job(), JOB, st.Award(JOB, (bidder.sign(bad),), (bad.author,)))


@pytest.mark.parametrize("bids", [(b"garbage",), (b"",), (b"\x90" * 80,)])
def test_an_award_of_garbage_means_nothing(bids: tuple[bytes, ...]) -> None:
    people = People()
    assert not award_is_sound(people.job(), JOB, st.Award(JOB, bids, (people.providers[0].peer,)))


def test_a_price_is_taken_from_a_signed_bid_only() -> None:
    people = People()
    holder, forger = people.providers[0], people.submitter
    job = people.submitter.record("job", people.job())
    bid = st.Bid(NETWORK, holder.peer, job.hash, 1, 0.0, 0, "")
    announcement = st.Announcement("node1", "provider", ("answer",), 9_000, (), (), "")
    for signer, expected in ((holder, 1), (forger, 9_000)):
        held = LedgerJob(job.hash, job, job.body)
        award = people.submitter.record("award", st.Award(job.hash, (signer.sign(bid),), (holder.peer,)))
        held.awards[award.hash] = award
        assert price_of(forger.crypto, NETWORK, held, holder.peer, announcement) == expected


@pytest.mark.parametrize("epoch", [0, -1, 2**53 + 1, 2**63])
def test_a_certificate_for_an_impossible_epoch_is_void(epoch: int) -> None:
    people = People()
    value = people.value(people.providers[0])
    with pytest.raises(CertificateError):
        check_settlement(
            people.submitter.crypto,
            NETWORK,
            people.job(),
            people.settlement(JOB, value, people.providers[:4], epoch=epoch),
        )


def test_balances_of_any_size_have_a_root() -> None:
    ledger = People().ledger()
    ledger.accounts[b"a" * 32] = type(ledger.account(b""))(balance_micro=2**70)
    assert len(ledger.state_root()) == 32


def test_known_authors_have_room_however_many_strangers_have_come() -> None:
    people = People()
    known = people.submitter
    chains = Chains(lambda author: author == known.peer)
    for number in range(limit("members_max") + 5):
        entry = people.person(f"stranger{number}").record("note", number)
        if chains.has_room(entry):
            chains.add(entry)
    assert len(chains) == limit("members_max")
    assert chains.has_room(known.record("note", "mine"))


def test_keys_that_come_answer_and_go_do_not_make_cuts_ever_larger() -> None:
    people = People()
    chains = Chains(lambda _author: True)
    for number in range(limit("authors_max") + 5):
        entry = people.person(f"passing{number}").record("note", number)
        if chains.has_room(entry):
            chains.add(entry)
    assert len(chains) == limit("authors_max")
    assert chains.has_room(people.submitter.record("note", "mine"), trusted=True)


def test_members_that_never_answered_get_no_seat() -> None:
    world = World(Setup(seed="ghosts"))
    world.start()
    world.run_for(1.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    ghost = world.hosts["node3"].peer
    node.membership.members[ghost].proven_since = None
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q1")
    (auction,) = node.auctioneer.auctions.values()
    assert ghost not in {seat.peer for seat in auction.job.job.committee}
    assert len(auction.job.job.committee) == 6


def test_a_submitter_at_its_limit_does_not_stop_its_own_accepted_jobs() -> None:
    world = World(Setup(seed="limit"))
    operator = world.hosts[OPERATOR]
    share = operator.config.credit[operator.peer] // 4
    believed = {operator.peer: 100 * share}  # the providers know better
    operator.config = replace(operator.config, credit={**operator.config.credit, **believed})
    world.start()
    world.run_for(1.0)
    for number in range(3):
        world.submit(OPERATOR, "why?", [1, 2], JobOptions(max_price_micro=share), f"q{number}")
    node = world.hosts[OPERATOR].node
    assert node is not None
    answered = lambda: all(query.finished for query in node.queries.queries.values())  # noqa: E731
    assert world.run_while(lambda: not answered(), 60.0)


def test_an_alarm_says_whose_job_it_is_what_it_means_and_that_only_this_job_is_frozen() -> None:
    people = People()
    world = World(Setup(seed="alarm", keys=people.vault))
    world.start()
    world.run_for(0.5)
    node = world.hosts["node1"].node
    assert node is not None
    job = people.submitter.record("job", people.job())
    values = [people.value(holder) for holder in people.providers[:2]]
    certificates = [people.settlement(job.hash, value, people.providers[:4]) for value in values]
    for entry in (job, *(people.providers[0].record("settle", certificate) for certificate in certificates)):
        node.ledger.add(entry)
    alarms = [one for one in node.context.outbox.take() if isinstance(one, Notify) and one.kind == "alarm"]
    assert [one.fields for one in alarms] == [
        {
            "job": job.hash,
            "text": f"job q1.1 of {people.submitter.peer.hex()[:12]} has two certificates with different values: "
            "forged by its own submitter; only this job is frozen",
        }
    ]
