"""A snapshot is a function of its cut: whichever cuts lay on the way there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core import config
from mesh_core.checkpoint.snapshot import Cut, Snapshot, encoded, read_snapshot
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry, read_record
from mesh_core.wire import statements as st
from tests.unit.core.people import People


def history() -> tuple[People, list[Entry]]:
    """Eight jobs of which every third stays open, and one that a provider pays with what it has earned, as their records
    would come one after the other."""
    people = People()
    entries: list[Entry] = []
    for number in range(8):
        holder = people.providers[number % 6]
        job = people.submitter.record("job", people.job(label=f"q1.{number}", index=number))
        bid = holder.sign(st.Bid("local", holder.peer, job.hash, 10_000, 0.0, 0, ""))
        entries += [
            job,
            people.submitter.record("award", st.Award(job.hash, (bid,), (holder.peer,))),
            holder.record("lease", people.lease(job.hash, holder, people.providers[:4])),
        ]
        if number % 3:
            value = people.value(holder, b"%d" % number)
            entries.append(holder.record("settle", people.settlement(job.hash, value, people.providers[:4])))
    earner, worker = people.providers[1], people.providers[2]
    own = earner.record("job", people.job(label="of an earner"))
    settlement = people.settlement(own.hash, people.value(worker, b"own"), people.providers[:4])
    entries += [own, worker.record("settle", settlement)]
    liar = people.providers[1]
    first = liar.record("note", "one", seq=1000, prev=bytes(32))
    second = liar.record("note", "other", seq=1000, prev=bytes(32))
    proof = st.Equivocation("record", first.signed, second.signed)
    entries.insert(9, people.person("witness").record("equivocation", proof))
    return people, entries


PEOPLE, HISTORY = history()


def held() -> Ledger:
    ledger = PEOPLE.ledger()
    for entry in sorted(HISTORY, key=lambda one: one.seq):
        assert ledger.add(entry)
    return ledger


def cut_after(count: int) -> Cut:
    """Everybody's chain as it was when so many records had come."""
    bases: dict[bytes, Base] = {}
    for entry in HISTORY[:count]:
        if entry.seq > bases.get(entry.author, Base()).seq:
            bases[entry.author] = Base(entry.seq, entry.hash)
    return Cut.of(bases, (PEOPLE.submitter.peer,))


def collapsed(ledger: Ledger, snapshot: Snapshot) -> None:
    """Let a snapshot take the place of what it covers."""
    bases = snapshot.cut.bases
    kept = {read_record(signed).hash for signed in snapshot.records}
    gone = [
        job
        for job in ledger.jobs.values()
        if job.id in snapshot.jobs_apart
        or (job.id not in kept and job.entry.seq <= bases.get(job.submitter, Base()).seq)
    ]
    ledger.forget(gone, bases)
    ledger.collapse(snapshot.settled, snapshot.opened_accounts(), snapshot.jobs)
    ledger.set_apart(snapshot.jobs_apart)
    for signed in snapshot.records:
        ledger.fold(read_record(signed))


@settings(max_examples=30, deadline=None)
@given(some.lists(some.integers(1, len(HISTORY)), min_size=1, max_size=4, unique=True))
def test_any_way_to_a_cut_gives_the_same_snapshot(stops: list[int]) -> None:
    ledger, root = held(), held().state_root()
    base: Snapshot | None = None
    for stop in sorted(stops):
        base = snapshot_at(ledger, base, cut_after(stop))
        assert base is not None
        collapsed(ledger, base)
        assert ledger.state_root() == root
        assert ledger.chains.vector_hash() == held().chains.vector_hash()
    assert base is not None
    at_once = snapshot_at(held(), None, base.cut)
    assert at_once is not None and encoded(base) == encoded(at_once)
    assert read_snapshot(encoded(base)) == base


