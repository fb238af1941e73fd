"""Whatever strangers send, and in whatever order: they take up no more than they may, and what could be paid is there."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core import config
from mesh_core.ledger.budget import Budget
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry
from mesh_core.wire import statements as st
from tests.unit.core.people import People, take

SMALL = {
    "stray_records_max": 12,
    "stray_bytes_max": 9_000,
    "stray_records_total_max": 40,
    "stray_bytes_total_max": 30_000,
    "extras_per_author_max": 4,
}
"""Bounds that a test can come to."""

PEOPLE = People()
SCRIBE, CUSTOMER, HOLDER = PEOPLE.person("scribe"), PEOPLE.person("customer"), PEOPLE.providers[0]
ELECTOR = PEOPLE.providers[1]


def backed() -> list[Entry]:
    """A job of somebody who could pay but has written too much, its lease, its settlement by somebody who is full and,
    once more, by a member that elects."""
    filled = [CUSTOMER.record("note", number) for number in range(14)]
    seats = tuple(st.Seat(one.peer, 1) for one in (CUSTOMER, *PEOPLE.providers))
    job = CUSTOMER.record("job", PEOPLE.job(committee=seats))
    settled = PEOPLE.settlement(job.hash, PEOPLE.value(HOLDER), PEOPLE.providers[:4])
    lease = PEOPLE.lease(job.hash, HOLDER, PEOPLE.providers[:4])
    return [
        *filled,
        job,
        PEOPLE.person("copyist").record("lease", lease),
        HOLDER.record("lease", lease),
        SCRIBE.record("settle", settled, seq=500, prev=bytes(32)),
        ELECTOR.record("settle", settled),
    ]


def strange() -> list[Entry]:
    """What strangers write: junk, records behind gaps, and jobs that they settle among themselves."""
    records = [SCRIBE.record("note", number, seq=number + 2, prev=bytes(32)) for number in range(8)]
    for name in ("one", "two", "three"):
        author = PEOPLE.person(name)
        records += [author.record("note", "x" * 60 * number) for number in range(16)]
    askers, friend = [PEOPLE.person(f"asker{number}") for number in range(5)], PEOPLE.person("friend")
    for number in range(40):
        asker = askers[number % len(askers)]
        committee = tuple(st.Seat(one.peer, 1) for one in (asker, friend, HOLDER))
        job = asker.record("job", PEOPLE.job(committee=committee, index=number))
        settled = PEOPLE.settlement(job.hash, PEOPLE.value(friend), [asker, friend])
        records += [job, SCRIBE.record("settle", settled, seq=1_000 + number, prev=bytes(32))]
    return records


BACKED, STRANGE = backed(), strange()
RECORDS = [*BACKED, *STRANGE]
JOB = next(entry for entry in BACKED if isinstance(entry.body, st.Job))
ORDERS = some.permutations(range(len(RECORDS)))


def told(order: list[int]) -> Ledger:
    """A replica that is offered these records again and again, until it takes no more of them."""
    ledger = Ledger(PEOPLE.submitter.crypto, "local")
    ledger.budget = Budget(
        lambda _: False, lambda peer: peer == CUSTOMER.peer, lambda peer: peer == ELECTOR.peer
    )
    with patch.dict(config._LIMIT, SMALL):
        while sum(take(ledger, RECORDS[at]) for at in order if RECORDS[at].hash not in ledger.chains):
            pass
    return ledger


@settings(max_examples=60, deadline=None)
@given(ORDERS)
def test_strangers_stay_within_their_budget_and_what_could_be_paid_is_decided(order: list[int]) -> None:
    ledger = told(order)
    strangers = [len(entry.signed) for entry in STRANGE if entry.hash in ledger.chains]
    assert len(strangers) <= SMALL["stray_records_total_max"]
    assert sum(strangers) <= SMALL["stray_bytes_total_max"]
    assert ledger.jobs[JOB.hash].final
    lease = next(entry for entry in BACKED if entry.author == HOLDER.peer)
    assert lease.hash in ledger.chains, "a copy of its lease does not keep the holder's out"


@settings(max_examples=30, deadline=None)
@given(ORDERS, ORDERS)
def test_replicas_that_were_told_in_other_orders_agree_on_what_could_be_paid(
    one: list[int], other: list[int]
) -> None:
    jobs = [told(order).jobs[JOB.hash] for order in (one, other)]
    assert jobs[0].value == jobs[1].value
    assert [job.leases.keys() for job in jobs] == [{1}, {1}]
