"""Who elects after whom, as electors propose it and agree to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from mesh_core.checkpoint.electors import acceptable, eligible, quorum, successors
from mesh_core.checkpoint.snapshot import AccountState, Cut, Snapshot
from mesh_core.config import limit

PEERS = [bytes([number]) * 32 for number in range(16)]
peers = some.sets(some.sampled_from(PEERS))


@given(some.sets(some.sampled_from(PEERS), min_size=1, max_size=11), peers, peers, peers)
def test_whoever_sees_the_same_agrees_to_what_another_proposes(
    electors: set[bytes], live: set[bytes], liars: set[bytes], workers: set[bytes]
) -> None:
    jobs = dict.fromkeys(workers, 1)
    named = successors(electors, live, liars, jobs)
    if electors - liars or (workers & live) - liars:
        assert acceptable(named, electors, live, liars, jobs)
    assert len(named) <= limit("committee_max") and not liars & set(named)


def test_nobody_takes_out_an_elector_that_is_there() -> None:
    electors, live = PEERS[:5], set(PEERS)
    assert not acceptable(tuple(PEERS[:4]), electors, live, (), {})
    assert acceptable(tuple(PEERS[:4]), electors, live - {PEERS[4]}, (), {})
    assert acceptable(tuple(PEERS[:4]), electors, live, {PEERS[4]}, {})


def test_nobody_is_added_who_has_not_worked_or_is_not_there() -> None:
    electors, live = PEERS[:4], set(PEERS[:6])
    named = tuple(PEERS[:5])
    assert not acceptable(named, electors, live, (), {})
    assert not acceptable(named, electors, live - {PEERS[4]}, (), {PEERS[4]: 1})
    assert acceptable(named, electors, live, (), {PEERS[4]: 1})


def test_whoever_was_paid_nothing_is_not_eligible_although_its_job_is_decided() -> None:
    """A price of nothing leaves its payer in the books too."""
    payer, worker, other = PEERS[:3]
    accounts = (
        AccountState(worker, "0", ((payer, "0"),), 1),
        AccountState(other, "0", ((payer, "1"),), 1),
    )
    snapshot = Snapshot("local", Cut((), (payer,)), b"", 2, accounts, (), ())
    assert eligible(snapshot) == {other: 1}
    assert worker not in snapshot.payers


def test_silent_electors_keep_their_seats_where_fewer_than_four_would_be_left() -> None:
    electors = PEERS[:4]
    assert successors(electors, PEERS[:2], (), {}) == tuple(electors)
    assert not acceptable(tuple(PEERS[:2]), electors, PEERS[:2], (), {})
    assert successors(electors, PEERS[:3], {PEERS[3]}, {}) == tuple(PEERS[:3]), "a liar does not"


def test_the_busiest_workers_take_the_free_seats() -> None:
    jobs = {peer: number for number, peer in enumerate(PEERS)}
    named = successors(PEERS[:4], PEERS, (), jobs)
    assert named == tuple(sorted([*PEERS[:4], *PEERS[-7:]]))


def test_quorums_share_an_honest_elector_and_the_honest_are_one() -> None:
    for size in range(1, 12):
        liars = (size - 1) // 3
        assert 2 * quorum(size) - size > liars
        assert size - liars >= quorum(size)