@settings(max_examples=20, deadline=None)
@given(some.integers(1, len(HISTORY)))
def test_whoever_starts_from_a_snapshot_comes_to_the_same_state(stop: int) -> None:
    whole = held()
    snapshot = snapshot_at(whole, None, cut_after(stop))
    assert snapshot is not None
    newcomer = PEOPLE.ledger()
    collapsed(newcomer, snapshot)
    assert newcomer.state_root() == snapshot.state_root
    for entry in HISTORY:
        newcomer.add(entry)
    assert newcomer.state_root() == whole.state_root()
    assert newcomer.chains.vector_hash() == whole.chains.vector_hash()
    assert newcomer.equivocators.keys() == whole.equivocators.keys()
    assert newcomer.open_jobs.keys() == whole.open_jobs.keys()
    assert sum(account.balance_micro for account in newcomer.accounts.values()) == 0


def test_a_record_of_a_collapsed_job_that_comes_again_opens_nothing() -> None:
    ledger = held()
    snapshot = snapshot_at(ledger, None, cut_after(len(HISTORY)))
    assert snapshot is not None
    collapsed(ledger, snapshot)
    before = set(ledger.jobs)
    assert not any(ledger.add(entry) for entry in HISTORY)
    assert set(ledger.jobs) == before == set(ledger.open_jobs)
    assert ledger.collapsed == 6 and len(before) == 3


def test_another_record_for_a_covered_place_is_refused() -> None:
    """A submitter cannot unmake a collapsed job by forking below the cut."""
    people, entries = history()
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    snapshot = snapshot_at(ledger, None, cut_after(len(entries)))
    assert snapshot is not None
    collapsed(ledger, snapshot)
    root = ledger.state_root()
    forged = people.submitter.record("job", people.job(label="again"), seq=1, prev=bytes(32))
    assert not ledger.add(forged) and ledger.state_root() == root


def test_a_replica_that_lacks_covered_records_has_no_snapshot_of_its_own() -> None:
    ledger = PEOPLE.ledger()
    for entry in HISTORY[:-2]:
        ledger.add(entry)
    assert snapshot_at(ledger, None, cut_after(len(HISTORY))) is None


