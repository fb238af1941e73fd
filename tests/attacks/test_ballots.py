"""Leases and votes: asked for by whom they do not concern, forged, equivocated, withheld, kept for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from msgspec import structs

from mesh_core.identity.statement import digest, peek
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice
from tests.attacks.customer import Offer, a_job, award, bids_for, gives_the_key, lease_of, make_offer, who
from tests.attacks.market import HONEST_WORK_S, Market, unharmed

EXEC_DELAY_S = 0.25
"""Long enough to interfere with work under way."""

EPOCHS = (0, 1, 2, 17, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


async def offered(customer: Attacker, market: Market, **changes: object) -> tuple[Offer, dict[bytes, bytes]]:
    """A job of a customer that every provider has taken in and bid for."""
    offer = make_offer(customer, market, **changes)
    gives_the_key(customer, offer)
    return offer, await bids_for(customer, market, offer)


async def settles_honestly(market: Market, offer: Offer) -> None:
    """The job ends with one result of a provider, the same everywhere, in bounded time."""
    async with asyncio.timeout(HONEST_WORK_S):
        jobs = [await market.job_where(one, offer.id, "settled") for one in market.everybody]
    assert len({job.holder for job in jobs}) == 1
    assert jobs[0].holder in {one.peer for one in market.providers}


async def test_a_stranger_is_promised_nothing_at_any_epoch(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer, bids = await offered(customer, market)
    await mallory.join(market.everybody)
    promises = [
        voice.sign(st.Promise(NETWORK, voice.id, offer.id, 2**53, mallory.id, None, ()))
        for voice in (mallory, customer, Voice())
    ]
    async with unharmed(market, pays=True):
        for provider in market.providers:
            for epoch in EPOCHS:
                for shown in (b"", *promises):
                    await mallory.send(provider, ms.PromiseRequest(offer.id, epoch, (offer.record,), shown))
        await mallory.is_heard(*market.providers)
        assert not mallory.got(ms.Promised)
        await award(customer, market, offer, bids, sorted(bids))
        await settles_honestly(market, offer)


async def test_the_submitter_itself_is_promised_nothing_while_its_job_runs(
    market: Market, customer: Attacker
) -> None:
    offer, bids = await offered(customer, market)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        for provider in market.providers:
            for epoch in EPOCHS:
                await customer.send(provider, ms.PromiseRequest(offer.id, epoch, (offer.record,)))
        await settles_honestly(market, offer)
        assert not any(promise_in(one.promise).holder == customer.id for one in customer.got(ms.Promised))


def promise_in(signed: bytes) -> st.Promise:
    return peek(signed, st.Promise)


async def test_a_lower_rank_that_asks_before_its_turn_waits(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    await mallory.join(market.everybody)
    offer = make_offer(customer, market, others=[mallory.id])
    gives_the_key(customer, offer)
    bids = await bids_for(customer, market, offer)
    bids[mallory.id] = mallory.sign(st.Bid(NETWORK, mallory.id, offer.id, 1, 0.0, 1, "m"))
    winner, *others = sorted(one.key.peer for one in market.providers)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, [winner, *others, mallory.id])
        for provider in market.providers:
            await mallory.send(provider, ms.PromiseRequest(offer.id, 1, (offer.record,)))
            await mallory.send(provider, ms.PromiseRequest(offer.id, 2, (offer.record,)))
        await mallory.is_heard(*market.providers)
        _, lease = await lease_of(customer, offer)
        assert lease.holder == winner
        await settles_honestly(market, offer)


async def test_nobody_but_the_holder_and_the_submitter_can_end_a_lease(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer, bids = await offered(customer, market)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        _, lease = await lease_of(customer, offer)
        for provider in market.everybody:
            for name in (mallory.id, lease.holder, customer.id):
                release = mallory.sign(st.Release(NETWORK, name, offer.id, 1, "gave up"))
                cancel = mallory.sign(st.Cancel(NETWORK, name, offer.id, "changed my mind"))
                await mallory.send(provider, ms.Released(release), ms.CancelRequest(cancel))
            await mallory.send(provider, ms.Refused(offer.id, 1, 2**62, mallory.id))
            await mallory.send(provider, ms.Renew(tuple((offer.id, epoch) for epoch in EPOCHS)))
            await mallory.send(provider, ms.Streamed(offer.id, 1, 2**62, "\x1b[2Jowned"))
        await settles_honestly(market, offer)
        job = await market.job_where(market.operator, offer.id, "settled")
        assert [one.epoch for one in job.attempts] == [1]
        assert "owned" not in job.text


async def test_votes_and_proposals_of_strangers_count_for_nothing(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer, bids = await offered(customer, market)
    value = st.Value("result", digest(b"loot"), 4, "", mallory.id, 1)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        _, lease = await lease_of(customer, offer)
        for provider in market.providers:
            for epoch in EPOCHS:
                proposal = mallory.sign(st.Proposal(NETWORK, mallory.id, offer.id, epoch, value))
                vote = mallory.sign(st.AcceptVote(NETWORK, mallory.id, offer.id, epoch, value))
                for promises in ((), lease.promises, lease.promises[:1] * 9):
                    request = ms.AcceptRequest(offer.id, epoch, proposal, promises, b"loot")
                    await mallory.send(provider, request, ms.Voted(vote))
        await mallory.is_heard(*market.providers)
        assert not mallory.got(ms.Voted)
        await settles_honestly(market, offer)


@pytest.mark.parametrize(
    "changes",
    [
        {"execution_ms": 0},
        {"execution_ms": -1},
        {"total_ms": 0},
        {"auction_ms": 0},
        {"retries": 0},
        {"threshold": 0},
    ],
    ids="_".join,
)
async def test_a_job_with_an_impossible_time_is_no_job(
    market: Market, customer: Attacker, changes: dict[str, int]
) -> None:
    async with unharmed(market):
        offer = make_offer(customer, market)
        record = customer.record("job", a_job(customer.id, [], **changes))
        for provider in market.providers:
            await customer.send(provider, ms.StoreJob(record, offer.envelope.payload))
        await customer.is_heard(*market.providers)
        assert not customer.got(ms.JobStored)
        state = await market.operator.client().state()
        assert not any(job.submitter == customer.peer for job in state.jobs if job.state == "leased")


async def test_a_lease_is_as_long_as_the_protocol_says_whatever_a_renewal_claims(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    victim = market.providers[0]
    offer, bids = await offered(customer, market)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        for length in (0.001, None, -1, float("nan"), 2**64 - 1, "for ever"):
            renewals = [[25, [[offer.id, length]]], [25, [[offer.id, 1, length]]], [25, length]]
            await mallory.throw(victim, Voice().odd_frame(victim.key.peer, renewals))
        await mallory.is_heard(victim)
        await settles_honestly(market, offer)


async def holder_of(customer: Attacker, market: Market, mallory: Attacker, **changes: object) -> Offer:
    """A job whose lease the attacker has won by the rules."""
    await mallory.join(market.everybody)
    offer = make_offer(customer, market, others=[mallory.id], **changes)
    gives_the_key(customer, offer)
    bids = await bids_for(customer, market, offer)
    bids[mallory.id] = mallory.sign(st.Bid(NETWORK, mallory.id, offer.id, 1, 0.0, 1, "m"))
    ranking = [mallory.id, *sorted(one.key.peer for one in market.providers)]
    await award(customer, market, offer, bids, ranking)
    await mallory.answer(ms.Promised)
    for provider in market.providers:
        await mallory.send(provider, ms.PromiseRequest(offer.id, 1, (offer.record,)))
    for provider in market.providers:
        await mallory.answer(ms.Promised, provider)
    return offer


def proposals(mallory: Attacker, offer: Offer, count: int) -> Iterator[ms.AcceptRequest]:
    """Different results of one lease, each properly proposed."""
    promises = tuple({one.promise: None for one in mallory.got(ms.Promised)})[: len(offer.job.committee)]
    for _ in range(count):
        result = os.urandom(16)
        value = st.Value("result", digest(result), len(result), "", mallory.id, 1)
        proposal = mallory.sign(st.Proposal(NETWORK, mallory.id, offer.id, 1, value))
        yield ms.AcceptRequest(offer.id, 1, proposal, promises, result)


async def test_a_holder_that_proposes_two_results_settles_at_most_one_and_is_named(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer = await holder_of(customer, market, mallory)
    async with unharmed(market, pays=True):
        requests = list(proposals(mallory, offer, 3))
        for number, provider in enumerate(market.providers):
            await mallory.send(provider, requests[number])
            await mallory.answer(ms.Voted, provider)
            await mallory.send(provider, requests[(number + 1) % 3])
        for participant in market.everybody:
            await participant.state_when(lambda state: mallory.peer in state.replica.equivocators)
        await mallory.leave()
        jobs = [await market.job_where(one, offer.id, "settled", "failed") for one in market.everybody]
        assert len({(job.state, job.holder, job.price_micro) for job in jobs}) == 1


async def test_a_witness_that_signs_two_promises_for_one_place_is_named_by_whoever_has_both(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    await mallory.join(market.everybody)
    offer = make_offer(customer, market, others=[mallory.id])
    gives_the_key(customer, offer)
    bids = await bids_for(customer, market, offer)
    async with unharmed(market, pays=True):
        holders = sorted(bids)
        two = [
            mallory.sign(st.Promise(NETWORK, mallory.id, offer.id, 1, holders[0], accepted, ()))
            for accepted in (None, st.Accepted(1, st.Value("failed", b"", 0, "x", holders[0], 0)))
        ]
        for participant in market.everybody:
            await mallory.send(participant, ms.Records((offer.record,)))
        proof = st.Equivocation("promise", *two)
        await mallory.send(who(market, holders[1]), ms.Records((mallory.record("equivocation", proof),)))
        for participant in market.everybody:
            await participant.state_when(lambda state: mallory.peer in state.replica.equivocators)
        await award(customer, market, offer, bids, holders)
        for signed in two:
            await mallory.send(who(market, holders[0]), ms.Promised(signed))
        await settles_honestly(market, offer)


async def test_a_witness_that_withholds_everything_delays_nobody(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    await mallory.join(market.everybody)
    async with unharmed(market):
        await market.answers()
        state = await market.operator.client().state()
        assert any(mallory.peer in job.committee for job in state.jobs)


async def renew_for_ever(mallory: Attacker, market: Market, offer: Offer) -> None:
    while True:
        for provider in market.providers:
            await mallory.send(provider, ms.Renew(((offer.id, 1),)))
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("shows_its_lease", [True, False], ids=["openly", "in secret"])
async def test_an_executor_that_hangs_and_renews_for_ever_loses_its_lease(
    market: Market, mallory: Attacker, customer: Attacker, shows_its_lease: bool
) -> None:
    offer = await holder_of(customer, market, mallory, execution_ms=1_500)
    async with unharmed(market, pays=True):
        if shows_its_lease:
            promises = tuple({one.promise: None for one in mallory.got(ms.Promised)})
            lease = mallory.record("lease", st.LeaseCertificate(offer.id, 1, mallory.id, promises))
            for participant in market.everybody:
                await mallory.send(participant, ms.Records((lease,)))
        renewing = asyncio.create_task(renew_for_ever(mallory, market, offer))
        try:
            await settles_honestly(market, offer)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)


async def test_a_submitter_cannot_end_its_job_alone_while_it_runs(market: Market, customer: Attacker) -> None:
    offer, bids = await offered(customer, market)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        await lease_of(customer, offer)
        for outcome in ("cancelled", "failed", "result"):
            value = st.Value(outcome, bytes(32), 1, "", customer.id, 0)
            vote = customer.sign(st.AcceptVote(NETWORK, customer.id, offer.id, 1, value))
            end = customer.record("settle", st.SettleCertificate(offer.id, 1, value, (vote,) * offer.quorum))
            for participant in market.everybody:
                await customer.send(participant, ms.Records((end,)), ms.Voted(vote))
        await settles_honestly(market, offer)


async def test_a_cancel_and_a_result_have_one_winner_everywhere(market: Market, customer: Attacker) -> None:
    offer, bids = await offered(customer, market)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        await lease_of(customer, offer)
        cancel = customer.sign(st.Cancel(NETWORK, customer.id, offer.id, "never mind"))
        for provider in market.providers:
            await customer.send(provider, ms.CancelRequest(cancel))
        jobs = [await market.job_where(one, offer.id, "settled", "cancelled") for one in market.everybody]
        assert len({(job.state, job.price_micro) for job in jobs}) == 1


async def test_a_sybil_committee_at_the_end_of_all_epochs_leaves_a_seat_holder_as_it_is(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    sybils = [Voice() for _ in range(2)]
    job = a_job(mallory.id, [*(one.id for one in sybils), victim.key.peer])
    record = mallory.record("job", job)
    offer_id = digest(record[:-64])
    async with unharmed(market, pays=True):
        await mallory.send(victim, ms.Records((record,)))
        for epoch in (2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1):
            promises = tuple(
                one.sign(st.Promise(NETWORK, one.id, offer_id, epoch, mallory.id, None, ()))
                for one in (mallory, *sybils)
            )
            value = st.Value("failed", b"", 0, "x" * 200, mallory.id, 0)
            proposal = mallory.sign(st.Proposal(NETWORK, mallory.id, offer_id, epoch, value))
            await mallory.send(victim, ms.AcceptRequest(offer_id, epoch, proposal, promises, b""))
            lease = st.LeaseCertificate(offer_id, epoch, mallory.id, promises)
            await mallory.send(victim, ms.Records((mallory.record("lease", lease),)))
            await mallory.send(victim, ms.PromiseRequest(offer_id, epoch, (), promises[0]))
        await mallory.is_heard(victim)
        market.restart(victim)


async def test_a_strangers_promise_makes_nobody_claim_before_the_award(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer, bids = await offered(customer, market)
    winner, *others = sorted(bids)
    async with unharmed(market, pays=True):
        for peer in others:
            for voice in (mallory, customer, Voice()):
                promise = voice.sign(st.Promise(NETWORK, voice.id, offer.id, 1, peer, None, ()))
                await mallory.send(who(market, peer), ms.Promised(promise))
        await mallory.is_heard(*market.providers)
        await award(customer, market, offer, bids, [winner, *others])
        _, lease = await lease_of(customer, offer)
        assert lease.holder == winner
        await settles_honestly(market, offer)


async def test_an_altered_payload_or_result_is_not_taken_for_the_real_one(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer = make_offer(customer, market)
    victim = market.providers[0]
    async with unharmed(market):
        altered = offer.envelope.payload[:-1] + b"\0"
        await customer.send(victim, ms.StoreJob(offer.record, altered))
        wanted = await customer.answer(ms.FetchBlob, victim)
        assert wanted.hash == offer.job.payload_hash
        await customer.send(victim, ms.BlobChunk(wanted.hash, 0, len(altered), altered))
        await customer.is_heard(victim)
        assert not customer.got(ms.JobStored)
    held = await holder_of(customer, market, mallory)
    async with unharmed(market, pays=True):
        for request in proposals(mallory, held, 1):
            lie = structs.replace(request, result=b"x" + request.result[1:])
            await mallory.send(victim, lie)
            await mallory.is_heard(victim)
            assert not mallory.got(ms.Voted)
            promises = {one.promise for one in mallory.got(ms.Promised)}
            assert len(promises) >= held.quorum - 1
        await mallory.leave()
        await settles_honestly(market, held)
