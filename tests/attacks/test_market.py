"""Money: impossible bids, invented funds, free work, and jobs that only take place."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from msgspec import structs

from mesh_core.identity.statement import body_hash, digest, encode
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice
from tests.attacks.customer import a_job, award, bids_for, gives_the_key, make_offer
from tests.attacks.market import Market, unharmed
from tests.e2e.mesh import PATIENCE_S

BIDS = {
    "of -99": {"price_micro": -99},
    "of NaN": {"load": float("nan")},
    "of infinity": {"load": float("inf")},
    "of -1 ms": {"expected_ms": -1},
    "over the maximum": {"price_micro": 2**63 - 1},
    "of nobody": {"author": bytes(32)},
    "for another job": {"job": bytes(32)},
    "with a model that owns the terminal": {"model": "\x1b[2J" * 1000},
}


@pytest.mark.parametrize("changes", BIDS.values(), ids=BIDS)
async def test_an_impossible_bid_wins_nothing(
    market: Market, mallory: Attacker, changes: dict[str, object]
) -> None:
    """The attacker is a member with a seat, and answers each job it is offered at once."""

    def answer(_: bytes, message: ms.StoreJob) -> ms.Message:
        job = body_hash(message.record)
        bid = st.Bid(NETWORK, mallory.id, job, 1, 0.0, 1, "m")
        return ms.JobStored(job, mallory.sign(structs.replace(bid, **changes)), "")

    await mallory.join(market.everybody)
    async with unharmed(market):
        mallory.reacts(ms.StoreJob, answer)
        query = await market.answers()
        assert mallory.got(ms.StoreJob)
        for job in (await market.operator.client().state()).jobs:
            if job.job in query.jobs:
                assert job.holder != mallory.peer
                assert mallory.peer not in job.auction.ranking


async def test_a_bid_of_somebody_without_a_seat_counts_for_nothing(market: Market, mallory: Attacker) -> None:
    async with unharmed(market):
        await market.answers()
        for job in (await market.operator.client().state()).jobs:
            job_id = bytes.fromhex(job.job)
            bid = mallory.sign(st.Bid(NETWORK, mallory.id, job_id, 0, 0.0, 0, "m"))
            await mallory.send(
                market.operator, ms.JobStored(job_id, bid, ""), ms.JobStored(job_id, b"", "no")
            )
        await mallory.is_heard(market.operator)


async def test_an_award_of_bids_nobody_signed_means_nothing(market: Market, customer: Attacker) -> None:
    forged = {
        "below zero": (-5_000_000, 0.0),
        "no number": (0, float("nan")),
        "unsigned": (1, 0.0),
    }
    async with unharmed(market, pays=True):
        for price, load in forged.values():
            offer = make_offer(customer, market)
            gives_the_key(customer, offer)
            await bids_for(customer, market, offer)
            winner = market.providers[0].key.peer
            bid = encode(st.Bid(NETWORK, winner, offer.id, price, load, 1, "m")) + bytes(64)
            await award(customer, market, offer, {winner: bid}, [winner])
            job = await market.job_where(market.operator, offer.id, "settled")
            assert job.price_micro == 10_000, "what the provider announces"


async def test_nobody_works_for_a_stranger_without_credit(market: Market, mallory: Attacker) -> None:
    async with unharmed(market):
        offer = make_offer(mallory, market, max_price_micro=0)
        costly = make_offer(mallory, market, max_price_micro=20_000)
        for provider in market.providers:
            for one in (offer, costly):
                await mallory.send(provider, ms.StoreJob(one.record, one.envelope.payload))
        for provider in market.providers:
            stored = await mallory.answer(ms.JobStored, provider)
            assert "credit" in stored.refused
            assert not stored.bid
        await mallory.is_heard(*market.providers)
        state = await market.providers[0].client().state()
        assert all(job.state == "open" for job in state.jobs if job.submitter == mallory.peer)


async def test_what_a_sybil_committee_pays_buys_nothing_and_takes_nothing(
    market: Market, mallory: Attacker
) -> None:
    sybils = [Voice() for _ in range(3)]
    mint = Voice()
    records = []
    for price, holder in (
        (10**12, mallory.id),
        (2**63 - 1, mallory.id),
        (-(10**12), market.operator.key.peer),
        (2**64 - 1, mallory.id),
    ):
        job = a_job(mint.id, [mallory.id, *(one.id for one in sybils)], max_price_micro=10**12)
        record = mint.record("job", job)
        value = st.Value("result", digest(b"loot"), 4, "", holder, price)
        votes = tuple(
            one.sign(st.AcceptVote(NETWORK, one.id, body_hash(record), 1, value))
            for one in (mallory, *sybils)
        )
        records += [record, mint.record("settle", st.SettleCertificate(body_hash(record), 1, value, votes))]
    async with unharmed(market, pays=True):
        for participant in market.everybody:
            await mallory.send(participant, ms.Records(tuple(records)))
        await mallory.is_heard(*market.everybody)
        offer = make_offer(mallory, market)
        for provider in market.providers:
            await mallory.send(provider, ms.StoreJob(offer.record, offer.envelope.payload))
            refused = (await mallory.answer(ms.JobStored, provider)).refused
            assert "credit" in refused


async def test_free_jobs_of_strangers_do_not_close_the_market(market: Market, mallory: Attacker) -> None:
    seats = [one.key.peer for one in market.providers]
    job = a_job(mallory.id, seats, max_price_micro=0)
    async with unharmed(market):
        flood = [mallory.record("job", job) for _ in range(3_000)]
        for provider in market.providers:
            for at in range(0, len(flood), 300):
                await mallory.send(provider, *(ms.StoreJob(one, b"") for one in flood[at : at + 300]))
        await mallory.is_heard(*market.providers)
        await market.answers()


@pytest.mark.parametrize("seconds_off", [-10, 10, -(2**40), 2**40])
async def test_a_clock_that_is_wrong_decides_nothing(
    market: Market, customer: Attacker, seconds_off: int
) -> None:
    """A submitter's clock, as its records show it. Participants with wrong clocks, and clocks that jump, are the
    simulator's: a process cannot be given a clock of its own here (profile `stalls` of `tests.simulation`)."""
    customer.clock_ms = int(time.time() + seconds_off) * 1000
    async with unharmed(market, pays=True):
        offer = make_offer(customer, market)
        gives_the_key(customer, offer)
        bids = await bids_for(customer, market, offer)
        await award(customer, market, offer, bids, sorted(bids))
        await market.job_where(market.operator, offer.id, "settled")


