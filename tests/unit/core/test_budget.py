"""What strangers' records may take up, what matters all the same, and that nothing honest is left out for it."""

from __future__ import annotations

import pytest

from mesh_core import config
from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.ledger.budget import Budget
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Account, Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import FIRST_PREV, Entry
from mesh_core.node import Node
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import People, Person, take
from tests.unit.core.seat import Seat


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def ledger(people: People) -> Ledger:
    """A replica that trusts the submitter alone with money."""
    made = Ledger(people.submitter.crypto, "local")
    submitter = people.submitter.peer

    def is_backed(peer: st.PeerId) -> bool:
        return peer == submitter or made.account(peer).earned_micro.get(submitter, 0) > 0

    made.budget = Budget(lambda peer: peer == submitter, is_backed)
    return made


def job_of(submitter: Person, people: People, ledger: Ledger) -> LedgerJob:
    """A job over all providers."""
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, submitter])
    entry = submitter.record("job", people.job(committee=committee))
    ledger.add(entry)
    return ledger.jobs[entry.hash]


def offer(ledger: Ledger, author: Person, kind: str, body: object) -> bool:
    """Whether there is room for an author's next record; if not, its chain goes on without it."""
    before = author.seq, author.head
    taken = take(ledger, author.record(kind, body))
    if not taken:
        author.seq, author.head = before
    return taken


def fill(ledger: Ledger, author: Person, size: int = 10, most: int = 5_000) -> int:
    """How many notes there is room for."""
    for number in range(most):
        if not offer(ledger, author, "note", f"{number:04}" + "x" * size):
            return number
    return most


def test_a_strangers_chain_has_room_up_to_its_budget(people: People, ledger: Ledger) -> None:
    assert fill(ledger, people.person("stranger")) == limit("stray_records_max")
    assert fill(ledger, people.person("other"), 60_000) == limit("stray_bytes_max") // 60_200
    assert fill(ledger, people.submitter, most=600) == 600


def test_all_strangers_share_one_budget_and_those_who_earned_something_do_not(
    people: People, ledger: Ledger, small_total: None
) -> None:
    known = people.providers[0]
    while fill(ledger, people.person(f"stranger{ledger.budget.size}")):
        pass
    assert not fill(ledger, known)
    ledger.accounts[known.peer] = Account(earned_micro={people.submitter.peer: 1})
    assert fill(ledger, known) > 0


