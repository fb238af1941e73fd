"""Keys and questions: who reads what, and who does not."""

from __future__ import annotations

import os

from mesh_core.ledger.record import read_record
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice
from tests.attacks.customer import award, bids_for, gives_the_key, lease_of, make_offer
from tests.attacks.market import QUESTION, TEXT, Market, unharmed

EXEC_DELAY_S = 0.25


async def test_a_stranger_is_given_no_share_whatever_it_shows(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    offer = make_offer(customer, market)
    gives_the_key(customer, offer)
    bids = await bids_for(customer, market, offer)
    async with unharmed(market, pays=True):
        await award(customer, market, offer, bids, sorted(bids))
        genuine, lease = await lease_of(customer, offer)
        sybils = [Voice() for _ in range(4)]
        invented = tuple(
            one.sign(st.Promise(NETWORK, one.id, offer.id, 1, mallory.id, None, ())) for one in sybils
        )
        shown = [b"", genuine]
        shown += [
            mallory.record("lease", st.LeaseCertificate(offer.id, epoch, mallory.id, promises))
            for epoch in (1, 2)
            for promises in (lease.promises, invented, ())
        ]
        for participant in market.everybody:
            for epoch in (0, 1, 2, 2**53):
                for one in shown:
                    await mallory.send(participant, ms.ShareRequest(offer.id, epoch, one))
        await mallory.is_heard(*market.everybody)
        await market.job_where(market.operator, offer.id, "settled")
        assert not mallory.got(ms.ShareRelease)


async def test_a_losing_contender_and_a_former_holder_are_given_no_share(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    """The attacker has a seat, held epoch 1 by the rules, and gives it back: from then on it is one of many."""
    await mallory.join(market.everybody)
    offer = make_offer(customer, market, others=[mallory.id])
    bids = await bids_for(customer, market, offer)
    bids[mallory.id] = mallory.sign(st.Bid(NETWORK, mallory.id, offer.id, 1, 0.0, 1, "m"))
    providers = sorted(one.key.peer for one in market.providers)
    await award(customer, market, offer, bids, [mallory.id, *providers])
    for provider in market.providers:
        await mallory.send(provider, ms.PromiseRequest(offer.id, 1, (offer.record,)))
    for provider in market.providers:
        await mallory.answer(ms.Promised, provider)
    promises = tuple({one.promise: None for one in mallory.got(ms.Promised)})
    own = mallory.record("lease", st.LeaseCertificate(offer.id, 1, mallory.id, promises))
    release = mallory.sign(st.Release(NETWORK, mallory.id, offer.id, 1, ""))
    async with unharmed(market, pays=True):
        for provider in market.providers:
            await mallory.send(provider, ms.Released(release))
        later, lease = await lease_of(customer, offer, epoch=2)
        assert lease.holder in providers
        for provider in market.providers:
            for epoch in (1, 2, 3):
                for shown in (own, later):
                    await mallory.send(provider, ms.ShareRequest(offer.id, epoch, shown))
        await mallory.is_heard(*market.providers)
        assert not mallory.got(ms.ShareRelease)
        await market.job_where(market.operator, offer.id, "settled")


async def test_bad_shares_are_skipped(market: Market, mallory: Attacker, customer: Attacker) -> None:
    """The submitter keeps the secret to itself and a witness lies: the other shares open the payload."""
    await mallory.join(market.everybody)
    offer = make_offer(customer, market, others=[mallory.id])
    bids = await bids_for(customer, market, offer)
    async with unharmed(market, pays=True):
        tells_lies(mallory)
        await award(customer, market, offer, bids, sorted(bids))
        for provider in market.providers:
            for whole in (True, False):
                for sealed in (b"", b"x" * 90, mallory.crypto.seal(provider.key.peer, b"")):
                    await mallory.send(provider, ms.ShareRelease(offer.id, 1, sealed, whole))
        await market.job_where(market.operator, offer.id, "settled")


async def test_a_holder_that_was_lied_to_takes_the_key_that_comes_later(
    market: Market, mallory: Attacker, customer: Attacker
) -> None:
    """Only all shares together would open the payload, and one of them is a lie: asked for again and again it stays one,
    until the submitter gives the secret."""
    await mallory.join(market.everybody)
    seats = len(market.providers) + 1
    offer = make_offer(customer, market, others=[mallory.id], threshold=seats)
    bids = await bids_for(customer, market, offer)
    async with unharmed(market, pays=True):
        tells_lies(mallory)
        await award(customer, market, offer, bids, sorted(bids))
        await mallory.answer(ms.ShareRequest, wanted=lambda one: one.job == offer.id)
        gives_the_key(customer, offer)
        await market.job_where(market.operator, offer.id, "settled")


def tells_lies(mallory: Attacker) -> None:
    """Answer whoever asks for a share with something else."""

    def lie(holder: bytes, request: ms.ShareRequest) -> ms.Message:
        return ms.ShareRelease(request.job, request.epoch, mallory.crypto.seal(holder, os.urandom(17)), False)

    mallory.reacts(ms.ShareRequest, lie)


async def test_what_is_stored_and_sent_of_a_question_and_its_answer_is_sealed(
    market: Market, mallory: Attacker
) -> None:
    async with unharmed(market):
        query = await market.answers()
        await mallory.send(market.operator, ms.FetchRange(market.operator.key.peer, 1, 500))
        await mallory.is_heard(market.operator)
        bodies = [read_record(one).body for batch in mallory.got(ms.Records) for one in batch.records]
        for body in bodies:
            if isinstance(body, st.Job):
                await mallory.send(market.providers[0], ms.FetchBlob(body.payload_hash, 0))
        await mallory.is_heard(market.providers[0])
        chunks = mallory.got(ms.BlobChunk)
        assert chunks, "payloads are no secret, their content is"
        secrets = (QUESTION.encode(), TEXT.split(".")[0].encode())
        for chunk in chunks:
            assert not any(secret in chunk.data for secret in secrets)
        for provider in market.providers:
            files = [path.read_bytes() for path in provider.folder.glob("store.db*")]
            assert files and not any(secret in file for secret in secrets for file in files)
        assert query.answer is not None
