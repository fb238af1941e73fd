"""The fold depends on the set of records alone: not on their order, nor on how often each comes."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.ledger.fold import Hooks
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.wire import statements as st
from tests.unit.core.people import People


def history() -> tuple[People, list[Entry]]:
    """Three jobs: one settled twice by different quorums, one leased, one decided in three ways; and a forked author."""
    people = People()
    first, second, third = people.providers[:3]
    jobs = [
        people.submitter.record("job", people.job(label=f"q1.{number}", index=number)) for number in (1, 2, 3)
    ]
    settled, leased, frozen = jobs
    value = people.value(first)
    bid = first.sign(st.Bid("local", first.peer, settled.hash, 10_000, 0.0, 0, ""))
    entries = [
        *jobs,
        people.submitter.record("award", st.Award(settled.hash, (bid,), (first.peer,))),
        first.record("lease", people.lease(settled.hash, first, people.providers[:4])),
        first.record("settle", people.settlement(settled.hash, value, people.providers[:4])),
        second.record("settle", people.settlement(settled.hash, value, people.providers[2:6], epoch=2)),
        second.record("lease", people.lease(leased.hash, second, people.providers[1:5], epoch=3)),
        first.record(
            "settle", people.settlement(frozen.hash, people.value(first, b"a"), people.providers[:4])
        ),
        second.record(
            "settle", people.settlement(frozen.hash, people.value(second, b"b"), people.providers[2:6])
        ),
        third.record(
            "settle",
            people.settlement(
                frozen.hash, st.Value("cancelled", b"", 0, "why not", third.peer, 0), people.providers[1:5]
            ),
        ),
        third.record("settle", people.settlement(leased.hash, value, people.providers[:3])),
    ]
    fork = third.record("note", "one side")
    entries += [fork, third.record("note", "other side", seq=fork.seq, prev=fork.head.prev)]
    return people, entries


PEOPLE, HISTORY = history()


def fold(entries: list[Entry]) -> tuple[object, ...]:
    ledger = PEOPLE.ledger()
    for entry in entries:
        ledger.add(entry)
    jobs = {job.id: (job.state, job.epoch, job.frozen, job.settle) for job in ledger.jobs.values()}
    balances = {
        peer: account.balance_micro for peer, account in ledger.accounts.items() if account.balance_micro
    }
    return ledger.state_root(), ledger.chains.vector_hash(), jobs, balances, set(ledger.equivocators)


@settings(max_examples=60, deadline=None)
@given(some.permutations(HISTORY))
def test_any_order_of_arrival_gives_the_same_state(order: list[Entry]) -> None:
    assert fold(order) == fold(HISTORY)


@settings(max_examples=30, deadline=None)
@given(some.permutations(HISTORY), some.lists(some.sampled_from(HISTORY), max_size=8))
def test_repeated_records_change_nothing(order: list[Entry], again: list[Entry]) -> None:
    assert fold(order + again) == fold(HISTORY)


@settings(max_examples=30, deadline=None)
@given(some.lists(some.sampled_from(HISTORY), unique_by=lambda entry: entry.hash))
def test_balances_sum_to_zero_for_any_part_of_the_history(part: list[Entry]) -> None:
    balances = fold(part)[3]
    assert isinstance(balances, dict)
    assert sum(balances.values()) == 0


def test_two_certificates_with_different_values_freeze_the_job_and_pay_nobody() -> None:
    alarms: list[LedgerJob] = []
    ledger = PEOPLE.ledger(Hooks(on_alarm=alarms.append))
    for entry in HISTORY:
        ledger.add(entry)
    frozen = next(job for job in ledger.jobs.values() if job.job.label == "q1.3")
    assert frozen.frozen and alarms == [frozen]
    assert frozen.contradiction({frozen.submitter}) == "settled twice"
    assert frozen.contradiction(set()) == "forged by its own submitter"
    assert ledger.account(PEOPLE.providers[1].peer).balance_micro == 0
    assert ledger.account(PEOPLE.providers[0].peer).balance_micro == 10_000


def test_a_settlement_without_a_quorum_is_kept_and_means_nothing() -> None:
    ledger = PEOPLE.ledger()
    for entry in HISTORY:
        ledger.add(entry)
    leased = next(job for job in ledger.jobs.values() if job.job.label == "q1.2")
    assert leased.state == "leased" and leased.epoch == 3


def test_a_forked_submitter_still_owes_what_certificates_say() -> None:
    people, entries = history()
    before = people.submitter.peer
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    ledger.add(people.submitter.record("note", "second branch", seq=1, prev=bytes(32)))
    assert people.submitter.peer in ledger.equivocators
    assert ledger.account(before).balance_micro == -10_000


RANKS = {"open": 0, "awarded": 1, "leased": 2, "settled": 3, "cancelled": 3, "failed": 3}


@settings(max_examples=60, deadline=None)
@given(some.lists(some.sampled_from(HISTORY)))
def test_a_job_only_goes_on_whatever_arrives_next(order: list[Entry]) -> None:
    ledger = PEOPLE.ledger()
    before: dict[bytes, tuple[int, int, bool]] = {}
    for entry in order:
        ledger.add(entry)
        now = {job.id: (RANKS[job.state], job.epoch, job.frozen) for job in ledger.jobs.values()}
        assert now.keys() >= before.keys()
        for job, (rank, epoch, frozen) in before.items():
            assert now[job][0] >= rank and now[job][1] >= epoch and now[job][2] >= frozen
        before = now


@settings(max_examples=40, deadline=None)
@given(
    some.lists(some.sampled_from(HISTORY), unique_by=lambda entry: entry.hash),
    some.randoms(use_true_random=False),
)
def test_any_part_of_the_history_gives_one_state_in_every_order(part: list[Entry], random: Random) -> None:
    shuffled = list(part)
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(part)


@settings(max_examples=40, deadline=None)
@given(some.permutations(HISTORY), some.integers(0, len(HISTORY)))
def test_two_parts_come_to_the_whole_whichever_is_known_first(order: list[Entry], cut: int) -> None:
    assert fold(order[cut:] + order[:cut]) == fold(order[:cut] + order[cut:]) == fold(HISTORY)
