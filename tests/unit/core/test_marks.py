"""A cut takes along what belongs together, and finds out quickly."""

from dataclasses import replace

import pytest
from msgspec import structs

from mesh_core import config
from mesh_core.checkpoint.marks import Marks
from mesh_core.ledger.budget import Budget
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry
from mesh_core.wire import statements as st
from tests.unit.core.people import People, Person


def marks_of(ledger: Ledger, retained: int = 4) -> Marks:
    return Marks(ledger, retained, lambda peer: True, lambda peer: True)


def record_all(ledger: Ledger, marks: Marks, count: int) -> None:
    """Let records come that are about nothing."""
    author = People().person("somebody")
    for number in range(count):
        ledger.add(author.record("note", number))
        marks.count()


def test_a_cut_leaves_as_many_records_as_are_retained() -> None:
    ledger = People().ledger()
    marks = marks_of(ledger)
    assert marks.cut(0) is None
    record_all(ledger, marks, 10)
    marks.mark()
    assert marks.cut(0) is None, "all of them are newer than the mark"
    people = People()
    for number in range(4):
        ledger.add(people.submitter.record("note", number))
        marks.count()
    bases = marks.cut(0)
    assert bases is not None and sum(base.seq for base in bases.values()) == 9
    assert marks.cut(9) is None, "it would cover nothing new"


def test_after_a_start_old_records_are_told_by_their_authors_clocks() -> None:
    people, ledger = People(), People().ledger()
    marks = marks_of(ledger)
    for number in range(20):
        entry = people.submitter.record("note", number)
        ledger.add(replace(entry, head=structs.replace(entry.head, written_ms=number)))
        marks.count()
    marks.resume()
    bases = marks.cut(0)
    assert bases is not None and bases[people.submitter.peer].seq == 20 - 4 - 2


def test_records_about_a_job_that_is_left_out_are_left_out_too_however_long_the_chain_of_reasons() -> None:
    """Job i of everybody is settled by a record right below job i - 1 of somebody else: leaving out one leaves out all, and
    each takes one look only."""
    people = People()
    ledger = people.ledger()
    authors = [people.person(f"author{number}") for number in range(300)]
    job: Entry | None = None
    for author in authors:
        if job is not None:
            value = people.value(people.providers[0])
            settlement = people.settlement(job.hash, value, people.providers[:4])
            ledger.add(author.record("settle", settlement))
        seats = [st.Seat(one.peer, 1) for one in (*people.providers, author)]
        job = author.record("job", people.job(committee=tuple(seats)))
        ledger.add(job)
    marks = marks_of(ledger, 2)
    looks = _count_looks(marks)
    places = {author.peer: ledger.chains.authors[author.peer].head_seq for author in authors}
    places[authors[0].peer] = 0
    marks._places._leave_uncovered(places, marks._places._settlements(), set())
    assert all(places[author.peer] == 0 for author in authors), "one after the other"
    assert looks[0] <= 2 * len(authors)


def _count_looks(marks: Marks) -> list[int]:
    looks, lower = [0], marks._places._lower

    def counted(places: dict[bytes, int], entry: object) -> bool:
        looks[0] += 1
        return lower(places, entry)  # type: ignore[arg-type]

    marks._places._lower = counted  # type: ignore[method-assign]
    return looks


def mark_behind(marks: Marks, ledger: Ledger, people: People, other: Person, count: int) -> None:
    """A mark behind so many records of the submitter and of somebody else, and a few of the submitter's behind it."""
    for number in range(count):
        ledger.add(other.record("note", number))
        ledger.add(people.submitter.record("note", number))
        marks.count()
        marks.count()
    marks.mark()
    for number in range(4):
        ledger.add(people.submitter.record("note", number))
        marks.count()


def test_a_cut_goes_no_further_than_where_a_chain_has_turned_out_to_fork() -> None:
    people, ledger = People(), People().ledger()
    marks = marks_of(ledger)
    liar = people.person("liar")
    mark_behind(marks, ledger, people, liar, 6)
    before = marks.cut(0)
    assert before is not None and before[liar.peer].seq == 5
    ledger.add(liar.record("note", "other", seq=3, prev=bytes(32)))
    after = marks.cut(0)
    assert after is not None and after[liar.peer].seq < 3
    assert after[people.submitter.peer] == before[people.submitter.peer]


def test_a_cut_can_do_without_what_strangers_have_written() -> None:
    people = People()
    ledger = people.ledger()
    ledger.budget = Budget(lambda peer: peer == people.submitter.peer, lambda peer: False)
    marks = marks_of(ledger)
    stranger = people.person("stranger")
    mark_behind(marks, ledger, people, stranger, 10)
    everybody, known = marks.cut(0), marks.cut(0, strangers=False)
    assert everybody is not None and everybody[stranger.peer].seq == 9
    assert known is not None and known[stranger.peer].seq == 0
    assert known[people.submitter.peer].seq == 9


