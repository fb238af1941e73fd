"""Who runs a job: one order for everybody, whoever was heard first."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.ledger.award import award_is_sound, bid_problem
from mesh_core.market.bid import Scored, rank, score
from mesh_core.standing.succession import choose_providers, rendezvous_order
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People

PEOPLE = People()
JOB = PEOPLE.job()
PEERS = some.integers(0, 30).map(lambda number: bytes([number]) * 32)
NUMBERS = some.integers(-(2**63), 2**64 - 1) | some.integers(0, 60_000) | some.sampled_from([9_000, 50_000])
ANNOUNCEMENTS = some.none() | some.builds(
    lambda shards: st.Announcement("n", "provider", ("answer",), 0, tuple(shards), (), ""),
    some.lists(some.integers(0, 3), max_size=3),
)
BIDS = some.builds(
    lambda peer, price, load, expected, model: st.Bid(NETWORK, peer, bytes(32), price, load, expected, model),
    PEERS,
    NUMBERS,
    some.floats() | some.sampled_from([0.0, 0.5, 1.0]),
    NUMBERS,
    some.sampled_from(["", "m", "m" * 257]),
)
SCORED: some.SearchStrategy[list[Scored]] = some.lists(
    some.tuples(BIDS, ANNOUNCEMENTS).map(lambda offer: score(offer[0], JOB, offer[1])),
    max_size=12,
    unique_by=lambda scored: scored.bid.author,
)
SETTLED = some.integers(0, 5)


@settings(deadline=None)
@given(SCORED, some.randoms(use_true_random=False), some.dictionaries(PEERS, SETTLED))
def test_the_order_of_bids_does_not_depend_on_which_came_first(
    scored: list[Scored], random: Random, settled: dict[bytes, int]
) -> None:
    def jobs(peer: bytes) -> int:
        return settled.get(peer, 0)

    ranked = rank(scored, jobs)
    shuffled = list(scored)
    random.shuffle(shuffled)
    assert rank(shuffled, jobs) == ranked
    assert {one.bid.author for one in ranked} == {one.bid.author for one in scored if not one.refused}
    keys = [(one.score, -jobs(one.bid.author), one.bid.author) for one in ranked]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


@settings(deadline=None)
@given(BIDS, ANNOUNCEMENTS)
def test_a_score_is_a_whole_number_of_micro_axl_and_never_below_the_price(
    bid: st.Bid, announcement: st.Announcement | None
) -> None:
    scored = score(bid, JOB, announcement)
    assert scored.refused == bid_problem(bid, JOB)
    if not scored.refused:
        assert all(type(part) is int and part >= 0 for part in scored.parts.values())
        assert 0 <= bid.price_micro <= JOB.max_price_micro and scored.score >= bid.price_micro
        assert scored.score < 2**63


@settings(deadline=None)
@given(some.lists(some.sampled_from(range(6)), unique=True), some.randoms(use_true_random=False))
def test_an_award_ranks_its_bidders_each_once_and_nobody_else(bidders: list[int], random: Random) -> None:
    job = PEOPLE.submitter.record("job", JOB, seq=1, prev=bytes(32))
    providers = [PEOPLE.providers[number] for number in bidders]
    bids = tuple(one.sign(st.Bid(NETWORK, one.peer, job.hash, 10_000, 0.0, 0, "")) for one in providers)
    ranking = [one.peer for one in providers]
    random.shuffle(ranking)
    assert award_is_sound(JOB, job.hash, st.Award(job.hash, bids, tuple(ranking)))
    if ranking:
        assert not award_is_sound(JOB, job.hash, st.Award(job.hash, bids, tuple(ranking[1:])))
        assert not award_is_sound(JOB, job.hash, st.Award(job.hash, bids[1:], tuple(ranking)))
        assert not award_is_sound(JOB, job.hash, st.Award(job.hash, (*bids, bids[0]), (*ranking, ranking[0])))


@given(
    some.binary(min_size=32, max_size=32), some.lists(PEERS, unique=True), some.randoms(use_true_random=False)
)
def test_candidates_keep_their_order_whoever_is_missing(
    job: bytes, peers: list[bytes], random: Random
) -> None:
    order = rendezvous_order(job, peers)
    assert sorted(order) == sorted(peers)
    shuffled = list(peers)
    random.shuffle(shuffled)
    assert rendezvous_order(job, shuffled) == order
    for gone in peers:
        assert rendezvous_order(job, [peer for peer in peers if peer != gone]) == [
            peer for peer in order if peer != gone
        ]
    assert choose_providers(job, shuffled, 6) == sorted(order[:6])