def test_what_somebody_without_credit_has_paid_to_many_does_not_make_a_snapshot_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A committee of invented keys certifies any payment. What was paid to the others counts as paid to itself: it is
    spent."""
    monkeypatch.setitem(config._LIMIT, "snapshot_payees_max", 4)
    people = People()
    ledger = people.ledger()
    earner, strangers = people.providers[0], [people.person(f"stranger{number}") for number in range(9)]
    work = people.submitter.record("job", people.job())
    ledger.add(work)
    ledger.add(
        earner.record("settle", people.settlement(work.hash, people.value(earner), people.providers[:4]))
    )
    seats = tuple(st.Seat(one.peer, 1) for one in (*strangers, earner))
    for number, payee in enumerate(strangers, start=1):
        sham = earner.record("job", people.job(committee=seats, label=f"sham {number}"))
        value = people.value(payee, price_micro=number)
        ledger.add(sham)
        ledger.add(strangers[0].record("settle", people.settlement(sham.hash, value, strangers[:6])))
    bases = {author: Base(held.head_seq, held.head_hash) for author, held in ledger.chains.authors.items()}
    snapshot = snapshot_at(ledger, None, Cut.of(bases, (people.submitter.peer,)))
    assert snapshot is not None
    accounts = snapshot.opened_accounts()
    assert accounts[earner.peer].spent_micro == sum(range(10))
    assert accounts[earner.peer].earned_micro == {people.submitter.peer: 10_000, earner.peer: sum(range(6))}
    assert {one.peer: accounts[one.peer].balance_micro for one in strangers[5:]} == {
        one.peer: number for number, one in enumerate(strangers[5:], start=6)
    }
    assert not any(one.peer in accounts for one in strangers[:5])
    assert sum(account.balance_micro for account in accounts.values()) == 0


def test_those_who_have_credit_are_told_what_their_jobs_came_to_however_many_others_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(config._LIMIT, "snapshot_decided_max", 8)
    people, entries = history()
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    snapshot = snapshot_at(ledger, None, cut_after(len(entries)))
    assert snapshot is not None
    assert len(snapshot.decided_of(people.submitter.peer)) == 4
    assert len(snapshot.decided_of(people.providers[1].peer)) == 1


def test_proofs_do_not_make_a_snapshot_large(monkeypatch: pytest.MonkeyPatch) -> None:
    people, entries = history()
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    whole = snapshot_at(ledger, None, cut_after(len(entries)))
    monkeypatch.setitem(config._LIMIT, "snapshot_proofs_bytes_max", 10)
    small = snapshot_at(ledger, None, cut_after(len(entries)))
    assert whole is not None and small is not None
    assert len(whole.records) == len(small.records) + 1


# --------------------------------------------------------------------------------- what stands beyond a cut


def torn(people: People) -> tuple[list[Entry], Entry, Entry]:
    """A job and its settlement, which stand at the end of two chains; first all records, then these two."""
    holder = people.providers[0]
    job = people.submitter.record("job", people.job())
    settle = holder.record("settle", people.settlement(job.hash, people.value(holder), people.providers[:4]))
    return [job, settle], job, settle


@pytest.mark.parametrize("left", ["job", "settlement"])
def test_a_job_that_a_cut_tears_apart_counts_once_whatever_comes_of_it_later(left: str) -> None:
    people = People()
    entries, job, settle = torn(people)
    ledger = people.ledger()
    for entry in entries:
        ledger.add(entry)
    root = ledger.state_root()
    covered, beyond = (settle, job) if left == "job" else (job, settle)
    cut = Cut.of({covered.author: Base(1, covered.hash)}, (people.submitter.peer,), (beyond.hash,))
    snapshot = snapshot_at(ledger, None, cut)
    assert snapshot is not None and read_snapshot(encoded(snapshot)) == snapshot
    assert snapshot.jobs == 1 and snapshot.jobs_apart == {job.hash} and not snapshot.open_jobs()
    assert snapshot.state_root == root
    collapsed(ledger, snapshot)
    newcomer = people.ledger()
    snapshot.begin(newcomer)
    assert not newcomer.is_unknown(job.hash)
    for one in (ledger, newcomer):
        for entry in entries:
            one.add(entry)
        assert one.state_root() == root and not one.jobs and not list(one.waiting()) and not one.lacking()
        whole = Cut.of({entry.author: Base(1, entry.hash) for entry in entries}, (people.submitter.peer,))
        after = snapshot_at(one, snapshot, whole)
        assert after is not None and after.state_root == root and after.jobs == 1 and not after.apart
    assert ledger.chains.vector_hash() == newcomer.chains.vector_hash()


def test_a_cut_is_not_known_before_what_it_names_is_held() -> None:
    people = People()
    _, job, settle = torn(people)
    ledger = people.ledger()
    ledger.add(settle)
    cut = Cut.of({settle.author: Base(1, settle.hash)}, (people.submitter.peer,), (job.hash,))
    assert snapshot_at(ledger, None, cut) is None
    ledger.add(job)
    assert snapshot_at(ledger, None, cut) is not None


def test_a_record_beyond_a_cut_that_decides_nothing_counts_for_nothing_lasting() -> None:
    people = People()
    _, job, settle = torn(people)
    ledger = people.ledger()
    ledger.add(job)
    snapshot = snapshot_at(ledger, None, Cut.of({}, (people.submitter.peer,), (job.hash,)))
    assert snapshot is not None and not snapshot.apart
    collapsed(ledger, snapshot)
    ledger.add(settle)
    assert ledger.jobs[job.hash].final


def test_a_settlement_whose_record_is_dropped_counts_by_another_that_says_the_same() -> None:
    """Else it would be recorded once more with every checkpoint, for as long as its job's own record stays."""
    people = People()
    _, job, settle = torn(people)
    again, other = people.providers[1].record("settle", settle.body), people.providers[2].record("note", 1)
    ledger = people.ledger()
    for entry in (job, settle, again, other):
        ledger.add(entry)
    assert not ledger.unrecorded()
    ledger.forget([], {settle.author: Base(1, settle.hash)})
    assert not ledger.unrecorded() and ledger.jobs[job.hash].settle == again
    ledger.forget([], {again.author: Base(1, again.hash)})
    assert [one.id for one in ledger.unrecorded()] == [job.hash]