def test_a_job_that_is_to_be_left_out_is_left_out_with_what_concerns_it() -> None:
    people = People()
    ledger = people.ledger()
    marks, holder = marks_of(ledger), people.providers[0]
    job = people.submitter.record("job", people.job())
    lease = holder.record("lease", people.lease(job.hash, holder, people.providers[:4]))
    entries = [job, lease, people.submitter.record("note", 1), holder.record("note", 1)]
    for entry in entries:
        ledger.add(entry)
        marks.count()
    marks.mark()
    for _ in range(8):
        ledger.add(people.submitter.record("note", "later"))
        marks.count()
    whole, without = marks.cut(0), marks.cut(0, without={job.hash})
    assert whole is not None and without is None, "nothing is left to be covered"
    assert {author: base.seq for author, base in whole.items()} == {people.submitter.peer: 1, holder.peer: 1}


def forked_below_a_job(people: People, ledger: Ledger) -> tuple[Entry, Entry]:
    """A provider's job that another has settled, and a fork below it."""
    liar, holder = people.providers[1], people.providers[0]
    settlement = people.settlement
    first = liar.record("note", 1)
    job = liar.record("job", people.job())
    settle = holder.record("settle", settlement(job.hash, people.value(holder), people.providers[:4]))
    fork = liar.record("note", "other", seq=job.seq, prev=first.hash)
    for entry in (first, job, settle, holder.record("note", 1), fork):
        ledger.add(entry)
    return job, settle


def marks_passed(marks: Marks, ledger: Ledger, people: People, count: int) -> None:
    """So many marks, each behind as many records of the submitter as a mark takes."""
    for _ in range(count):
        for _ in range(marks.step):
            ledger.add(people.submitter.record("note", 1))
            marks.count()
        marks.mark()


@pytest.mark.parametrize("patient", [True, False])
def test_a_job_beyond_a_fork_is_held_together_for_a_while_and_then_named(patient: bool) -> None:
    people = People()
    ledger = people.ledger()
    job, settle = forked_below_a_job(people, ledger)
    marks = marks_of(ledger)
    marks_passed(marks, ledger, people, 2 if patient else 4)
    for _ in range(4):
        ledger.add(people.submitter.record("note", 1))
        marks.count()
    bases = marks.cut(0)
    assert bases is not None and bases[job.author].seq == 0
    assert bases[settle.author].seq == (0 if patient else settle.seq)
    assert marks.beyond(bases) == (() if patient else (job.hash,))


def test_a_settlement_that_cannot_be_covered_is_named_unless_it_is_recorded_elsewhere_too() -> None:
    """Its author has forked below it, or has written nothing since: the last record of a chain stays."""
    people = People()
    ledger = people.ledger()
    job = people.submitter.record("job", people.job())
    holder, other = people.providers[:2]
    certificate = people.settlement(job.hash, people.value(holder), people.providers[:4])
    settle = holder.record("settle", certificate)
    for entry in (job, settle):
        ledger.add(entry)
    marks = marks_of(ledger)
    marks_passed(marks, ledger, people, 8)
    bases = marks.cut(0)
    assert bases is not None and bases[people.submitter.peer].seq > job.seq
    assert marks.beyond(bases) == (settle.hash,)
    for entry in (other.record("settle", certificate), other.record("note", 1)):
        ledger.add(entry)
    marks_passed(marks, ledger, people, 8)
    bases = marks.cut(0)
    assert bases is not None and bases[other.peer].seq == 1 and marks.beyond(bases) == ()


def test_no_more_jobs_are_let_go_than_a_snapshot_can_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(config._LIMIT, "snapshot_apart_max", 0)
    people = People()
    ledger = people.ledger()
    _, settle = forked_below_a_job(people, ledger)
    marks = marks_of(ledger)
    marks_passed(marks, ledger, people, 8)
    bases = marks.cut(0)
    assert bases is not None and bases[settle.author].seq == 0 and marks.beyond(bases) == ()


def test_what_is_open_at_a_cut_is_counted_whether_it_is_decided_above_it_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(config._LIMIT, "snapshot_open_jobs_max", 2)
    people = People()
    ledger = people.ledger()
    holder = people.providers[0]
    jobs = [people.submitter.record("job", people.job(label=f"{number}")) for number in range(4)]
    for job in jobs:
        ledger.add(job)
    marks = marks_of(ledger)
    marks_passed(marks, ledger, people, 1)
    for job in jobs:
        value = people.value(holder, job.hash)
        ledger.add(holder.record("settle", people.settlement(job.hash, value, people.providers[:4])))
        marks.count()
    marks_passed(marks, ledger, people, 2)
    bases = marks.cut(0)
    assert bases is not None and bases[people.submitter.peer].seq == jobs[2].seq - 1


def test_all_records_of_a_settlement_are_left_out_with_the_job() -> None:
    people = People()
    ledger = people.ledger()
    job = people.submitter.record("job", people.job())
    first, second = people.providers[:2]
    certificate = people.settlement(job.hash, people.value(first), people.providers[:4])
    settles = [one.record("settle", certificate) for one in (first, second)]
    for entry in (job, *settles, first.record("note", 1), second.record("note", 1)):
        ledger.add(entry)
    marks = marks_of(ledger)
    heads = {author: chain.head_seq for author, chain in ledger.chains.authors.items()}
    assert all(marks._places.fitting(heads)[one.author] == 1 for one in settles)
    left = marks._places.fitting(heads, without={job.hash})
    assert all(left[one.author] == 0 for one in settles)
