"""Every check of a record says what holds and what does not, in words."""

from __future__ import annotations

import msgspec
import pytest

from mesh_core.api.record_check import checks_of, spelled, statements_of
from mesh_core.api.record_view import RECORDS_SHOWN, RecordViews
from mesh_core.api.schema import Check, CheckedRecord
from mesh_core.effects import JobOptions
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from tests.unit.core.people import People


@pytest.fixture
def people() -> People:
    return People()


def held(people: People, *entries: Entry) -> Ledger:
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    return ledger


def check(ledger: Ledger, entry: Entry, what: str) -> Check:
    return next(found for found in checks_of(ledger, entry) if found.what == what)


def test_a_sound_certificate_passes_every_check_and_says_its_weight(people: People) -> None:
    job = people.submitter.record("job", people.job())
    holder = people.providers[0]
    lease = holder.record("lease", people.lease(job.hash, holder, people.providers[:4]))
    settle = holder.record("settle", people.settlement(job.hash, people.value(holder), people.providers[:5]))
    ledger = held(people, job, lease, settle)
    for entry in (job, lease, settle):
        assert all(found.holds for found in checks_of(ledger, entry)), checks_of(ledger, entry)
    assert check(ledger, lease, "certificate").told == "weight 4 of 7, 4 needed"
    assert check(ledger, settle, "certificate").told == "weight 5 of 7, 4 needed"
    assert check(ledger, lease, "link").told == "the first of its author's chain"
    assert check(ledger, settle, "link").told == "names record 1 of its author"
    assert [said.kind for said in statements_of(ledger, lease)] == ["promise"] * 4
    votes = statements_of(ledger, settle)
    assert [(vote.kind, vote.author, vote.problem) for vote in votes] == [
        ("accept", person.peer.hex(), "") for person in people.providers[:5]
    ]
    assert votes[0].says["value"]["holder"] == holder.peer.hex()
    assert set(spelled(settle.body)) == {"job", "epoch", "value"}


def test_too_few_promises_and_a_job_that_is_not_held_are_named(people: People) -> None:
    job = people.submitter.record("job", people.job())
    holder = people.providers[0]
    short = holder.record("lease", people.lease(job.hash, holder, people.providers[:3]))
    assert check(held(people, job, short), short, "certificate") == Check(
        "certificate", False, "promises of weight 3 where 4 of 7 are needed"
    )
    assert (
        check(held(people, short), short, "certificate").told == "cannot be judged: its job is not held here"
    )


def test_a_forged_signature_is_found_in_a_record_and_in_what_it_holds(people: People) -> None:
    job = people.submitter.record("job", people.job())
    holder = people.providers[0]
    lease = people.lease(job.hash, holder, people.providers[:4])
    forged = lease.promises[0][:-1] + bytes([lease.promises[0][-1] ^ 1])
    altered = holder.record("lease", msgspec.structs.replace(lease, promises=(forged, *lease.promises[1:])))
    ledger = held(people, job, altered)
    assert check(ledger, altered, "signature").holds
    assert not check(ledger, altered, "certificate").holds
    first, second, *_ = statements_of(ledger, altered)
    assert (first.author, first.problem) == ("", "promise is not signed by its author")
    assert second.problem == ""
    unsigned = Entry(job.hash, job.signed[:-1] + b"\0", job.head, job.body)
    assert check(ledger, unsigned, "signature") == Check(
        "signature", False, "record is not signed by its author"
    )
    renamed = Entry(bytes(32), job.signed, job.head, job.body)
    assert not check(ledger, renamed, "hash").holds


def test_gaps_and_forks_are_told_apart(people: People) -> None:
    alice, bob = people.providers[:2]
    first, second, third = (alice.record("a kind of tomorrow", number) for number in range(3))
    behind = held(people, first, third)
    assert check(behind, third, "link").told == "record 2 of its author is not held here: behind a gap"
    other = alice.record("a kind of tomorrow", 9, seq=2, prev=first.hash)
    forked = held(people, first, second, other, third)
    assert check(forked, first, "link").holds
    assert (
        check(forked, third, "link").told == "its author signed two records at seq 2: not part of the chain"
    )
    proof = bob.record("equivocation", st.Equivocation("record", second.signed, other.signed))
    forked.add(proof)
    assert check(forked, proof, "proof").told == f"{alice.peer.hex()[:8]} signed both, for one slot"
    assert [said.kind for said in statements_of(forked, proof)] == ["record", "record"]
    assert "first" not in spelled(proof.body)
    nothing = bob.record("equivocation", st.Equivocation("record", second.signed, second.signed))
    assert not check(held(people, first, second, proof, nothing), nothing, "proof").holds


def test_a_kind_nobody_knows_means_nothing_and_a_broken_body_is_a_fault(people: People) -> None:
    alice = people.providers[0]
    tomorrow, broken = alice.record("a kind of tomorrow", 1), alice.record("job", "no job")
    ledger = held(people, tomorrow, broken)
    assert check(ledger, tomorrow, "meaning").holds
    assert check(ledger, broken, "meaning") == Check(
        "meaning", False, "breaks the rules of a job: kept and passed on, and means nothing"
    )
    assert statements_of(ledger, broken) == []
    assert spelled(broken.body) == {}


def test_an_award_is_its_submitters_and_of_the_committee(people: People) -> None:
    job = people.submitter.record("job", people.job())
    alice = people.providers[0]
    bid = alice.sign(st.Bid("local", alice.peer, job.hash, 10, 0.5, 100, "search"))
    award = st.Award(job.hash, (bid,), (alice.peer,))
    own, others = people.submitter.record("award", award), alice.record("award", award)
    ledger = held(people, job, own, others)
    assert check(ledger, own, "award").holds
    assert check(ledger, others, "award").told == "not by the job's submitter"
    assert statements_of(ledger, own)[0].says["price_micro"] == 10
    stray = people.submitter.record("award", st.Award(job.hash, (bid,), ()))
    ledger.add(stray)
    assert not check(ledger, stray, "award").holds


def test_every_record_of_a_mesh_that_worked_is_found_and_passes() -> None:
    world = World(Setup("records"))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", range(2), JobOptions(fault_bound=1, submitter_weight=2), "q1")
    world.run_for(4.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    views = RecordViews(node, OPERATOR, lambda: 0.0)
    job = next(iter(node.ledger.jobs))
    about = views.of_job(job)
    assert {"job", "award", "lease", "settle"} <= {record.kind for record in about}
    by_author = views.of_author(node.peer)
    assert [record.seq for record in by_author] == sorted(record.seq for record in by_author)
    assert all(record.author == node.peer.hex() for record in by_author)
    for record in (*about, *by_author):
        found = views.checked(bytes.fromhex(record.hash))
        assert found is not None
        assert found.record == record
        assert all(one.holds for one in found.checks), found
        assert not any(one.problem for one in found.statements)
        assert msgspec.json.decode(msgspec.json.encode(found), type=CheckedRecord) == found
    assert views.checked(bytes(32)) is None
    assert views.of_author(bytes(32)) == []


def test_of_a_long_chain_the_newest_are_shown(people: People) -> None:
    world = World(Setup("long chain", providers=2))
    world.start()
    world.run_for(0.1)
    node = world.hosts[OPERATOR].node
    assert node is not None
    writer = people.providers[0]
    for number in range(RECORDS_SHOWN + 5):
        node.ledger.add(writer.record("a kind of tomorrow", number))
    shown = RecordViews(node, OPERATOR, lambda: 0.0).of_author(writer.peer)
    assert [record.seq for record in shown] == list(range(6, RECORDS_SHOWN + 6))