def test_small_records_of_all_strangers_together_are_bounded_in_number(
    people: People, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(config._LIMIT, "stray_records_total_max", 700)
    taken = [fill(ledger, people.person(name)) for name in ("one", "two", "three")]
    assert taken == [limit("stray_records_max"), 700 - limit("stray_records_max"), 0]
    assert fill(ledger, people.submitter, most=5) == 5


@pytest.fixture
def small_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(config._LIMIT, "stray_bytes_total_max", 200_000)


def test_leases_and_settlements_of_jobs_that_can_be_paid_always_have_room(
    people: People, ledger: Ledger
) -> None:
    holder = people.providers[0]
    paid = job_of(people.submitter, people, ledger)
    unpaid = job_of(people.person("stranger"), people, ledger)
    fill(ledger, holder)
    quorum = people.providers[:4]
    assert not offer(ledger, holder, "lease", people.lease(unpaid.id, holder, quorum))
    assert not offer(ledger, holder, "lease", people.lease(paid.id, people.providers[1], quorum))
    assert not offer(ledger, holder, "lease", people.lease(paid.id, holder, quorum[:3]))
    assert offer(ledger, holder, "lease", people.lease(paid.id, holder, quorum))
    assert not offer(ledger, holder, "lease", people.lease(paid.id, holder, quorum))
    assert not offer(ledger, holder, "note", "more")
    assert offer(ledger, holder, "settle", people.settlement(paid.id, people.value(holder), quorum))
    assert paid.final


def test_a_committee_of_invented_keys_leases_its_job_a_bounded_number_of_times(
    people: People, ledger: Ledger
) -> None:
    earner, holder = people.person("earner"), people.providers[0]
    ledger.accounts[earner.peer] = Account(earned_micro={people.submitter.peer: 1})
    job = job_of(earner, people, ledger)
    taken = 0
    while offer(ledger, holder, "lease", people.lease(job.id, holder, people.providers[:4], taken + 1)):
        taken += 1
    assert taken == limit("stray_records_max") + limit("certificates_per_job_max")


def test_a_holder_has_room_for_its_lease_although_a_stranger_has_copied_it_before(
    people: People, ledger: Ledger
) -> None:
    for number, holder in enumerate(people.providers[:4]):
        job = job_of(people.submitter, people, ledger)
        lease = people.lease(job.id, holder, people.providers[:4])
        assert offer(ledger, people.person(f"copyist{number}"), "lease", lease)
        charged = ledger.budget.size
        assert offer(ledger, holder, "lease", lease)
        assert ledger.budget.size == charged, "it is not charged, whichever of the two records stays"
        assert not fill(ledger, holder, most=limit("stray_records_max")) < limit("stray_records_max")
        again = job_of(people.submitter, people, ledger)
        lease = people.lease(again.id, holder, people.providers[:4])
        assert offer(ledger, people.person(f"other copyist{number}"), "lease", lease)
        assert offer(ledger, holder, "lease", lease)
        assert not offer(ledger, holder, "lease", lease), "once is enough"


def test_members_have_room_for_a_settlement_that_somebody_else_has_recorded_already(
    people: People, ledger: Ledger
) -> None:
    job = job_of(people.submitter, people, ledger)
    settled = people.settlement(job.id, people.value(people.providers[0]), people.providers[:4])
    assert offer(ledger, people.person("scribe"), "settle", settled)
    charged = ledger.budget.size
    for member in people.providers[:2]:
        assert offer(ledger, member, "settle", settled)
    assert ledger.budget.size == charged
    full = people.providers[2]
    fill(ledger, full)
    assert not offer(ledger, full, "settle", padded(settled)), "nor do they need room for more"
    assert offer(ledger, full, "settle", settled)
    assert not offer(ledger, full, "settle", settled), "once is enough"
    forged = people.settlement(job.id, people.value(people.providers[0]), people.providers[:3])
    last = people.providers[3]
    fill(ledger, last)
    assert not offer(ledger, last, "settle", forged)
    outsider = people.person("outsider")
    fill(ledger, outsider)
    assert not offer(ledger, outsider, "settle", settled)


def padded(settled: st.SettleCertificate) -> list[object]:
    """The same settlement with much behind it, in a field that honest decoders read over."""
    return [settled.job, settled.epoch, settled.value, settled.votes, b"x" * 10_000]


def held_bytes(ledger: Ledger) -> int:
    return sum(len(entry.signed) for chain in ledger.chains.authors.values() for entry in chain.entries())


@pytest.mark.parametrize("first", ["jobs", "settlements"])
def test_of_what_strangers_decide_there_is_room_for_both_halves_or_none(
    people: People, ledger: Ledger, small_total: None, first: str
) -> None:
    friends = [people.person(name) for name in ("one", "two")]
    jobs: list[Entry] = []
    for number in range(60):
        asker = people.person(f"asker{number}")
        committee = tuple(st.Seat(one.peer, 1) for one in (asker, *friends))
        jobs.append(asker.record("job", people.job(committee=committee)))
    settlements: list[Entry] = []
    for job in jobs:
        settled = people.settlement(job.hash, people.value(friends[0]), friends)
        for body in (padded(settled), settled):
            settlements.append(people.person(f"scribe{len(settlements)}").record("settle", body))

    def rest_of(records: list[Entry]) -> int:
        return sum(take(ledger, record) for record in records if record.hash not in ledger.chains)

    one, other = (jobs, settlements) if first == "jobs" else (settlements, jobs)
    assert 0 < rest_of(one) < len(one)
    number = 0
    while fill(ledger, people.person(f"stranger{number}"), 5):
        number += 1
    while rest_of(other) + rest_of(one):
        assert held_bytes(ledger) == ledger.budget.size <= limit("stray_bytes_total_max")
    assert ledger.jobs and not ledger.open_jobs and not ledger.lacking()


def test_a_job_that_was_taken_in_is_decided_however_little_room_there_is(
    people: People, ledger: Ledger, small_total: None
) -> None:
    asker = people.person("asker")
    jobs = [job_of(asker, people, ledger) for _ in range(2)]
    ledger.budget.is_taken = lambda job: job == jobs[1].id
    number = 0
    while fill(ledger, people.person(f"stranger{number}"), 1_000):
        number += 1
    for job in jobs:
        settled = people.settlement(job.id, people.value(people.providers[0]), people.providers[:4])
        assert offer(ledger, people.person("scribe"), "settle", padded(settled)) == (job is jobs[1])


def test_a_decided_job_that_is_too_large_is_not_asked_for_again_while_its_submitter_is_a_stranger(
    people: People, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker, scribe = people.person("asker"), people.person("scribe")
    job = asker.record("job", people.job(committee=tuple(st.Seat(one.peer, 1) for one in (asker, scribe))))
    settled = people.settlement(job.hash, people.value(scribe), [asker, scribe])
    assert offer(ledger, scribe, "settle", settled)
    fill(ledger, asker)
    monkeypatch.setitem(config._LIMIT, "stray_records_max", 100)
    monkeypatch.setitem(config._LIMIT, "half_bytes_max", len(job.signed) - 1)
    assert ledger.lacking() == [job.hash]
    assert not ledger.has_room(job)
    ledger.decline(job)
    assert ledger.lacking() == []
    ledger.accounts[asker.peer] = Account(earned_micro={people.submitter.peer: 1})
    assert ledger.lacking() == [job.hash]
    assert take(ledger, job)
    assert ledger.jobs[job.hash].final and ledger.lacking() == []


def test_what_came_before_its_job_is_not_charged_once_that_is_known(people: People, ledger: Ledger) -> None:
    holder = people.providers[0]
    job = people.submitter.record("job", people.job())
    assert take(ledger, holder.record("lease", people.lease(job.hash, holder, people.providers[:4])))
    assert ledger.budget.size > 0
    assert take(ledger, job)
    assert ledger.budget.size == 0


def test_what_a_disk_holds_is_kept_whatever_the_budget_says(people: People, ledger: Ledger) -> None:
    stranger = people.person("stranger")
    for number in range(limit("stray_records_max") + 100):
        assert ledger.add(stranger.record("note", number))


def test_what_a_checkpoint_drops_is_not_charged_any_more(people: People, ledger: Ledger) -> None:
    stranger = people.person("stranger")
    assert take(ledger, stranger.record("note", "first"))
    ledger.forget([], {stranger.peer: Base(stranger.seq, stranger.head)})
    assert ledger.budget.size == 0


def test_an_open_job_stays_charged_when_a_checkpoint_covers_it(people: People, ledger: Ledger) -> None:
    stranger = people.person("stranger")
    job = job_of(stranger, people, ledger)
    ledger.forget([], {stranger.peer: Base(stranger.seq, stranger.head)})
    assert ledger.budget.size == len(job.entry.signed)


def test_who_makes_up_many_keys_cannot_fill_a_chain_with_proofs_against_them() -> None:
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    before = len(seat.records)
    for number in range(100):
        forger = people.person(f"forger{number}")
        forks = (forger.record("note", side, seq=1, prev=FIRST_PREV) for side in (1, 2))
        seat.tell(forger, ms.Records(tuple(fork.signed for fork in forks)))
    proofs = [one for one in seat.records[before:] if one.author == seat.me.peer]
    assert 0 < len(proofs) < limit("stray_records_max") // 4


def test_proofs_against_strangers_take_a_small_part_of_what_others_have_room_for_also_after_starts() -> None:
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    for life in range(2):
        for number in range(20):
            forger = people.person(f"forger{life}.{number}")
            forks = [forger.record("note", side * 4_000, seq=1, prev=FIRST_PREV) for side in ("one", "two")]
            seat.tell(forger, ms.Records(tuple(fork.signed for fork in forks)))
        own = seat.node.ledger.chains.authors[seat.me.peer].chain
        assert len(own) == limit("stray_bytes_max") // 4 // len(own[0].signed)
        seat = seat.restarted()


def test_who_must_share_with_strangers_proves_nothing_against_them_when_there_is_little_room(
    small_total: None,
) -> None:
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    for number in range(4):
        stranger = people.person(f"stranger{number}")
        seat.tell(stranger, ms.Records((stranger.record("note", "x" * 60_000).signed,)))
    forger = people.person("forger")
    forks = tuple(forger.record("note", side, seq=1, prev=FIRST_PREV).signed for side in (1, 2))
    seat.tell(forger, ms.Records(forks))
    assert forger.peer in seat.node.ledger.equivocators
    assert not any(one.author == seat.me.peer for one in seat.records)


def test_late_joiners_and_healed_splits_get_everything_however_small_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(config._LIMIT, "stray_records_max", 1)
    monkeypatch.setitem(config._LIMIT, "stray_bytes_total_max", 2_000)
    world = World(Setup(seed="late"))
    trusted = world.keys.key(OPERATOR)
    monkeypatch.setattr(Node, "_is_trusted", lambda node, author: author in (node.peer, trusted))
    world.start(*(name for name in world.hosts if name != "node6"))
    world.run_for(2.0)
    apart = world.split((("node4", "node5"), (OPERATOR, "node1", "node2", "node3")))
    for number in range(6):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    for host in world.live():
        assert host.node is not None
        authors = host.node.ledger.chains.authors  # from now on certificates are sent before their jobs
        if (operator := world.hosts[OPERATOR].peer) in authors:
            authors[operator] = authors.pop(operator)
    world.mend(apart)
    world.start("node6")
    world.run_for(10.0)
    nodes = [host.node for host in world.hosts.values() if host.node is not None]
    assert len(nodes) == 7
    assert len({node.ledger.chains.vector_hash() for node in nodes}) == 1
    assert all(job.final for job in nodes[-1].ledger.jobs.values())
    assert sum(node.context.dropped["record_without_room"] for node in nodes) > 0
