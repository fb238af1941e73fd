"""Memory, disk and connections: every queue and table has an end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from axl import control
from axl.certificate import client_context
from axl.frames import Kind, frame
from axl.keys import generate
from mesh_core.config import limit
from mesh_core.identity.statement import body_hash
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, attacker
from tests.attacks.customer import a_job
from tests.attacks.market import Market, unharmed
from tests.e2e.axl_nodes import BareDialler
from tests.e2e.axl_nodes import Endpoint as Place
from tests.e2e.mesh import TOKEN, Participant

SILENT = 300
LINKS = 140
"""More than a node keeps."""


def disk_bytes(participant: Participant) -> int:
    return sum(path.stat().st_size for path in participant.folder.glob("store.db*"))


async def test_half_sent_payloads_take_a_bounded_place(market: Market, customer: Attacker) -> None:
    victim = market.providers[0]
    size, piece = limit("blob_bytes_max"), bytes(900_000)
    async with unharmed(market):
        before = market.held_bytes(victim)
        for number in range(14):
            job = a_job(
                customer.id,
                [one.key.peer for one in market.providers],
                payload_bytes=size,
                payload_hash=os.urandom(32),
                max_price_micro=1,
                capability="none has it",
                label=f"{number}",
            )
            await customer.send(victim, ms.StoreJob(customer.record("job", job), b""))
            for at in range(0, size - len(piece), len(piece)):
                await customer.send(victim, ms.BlobChunk(job.payload_hash, at, size, piece))
            await customer.is_heard(victim)
        assert market.held_bytes(victim) < before + (160 << 20)


async def test_blobs_nobody_asked_for_are_not_kept(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before, on_disk = market.held_bytes(victim), disk_bytes(victim)
        for _ in range(30):
            await mallory.send(victim, ms.BlobChunk(os.urandom(32), 0, 900_000, bytes(900_000)))
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (32 << 20)
        assert disk_bytes(victim) < on_disk + (4 << 20)


async def test_questions_about_everything_cost_no_memory(market: Market, mallory: Attacker) -> None:
    """What a node is asked for is made when it can be sent: a stranger that never reads holds nothing up."""
    victim = market.providers[0]
    async with unharmed(market):
        before = market.held_bytes(victim)
        for _ in range(10):
            await mallory.send(victim, *[ms.SelfQuery(number) for number in range(2_000)])
            await mallory.send(victim, *[ms.FetchRange(market.operator.key.peer, 1, 500)] * 1_000)
            await mallory.send(victim, *[ms.Exchange((), True)] * 1_000)
            await mallory.send(victim, *[ms.Digest(bytes(32), bytes(32))] * 1_000)
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (96 << 20)


async def test_releases_and_cancels_without_end_are_not_kept(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    record = mallory.record("job", a_job(mallory.id, [one.key.peer for one in market.providers]))
    job = body_hash(record)
    async with unharmed(market):
        await mallory.send(victim, ms.Records((record,)))
        before, on_disk = market.held_bytes(victim), disk_bytes(victim)
        for start in range(0, 4_000, 400):
            numbers = range(start, start + 400)
            released = [st.Release(NETWORK, mallory.id, job, number, "x" * 250) for number in numbers]
            cancels = [st.Cancel(NETWORK, mallory.id, job, f"{number}") for number in numbers]
            await mallory.send(victim, *(ms.Released(mallory.sign(one)) for one in released))
            await mallory.send(victim, *(ms.CancelRequest(mallory.sign(one)) for one in cancels))
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (32 << 20)
        assert disk_bytes(victim) < on_disk + (4 << 20)


async def test_a_stranger_cannot_have_promises_signed_without_end(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    record = mallory.record("job", a_job(mallory.id, [one.key.peer for one in market.providers]))
    job = body_hash(record)
    async with unharmed(market):
        await mallory.send(victim, ms.Records((record,)))
        await mallory.send(victim, ms.CancelRequest(mallory.sign(st.Cancel(NETWORK, mallory.id, job, "go"))))
        for start in range(1, 1_000, 250):
            await mallory.send(victim, *(ms.PromiseRequest(job, start + one, ()) for one in range(250)))
        await mallory.is_heard(victim)
        assert len(mallory.got(ms.Promised)) < 50


async def test_many_watchers_that_never_read_cost_bounded_memory(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    head = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    writers = []
    try:
        async with unharmed(market):
            before = market.held_bytes(victim)
            for _ in range(100):
                _, writer = await asyncio.open_connection("127.0.0.1", victim.control_port, limit=1)
                writer.write(head)
                writers.append(writer)
            for _ in range(3):
                await market.answers()
            assert market.held_bytes(victim) < before + (64 << 20)
    finally:
        for writer in writers:
            writer.transport.abort()


async def plain(host: str, port: int) -> asyncio.StreamWriter:
    return (await asyncio.open_connection(host, port))[1]


async def half_a_hello(host: str, port: int) -> asyncio.StreamWriter:
    writer = (await asyncio.open_connection(host, port))[1]
    writer.write(b"\x16\x03\x01\x02\x00\x01")
    return writer


async def tls_and_silence(host: str, port: int) -> asyncio.StreamWriter:
    return (await asyncio.open_connection(host, port, ssl=client_context(), server_hostname=""))[1]


@pytest.mark.parametrize("dials", [plain, half_a_hello, tls_and_silence])
async def test_strangers_that_say_nothing_keep_no_node_from_linking(
    market: Market, tmp_path: Path, dials: Callable[[str, int], Awaitable[asyncio.StreamWriter]]
) -> None:
    victim = market.providers[0]
    silent: list[asyncio.StreamWriter] = []
    try:
        async with unharmed(market):
            for _ in range(SILENT):
                try:
                    silent.append(await dials("127.0.0.1", victim.listen_port))
                except OSError:
                    continue
            async with asyncio.timeout(4.0), attacker(tmp_path, [victim]) as newcomer:
                await newcomer.is_heard(victim)
    finally:
        for one in silent:
            one.transport.abort()


async def test_strangers_that_take_every_link_keep_no_member_out(market: Market) -> None:
    """Eclipse by keys that cost nothing: each place of a node is taken while one of its neighbours is away."""
    victim, away = market.operator, market.providers[0]
    assert away.axl is not None
    assert away.provider is not None
    place = Place("127.0.0.1", victim.listen_port)
    links: list[BareDialler] = []
    try:
        async with unharmed(market):
            away.axl.kill()
            away.axl.wait()
            for _ in range(LINKS):
                try:
                    links.append(await BareDialler.linked(place, generate()))
                except (OSError, EOFError):
                    continue
            away.start_axl()
            await market.agreed()
    finally:
        for one in links:
            one.close()


async def test_a_neighbour_that_breaks_the_rules_of_links_loses_its_own(market: Market) -> None:
    victim = market.providers[0]
    place = Place("127.0.0.1", victim.listen_port)
    rubbish = [
        frame(Kind.ACK, b"\xff\xff\xff\xff"),
        frame(Kind.NEIGHBOURS, os.urandom(5_000)),
        frame(Kind.HELLO, bytes(300)),
        frame(Kind.ATTACHED, b"\x07"),
        b"\xff\xff\xff\xff\x01",
        b"\0\0\0\0\0",
        frame(Kind.PING) * 5_000,
        control.encode_attached(True) * 5_000,
    ]
    async with unharmed(market):
        for one in rubbish:
            bare = await BareDialler.linked(place, generate())
            bare.write(one)
            await bare.ended()
            bare.close()


async def test_frames_full_of_wide_questions_cost_a_bounded_part_of_a_nodes_time(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    questions: list[ms.Message] = []
    for number in range(300):
        questions += [ms.SelfQuery(number), ms.Digest(os.urandom(32), bytes(32), False), ms.Vector(())]
    before = await market.dropped(victim, "asked_for_too_much")
    async with unharmed(market):
        for _ in range(20):
            await mallory.send(victim, *questions)
        await mallory.is_heard(victim)
        dropped = await market.dropped(victim, "asked_for_too_much") - before
        assert dropped == 20 * (900 - limit("wide_questions_max"))
