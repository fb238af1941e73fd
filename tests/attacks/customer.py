"""Submitting by hand: each step of a job's way to its lease, so that any of them can be done wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import structs

from mesh_core.identity.statement import body_hash, check, digest
from mesh_core.quorum.committee import quorum
from mesh_core.secrecy.envelope import Envelope, seal_work
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice
from tests.attacks.market import QUESTION, Market
from tests.e2e.mesh import Participant


@dataclass(frozen=True)
class Offer:
    """A signed job and what its submitter knows of it."""

    job: st.Job
    record: bytes
    envelope: Envelope

    @property
    def id(self) -> bytes:
        """What names the job."""
        return body_hash(self.record)

    @property
    def quorum(self) -> int:
        """Votes that decide it."""
        return quorum(self.job)


def a_job(submitter: bytes, seats: Sequence[bytes], **changes: Any) -> st.Job:
    """A sound job statement whose payload nobody has, with every seat of weight 1."""
    job = st.Job(
        label="stall",
        query=os.urandom(16),
        index=1,
        kind="answer",
        capability="answer",
        shard=0,
        payload_hash=os.urandom(32),
        payload_bytes=10,
        threshold=1,
        shares=(),
        max_price_micro=20_000,
        auction_ms=400,
        execution_ms=60_000,
        total_ms=600_000,
        retries=3,
        fault_bound=0,
        committee=tuple(st.Seat(peer, 1) for peer in (*seats, submitter)),
    )
    return structs.replace(job, **changes)


def make_offer(
    submitter: Voice,
    market: Market,
    *,
    others: Sequence[bytes] = (),
    work: ms.Work | None = None,
    threshold: int | None = None,
    **changes: Any,
) -> Offer:
    """A question sealed for the market's providers and `others`; `threshold` shares open it, a majority if None."""
    corpus = next(iter((market.folder.parent).glob("corpus*/corpus/*.db")), None)
    work = work or ms.Work("answer", QUESTION, corpus.stem if corpus else "", 0)
    seats = [*(one.key.peer for one in market.providers), *others]
    envelope = seal_work(submitter.crypto, work, seats, threshold or (len(seats) + 1) // 2 + 1)
    job = a_job(
        submitter.id,
        seats,
        payload_hash=digest(envelope.payload),
        payload_bytes=len(envelope.payload),
        threshold=envelope.threshold,
        shares=envelope.shares,
        **changes,
    )
    return Offer(job, submitter.record("job", job), envelope)


async def bids_for(submitter: Attacker, market: Market, offer: Offer) -> dict[bytes, bytes]:
    """Store an offer at every provider; the signed bids they answer with, by bidder."""
    for provider in market.providers:
        await submitter.send(provider, ms.StoreJob(offer.record, offer.envelope.payload))
    bids = {}
    for provider in market.providers:
        stored = await submitter.answer(ms.JobStored, provider, lambda one: one.job == offer.id)
        assert not stored.refused, stored.refused
        bids[provider.key.peer] = stored.bid
    return bids


async def award(
    submitter: Attacker, market: Market, offer: Offer, bids: dict[bytes, bytes], ranking: Sequence[bytes]
) -> bytes:
    """Name the winner and those after it; the signed award."""
    signed = submitter.record(
        "award", st.Award(offer.id, tuple(bids[one] for one in ranking), tuple(ranking))
    )
    for participant in market.everybody:
        await submitter.send(participant, ms.Records((offer.record, signed)))
    return signed


def gives_the_key(submitter: Attacker, offer: Offer) -> None:
    """Answer whoever holds the lease with the payload's secret."""

    def release(holder: bytes, request: ms.ShareRequest) -> ms.Message | None:
        if request.job != offer.id:
            return None
        sealed = submitter.crypto.seal(holder, offer.envelope.secret)
        return ms.ShareRelease(offer.id, request.epoch, sealed, True)

    submitter.reacts(ms.ShareRequest, release)


async def lease_of(submitter: Attacker, offer: Offer, epoch: int = 1) -> tuple[bytes, st.LeaseCertificate]:
    """The certificate of a job's lease, as its record and opened, once somebody holds it."""

    def found() -> tuple[bytes, st.LeaseCertificate] | None:
        for request in submitter.got(ms.ShareRequest):
            if request.job == offer.id and request.epoch == epoch:
                head = check(submitter.crypto, request.lease, st.Record, NETWORK)
                return request.lease, _lease(head)
        return None

    while (lease := found()) is None:
        await submitter.answer(ms.ShareRequest, wanted=lambda one: one.job == offer.id and one.epoch == epoch)
        await asyncio.sleep(0)
    return lease


def _lease(head: st.Record) -> st.LeaseCertificate:
    return msgspec.msgpack.decode(head.body, type=st.LeaseCertificate)


def who(market: Market, peer: bytes) -> Participant:
    """The participant with that key."""
    return next(one for one in market.everybody if one.key.peer == peer)