async def test_a_customer_gets_no_more_than_its_credit(market: Market, customer: Attacker) -> None:
    async with unharmed(market):
        taken = 0
        for _ in range(4):
            offer = make_offer(customer, market, max_price_micro=4_000_000, capability="none has it")
            await customer.send(market.providers[0], ms.StoreJob(offer.record, offer.envelope.payload))
            stored = await customer.answer(ms.JobStored, wanted=lambda one, offer=offer: one.job == offer.id)
            taken += not stored.refused
        assert taken == 2


@pytest.mark.parametrize("reason", ["why not", "x" * 19_000], ids=["short", "long"])
async def test_what_strangers_settle_among_themselves_is_written_into_no_honest_chain(
    market: Market, mallory: Attacker, customer: Attacker, reason: str
) -> None:
    """Whoever holds a settlement that would not reach everybody records it again: in a job that could be paid."""
    victim = market.providers[0]
    scribe, friends = Voice(), [Voice(), Voice()]
    places = itertools.count(1_000)

    def decided(submitter: Voice, text: str) -> tuple[bytes, bytes]:
        """A job with a seat for the victim, and its settlement by friends, in a chain that is copied no more."""
        job = a_job(submitter.id, [])
        seats = (*job.committee, *(st.Seat(one.id, 16) for one in friends), st.Seat(victim.key.peer, 1))
        record = submitter.record("job", structs.replace(job, committee=seats))
        value = st.Value("cancelled", b"", 0, text, friends[0].id, 0)
        votes = tuple(
            one.sign(st.AcceptVote(NETWORK, one.id, body_hash(record), 1, value)) for one in friends
        )
        body = st.SettleCertificate(body_hash(record), 1, value, votes)
        return record, scribe.record_at(next(places), bytes(32), "settle", body)

    strange = [decided(mallory, reason) for _ in range(20)]
    wanted = decided(customer, "why not")
    junk = [scribe.record_at(seq, bytes(32), "note", "") for seq in range(2, 300)]
    async with unharmed(market, pays=True):
        since = (await victim.client().state()).seq
        for participant in market.everybody:
            for batch in ([job for job, _ in strange], [wanted[0]], junk):
                await mallory.send(participant, ms.Records(tuple(batch)))
        await mallory.is_heard(*market.everybody)
        for _, settled in (*strange, wanted):
            for participant in market.everybody:
                await mallory.send(participant, ms.Records((settled,)))
        async with asyncio.timeout(PATIENCE_S):
            recorded = []
            async for event in victim.client().events(since):
                if event.kind == "record_added" and event.data["author"] == victim.key.peer.hex():
                    recorded.append(event.data["job"])
                    if recorded[-1] == body_hash(wanted[0]).hex():
                        break
        assert not {body_hash(job).hex() for job, _ in strange}.intersection(recorded)
