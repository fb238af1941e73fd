"""The ledger: records altered, forged, forked, poisoned and invented by the thousand."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from msgspec import Raw, structs

from mesh_core.config import limit
from mesh_core.identity.statement import body_hash, digest, encode, peek
from mesh_core.ledger.record import read_record
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice
from tests.attacks.customer import a_job, award, bids_for, gives_the_key, make_offer
from tests.attacks.market import Market, unharmed
from tests.e2e.mesh import Participant


async def chain_of(mallory: Attacker, author: Participant, at: Participant) -> list[bytes]:
    """The ledger is no secret: a stranger may fetch it."""
    await mallory.send(at, ms.FetchRange(author.key.peer, 1, 500))
    await mallory.is_heard(at)
    return [signed for batch in mallory.got(ms.Records, at) for signed in batch.records]


async def tell_all(mallory: Attacker, market: Market, *records: bytes) -> None:
    for participant in market.everybody:
        for at in range(0, len(records), 200):
            await mallory.send(participant, ms.Records(records[at : at + 200]))
    await mallory.is_heard(*market.everybody)


def altered(record: bytes) -> list[bytes]:
    """The same record with another submitter, holder, value, price or payload, under the signature it had."""
    head = peek(record, st.Record)
    signature = record[-64:]
    heads = [structs.replace(head, author=os.urandom(32)), structs.replace(head, seq=head.seq + 1)]
    body = read_record(record).body
    changes: list[dict[str, Any]] = []
    if isinstance(body, st.Job):
        changes = [
            {"payload_hash": os.urandom(32)},
            {"max_price_micro": 0},
            {"label": "x"},
            {"execution_ms": 1},
        ]
    elif isinstance(body, st.LeaseCertificate):
        changes = [{"holder": os.urandom(32)}, {"epoch": 2}]
    elif isinstance(body, st.SettleCertificate):
        values = [{"result_hash": os.urandom(32)}, {"price_micro": 20_000}, {"holder": os.urandom(32)}]
        changes = [{"value": structs.replace(body.value, **one)} for one in values] + [{"epoch": 2}]
    elif isinstance(body, st.Award):
        changes = [{"ranking": body.ranking[::-1]}, {"ranking": body.ranking[:1]}]
    heads += [structs.replace(head, body=Raw(encode(structs.replace(body, **one)))) for one in changes]
    return [encode(one) + signature for one in heads]


async def test_a_job_award_lease_or_result_altered_after_signing_is_refused(
    market: Market, mallory: Attacker
) -> None:
    await market.answers()
    victim = market.providers[0]
    genuine = [one for author in market.everybody for one in await chain_of(mallory, author, victim)]
    assert {read_record(one).head.kind for one in genuine} >= {"job", "award", "lease", "settle"}
    forgeries = [forged for one in genuine for forged in altered(one)]
    async with unharmed(market):
        before = await market.dropped(victim, "bad_record")
        await tell_all(mallory, market, *forgeries)
        assert await market.dropped(victim, "bad_record") == before + len(forgeries)


async def test_an_altered_certificate_in_a_chain_of_ones_own_means_nothing(
    market: Market, mallory: Attacker
) -> None:
    await market.answers()
    victim = market.providers[0]
    genuine = [one for author in market.everybody for one in await chain_of(mallory, author, victim)]
    bodies = [read_record(one) for one in genuine]
    forged = []
    for entry in bodies:
        if isinstance(entry.body, st.SettleCertificate):
            value = structs.replace(entry.body.value, holder=mallory.id, price_micro=20_000)
            forged.append(mallory.record("settle", structs.replace(entry.body, value=value)))
            forged.append(mallory.record("settle", structs.replace(entry.body, epoch=7)))
        if isinstance(entry.body, st.LeaseCertificate):
            forged.append(mallory.record("lease", structs.replace(entry.body, holder=mallory.id)))
            forged.append(mallory.record("lease", structs.replace(entry.body, epoch=2)))
        if isinstance(entry.body, st.Award):
            forged.append(mallory.record("award", entry.body))
    assert forged
    async with unharmed(market):
        await tell_all(mallory, market, *forged)


async def test_a_finished_job_that_is_submitted_again_is_not_done_again(
    market: Market, mallory: Attacker
) -> None:
    await market.answers()
    jobs = [one for one in await chain_of(mallory, market.operator, market.providers[0]) if is_job(one)]
    async with unharmed(market):
        before = (await market.operator.client().state()).counters.executions
        for provider in market.providers:
            for job in jobs:
                await mallory.send(provider, ms.StoreJob(job, b""))
        await mallory.is_heard(*market.providers)
        assert (await market.operator.client().state()).counters.executions == before
        assert not mallory.got(ms.JobStored)


def is_job(record: bytes) -> bool:
    return read_record(record).head.kind == "job"


async def test_a_forged_completion_completes_nothing(market: Market, mallory: Attacker) -> None:
    seats = [one.key.peer for one in market.providers]
    job = a_job(mallory.id, seats, capability="none has it")
    record = mallory.record("job", job)
    value = st.Value("result", bytes(32), 1, "", mallory.id, 20_000)

    def vote(
        voice: Voice, of: st.Value = value, job_id: bytes = body_hash(record), author: bytes = b""
    ) -> bytes:
        return voice.sign(st.AcceptVote(NETWORK, author or voice.id, job_id, 1, of))

    strangers = [Voice() for _ in range(5)]
    own = vote(mallory)
    impostors = tuple(vote(mallory, author=peer) for peer in seats)
    elections = [
        (),
        (own,),
        (own,) * 9,
        (own, *(vote(one) for one in strangers)),
        (own, *impostors),
        (own, vote(mallory, structs.replace(value, price_micro=1))),
        (b"", b"\xc0" * 80, own),
    ]
    forged = [
        mallory.record("settle", st.SettleCertificate(body_hash(record), epoch, value, votes))
        for votes in elections
        for epoch in (1, 2, 2**62)
    ]
    async with unharmed(market):
        await tell_all(mallory, market, record, *forged)
        for participant in market.everybody:
            assert (await market.job_where(participant, body_hash(record), "open")).holder == ""


def poison(voice: Voice) -> list[bytes]:
    """Records whose signature is good and whose content is not."""
    deep: Any = 0
    for _ in range(limit("nesting_max") - 8):
        deep = [deep]
    job = a_job(voice.id, [os.urandom(32), os.urandom(32)])
    odd_jobs = [
        structs.replace(job, label="\x1b[2J\x1b]0;owned\x07\u202e" * 8),
        structs.replace(job, label="../../../etc/passwd", kind="\0", capability="a" * 60_000),
        structs.replace(job, shard=2**64 - 1, index=2**64 - 1),
        structs.replace(job, shard=-(2**63), index=-(2**63)),
        structs.replace(job, payload_hash=bytes(32), shares=(st.Share(b"", b"", b""),)),
    ]
    nothing = [0.001, None, -1, 0, "1", 2**64 - 1, float("nan"), float("inf")]
    lengths = [
        msgspec.to_builtins(job, builtin_types=(bytes,))[:12] + [one] + [1] * 4 + [[]] for one in nothing
    ]
    bodies: list[tuple[str, object]] = [("job", one) for one in odd_jobs]
    bodies += [("job", one) for one in lengths]
    bodies += [("note", deep), ("", None), ("\0" * 1000, b""), ("settle", 5), ("lease", []), ("award", "x")]
    bodies += [
        ("equivocation", st.Equivocation(kind, b"", b"")) for kind in ("record", "award", "x", "promise")
    ]
    return [voice.record(kind, body) for kind, body in bodies]


async def test_a_poison_record_harms_nobody_and_survives_no_restart(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        chain = poison(mallory)
        prev = body_hash(chain[-1])
        ends = [
            mallory.record_at(limit("sequence_max"), prev, "note", 1, written_ms=2**64 - 1),
            mallory.record_at(limit("sequence_max") + 1, prev, "note", 1),
            mallory.record_at(0, prev, "note", 1),
            Voice().record_at(1, b"", "note", 1),
            Voice().record_at(1, bytes(32), "note", 1, written_ms=-(2**63)),
        ]
        await tell_all(mallory, market, *chain, *ends)
        market.restart(victim)


async def test_a_nest_without_end_in_a_record_is_refused_by_all_alike(
    market: Market, mallory: Attacker
) -> None:
    async with unharmed(market):
        nests = []
        for depth in (limit("nesting_max"), 100, 1_000, 60_000):
            body = b"\x91" * depth + b"\xc0"
            record = st.Record(1, NETWORK, mallory.id, 1, bytes(32), 1, "note", Raw(body))
            nests.append(mallory.sign(record))
        await tell_all(mallory, market, *nests)
        held = {one.replica.records for one in await market.agreed()}
        assert len(held) == 1


async def test_an_author_that_signs_two_records_for_one_place_is_named_everywhere(
    market: Market, mallory: Attacker
) -> None:
    customer = market.customer()
    async with unharmed(market):
        forks = [customer.record_at(1, bytes(32), "note", number) for number in range(2)]
        await mallory.send(market.providers[0], ms.Records((forks[0],)))
        await mallory.send(market.providers[1], ms.Records((forks[1],)))
        for participant in market.everybody:
            await participant.state_when(lambda state: customer.peer in state.replica.equivocators)
        offer = make_offer(customer, market)
        for provider in market.providers:
            await mallory.send(provider, ms.StoreJob(offer.record, offer.envelope.payload), by=customer)
        await mallory.is_heard(*market.providers)
        states = await market.agreed()
        assert all(job.holder == "" for state in states for job in state.jobs if job.job == offer.id.hex())


async def test_forks_without_end_take_a_bounded_place(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = (await victim.client().state()).replica.records
        forks = [mallory.record_at(1, bytes(32), "note", os.urandom(500)) for _ in range(2_000)]
        await tell_all(mallory, market, *forks)
        held = (await victim.client().state()).replica.records - before
        assert held <= limit("extras_per_author_max") + 8  # proofs and honest work


async def test_records_behind_gaps_by_many_invented_authors_take_a_bounded_place(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = (await victim.client().state()).replica.records
        scattered = [
            stranger.record_at(10 + number, bytes(32), "note", number)
            for stranger in (Voice() for _ in range(60))
            for number in range(100)
        ]
        await tell_all(mallory, market, *scattered)
        assert (await victim.client().state()).replica.records - before <= limit("extras_total_max")


async def test_a_submitter_that_forks_its_chain_still_owes_what_it_owed(
    market: Market, customer: Attacker
) -> None:
    offer = make_offer(customer, market)
    gives_the_key(customer, offer)
    bids = await bids_for(customer, market, offer)
    await award(customer, market, offer, bids, sorted(bids))
    for participant in market.everybody:
        await market.job_where(participant, offer.id, "settled")
    async with unharmed(market):
        forks = [customer.record_at(seq, bytes(32), "note", number) for seq in (1, 2) for number in (1, 2)]
        forks.append(customer.record_at(1, bytes(32), "job", structs.replace(offer.job, max_price_micro=0)))
        await tell_all(customer, market, *forks)
        market.restart(market.providers[0])
    for participant in market.everybody:
        assert (await market.job_where(participant, offer.id, "settled")).price_micro == 10_000


async def test_contradictory_certificates_are_paid_to_nobody(market: Market, mallory: Attacker) -> None:
    sybils = [Voice() for _ in range(2)]
    job = a_job(mallory.id, [one.id for one in sybils], label="twice")
    record = mallory.record("job", job)
    certificates = []
    for price in (7_000, 9_000):
        value = st.Value("result", digest(b"%d" % price), 1, "", market.operator.key.peer, price)
        votes = tuple(one.sign(st.AcceptVote(NETWORK, one.id, body_hash(record), 1, value)) for one in sybils)
        body = st.SettleCertificate(body_hash(record), 1, value, votes)
        certificates.append(mallory.record("settle", body))
    first, second = certificates
    async with unharmed(market, pays=True):
        for number, participant in enumerate(market.everybody):
            order = (first, second) if number % 2 else (second, first)
            await mallory.send(participant, ms.Records((record, *order)))
        await mallory.is_heard(*market.everybody)
        await market.agreed()


async def test_invented_version_vectors_and_adverts_are_asked_for_a_while_and_forgotten(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = market.held_bytes(victim)
        for _ in range(20):
            heads = [
                st_head(os.urandom(32), number % 3 * 2**52, [os.urandom(32) for _ in range(20)])
                for number in range(600)
            ]
            await mallory.send(victim, ms.Vector(tuple(heads)))
            await mallory.send(victim, ms.Advertise(tuple(os.urandom(32) for _ in range(5_000))))
            await mallory.send(victim, ms.Digest(os.urandom(32), os.urandom(32)))
            await mallory.send(victim, ms.FetchRange(victim.key.peer, -(2**62), 2**62))
            await mallory.send(victim, ms.FetchRecords(tuple(os.urandom(32) for _ in range(5_000))))
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (48 << 20)


def st_head(author: bytes, seq: int, extras: list[bytes]) -> ms.Head:
    return ms.Head(author, seq, os.urandom(32), tuple(extras))


async def test_a_strangers_chain_without_end_takes_a_bounded_place(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = (await victim.client().state()).replica.records
        chain = [mallory.record("note", number) for number in range(2_000)]
        for at in range(0, len(chain), 250):
            await mallory.send(victim, ms.Records(tuple(chain[at : at + 250])))
        await mallory.is_heard(victim)
        assert (await victim.client().state()).replica.records - before < 1_000
