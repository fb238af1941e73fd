"""Money: whole micro-AXL, taken from one and given to another, never more than a job allows."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.checkpoint.snapshot import Cut, encoded, read_snapshot
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.config import limit
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Account, Ledger
from mesh_core.ledger.record import Entry
from mesh_core.standing.price import price_of
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People

PRICES = some.integers(-(2**63), 2**64 - 1) | some.integers(0, limit("price_micro_max"))
HOLDERS = some.integers(0, 5)
OUTCOMES = some.sampled_from(["result", "result", "cancelled", "failed", "?"])


def settled(deals: list[tuple[int, int, int, str]]) -> tuple[People, list[Entry]]:
    """One job for each (maximum price, price paid, holder, outcome), with a certificate over that."""
    people = People()
    entries: list[Entry] = []
    for number, (most, price, holder, outcome) in enumerate(deals, start=1):
        job = people.submitter.record(
            "job", people.job(label=f"q1.{number}", index=number, max_price_micro=most)
        )
        payee = people.providers[holder]
        value = st.Value(outcome, bytes(32), 1, "", payee.peer, price)
        entries += [job, payee.record("settle", people.settlement(job.hash, value, people.providers[:4]))]
    return people, entries


DEALS = some.lists(
    some.tuples(some.integers(0, limit("price_micro_max")), PRICES, HOLDERS, OUTCOMES), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(DEALS, some.randoms(use_true_random=False))
def test_what_one_pays_another_earns_and_never_more_than_was_allowed(
    deals: list[tuple[int, int, int, str]], random: Random
) -> None:
    people, entries = settled(deals)
    random.shuffle(entries)
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
        assert sum(account.balance_micro for account in ledger.accounts.values()) == 0
    paid = [price for most, price, _, outcome in deals if outcome == "result" and 0 <= price <= most]
    assert ledger.account(people.submitter.peer).spent_micro == sum(paid)
    assert ledger.account(people.submitter.peer).balance_micro == -sum(paid)
    for account in ledger.accounts.values():
        assert type(account.balance_micro) is int
        assert account.balance_micro == sum(account.earned_micro.values()) - account.spent_micro
    assert sum(account.settled for account in ledger.accounts.values()) == len(paid)


@settings(max_examples=40, deadline=None)
@given(some.lists(some.integers(0, 2**80), min_size=1, max_size=5))
def test_sums_that_outgrow_every_machine_word_stay_exact(earned: list[int]) -> None:
    people, entries = settled([(10_000, 10_000, 0, "result")])
    ledger = Ledger(people.submitter.crypto, NETWORK)
    payer, payees = people.submitter.peer, people.providers[: len(earned)]
    accounts = {
        one.peer: Account(micro, 0, {payer: micro}, 1) for one, micro in zip(payees, earned, strict=True)
    }
    accounts[payer] = Account(-sum(earned), sum(earned))
    ledger.load_accounts(b"", accounts)
    for entry in entries:
        ledger.add(entry)
    assert ledger.account(payer).balance_micro == -sum(earned) - 10_000
    assert len(ledger.state_root()) == 32
    bases = {author: Base(held.head_seq, held.head_hash) for author, held in ledger.chains.authors.items()}
    snapshot = snapshot_at(ledger, None, Cut.of(bases))
    assert snapshot is not None and read_snapshot(encoded(snapshot)) == snapshot


@settings(max_examples=40, deadline=None)
@given(some.integers(1, 2), some.permutations(range(4)))
def test_a_job_certified_in_two_ways_pays_nobody_whatever_comes_first(
    other_epoch: int, order: list[int]
) -> None:
    people = People()
    job = people.submitter.record("job", people.job())
    first, second = people.providers[:2]
    entries = [
        job,
        first.record("settle", people.settlement(job.hash, people.value(first), people.providers[:4])),
        second.record(
            "settle",
            people.settlement(job.hash, people.value(second, b"x"), people.providers[2:6], other_epoch),
        ),
        first.record("settle", people.settlement(job.hash, people.value(first), people.providers[1:5], 3)),
    ]
    ledger = people.ledger()
    for place in order:
        ledger.add(entries[place])
    assert ledger.jobs[job.hash].frozen
    assert not any(account.balance_micro for account in ledger.accounts.values())


@settings(deadline=None)
@given(PRICES, some.none() | some.integers(0, 50_000))
def test_a_price_lies_between_nothing_and_the_maximum(announced: int, bid_micro: int | None) -> None:
    people = People()
    job = people.submitter.record("job", people.job())
    holder = people.providers[0]
    ledger = people.ledger()
    ledger.add(job)
    if bid_micro is not None:
        bid = holder.sign(st.Bid(NETWORK, holder.peer, job.hash, bid_micro, 0.0, 0, ""))
        ledger.add(people.submitter.record("award", st.Award(job.hash, (bid,), (holder.peer,))))
    announcement = st.Announcement("n", "provider", (), announced, (), (), "")
    price = price_of(people.submitter.crypto, NETWORK, ledger.jobs[job.hash], holder.peer, announcement)
    assert 0 <= price <= 50_000
    assert price == (bid_micro if bid_micro is not None else max(0, min(announced, 50_000)))
