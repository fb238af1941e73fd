"""Frames: forged, altered, replayed, malformed, by the thousand."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Raw

from axl.errors import PeerUnreachable
from mesh_core.config import limit
from mesh_core.wire import messages as ms
from tests.attacks.attacker import Attacker, Voice
from tests.attacks.market import Market, held_by, unharmed

FLOOD_S = 2.0


async def test_a_frame_that_names_another_sender_is_dropped(market: Market, mallory: Attacker) -> None:
    operator, victim = market.operator, market.providers[0]
    async with unharmed(market):
        before = await market.dropped(victim, "bad_signature")
        lie = mallory.odd_frame(victim.key.peer, [ms.SelfQuery(1)], sender=operator.key.peer, boot=1 << 40)
        await mallory.throw(victim, lie)
        await mallory.is_heard(victim)
        assert await market.dropped(victim, "bad_signature") == before + 1


async def test_a_frame_without_a_signature_is_dropped(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = await market.dropped(victim, "bad_signature")
        whole = mallory.frame(victim.key.peer, ms.SelfQuery(4711))
        await mallory.throw(victim, whole[:-64] + bytes(64))
        await mallory.is_heard(victim)
        assert await market.dropped(victim, "bad_signature") == before + 1
        assert 4711 not in {answer.number for answer in mallory.got(ms.SelfAnswer)}


async def test_a_frame_altered_anywhere_is_dropped(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        whole = mallory.frame(victim.key.peer, ms.SelfQuery(4711))
        for position in range(len(whole)):
            altered = bytearray(whole)
            altered[position] ^= 0x04
            await mallory.throw(victim, bytes(altered))
        await mallory.is_heard(victim)
        assert 4711 not in {answer.number for answer in mallory.got(ms.SelfAnswer)}


async def test_a_frame_counts_once_and_at_one_node_only(market: Market, mallory: Attacker) -> None:
    victim, other = market.providers[:2]
    async with unharmed(market):
        replayed = await market.dropped(victim, "replayed")
        misdirected = await market.dropped(other, "other_destination")
        captured = mallory.frame(victim.key.peer, ms.SelfQuery(4711))
        for _ in range(5):
            await mallory.throw(victim, captured)
            await mallory.throw(other, captured)
        await mallory.is_heard(victim, other)
        assert [answer.number for answer in mallory.got(ms.SelfAnswer)].count(4711) == 1
        assert await market.dropped(victim, "replayed") == replayed + 4
        assert await market.dropped(other, "other_destination") == misdirected + 5


async def test_frames_from_before_a_restart_of_the_receiver_are_void(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    await mallory.is_heard(victim)  # since then its frames name the victim's present boot
    captured = mallory.frame(victim.key.peer, ms.SelfQuery(4711))
    market.restart(victim)
    await market.agreed()
    async with unharmed(market):
        await mallory.throw(victim, captured)
        await mallory.is_heard(victim)
        assert 4711 not in {answer.number for answer in mallory.got(ms.SelfAnswer)}
        assert await market.dropped(victim, "before_my_restart") >= 1


async def test_frames_from_before_a_restart_of_their_sender_are_void(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    alice = Voice()
    captured = alice.frame(victim.key.peer, ms.Gossip((alice.alive(incarnation=9, price_micro=1),)))
    alice_again = Voice(alice.key, boot=2)
    async with unharmed(market):
        before = await market.dropped(victim, "before_its_restart")
        await mallory.send(victim, ms.Nack(1), by=alice_again)
        await mallory.throw(victim, captured)
        await mallory.is_heard(victim)
        assert await market.dropped(victim, "before_its_restart") == before + 1


async def test_frames_of_another_network_or_version_are_dropped(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    to = victim.key.peer
    async with unharmed(market):
        await mallory.throw(victim, mallory.odd_frame(to, [ms.SelfQuery(4711)], network="main"))
        await mallory.throw(victim, mallory.odd_frame(to, [ms.SelfQuery(4711)], version=2))
        await mallory.is_heard(victim)
        assert 4711 not in {answer.number for answer in mallory.got(ms.SelfAnswer)}


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**53, 2**62, 2**63 - 1, 2**64 - 1])
async def test_a_counter_or_boot_of_any_size_harms_only_its_sender(
    market: Market, mallory: Attacker, number: int
) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        for field in ("counter", "boot", "dest_boot", "version"):
            stranger = Voice()
            await mallory.throw(victim, stranger.odd_frame(victim.key.peer, [ms.Nack(1)], **{field: number}))
            await mallory.send(victim, ms.Nack(1), by=stranger)
        await mallory.is_heard(victim)


def bombs(mallory: Voice, to: bytes) -> Iterator[bytes]:
    """Bytes that are small and claim, or become, much."""
    pack = msgspec.msgpack.encode
    deep = b"\x91" * 500_000
    yield deep
    yield b"\x81" * 500_000
    yield mallory.signed(deep + b"\xc0")
    yield b"\xdd\xff\xff\xff\xff"  # an array of 2³² elements
    yield b"\xdf\xff\xff\xff\xff"  # a map of as many
    yield b"\xc6\xff\xff\xff\xff"  # 4 GiB of bytes
    yield mallory.signed(b"\x98" + b"\xdd\xff\xff\xff\xff" * 8)
    yield mallory.odd_frame(to, [Raw(deep + b"\xc0")])
    yield mallory.odd_frame(to, [Raw(b"\x93\x01\x01" + deep + b"\xc0")])  # a ping with nested updates
    yield mallory.odd_frame(to, [Raw(b"\x92\x0a\xdd\xff\xff\xff\xff")])  # 2³² records
    yield mallory.odd_frame(to, [Raw(pack([1, 1, []])[:-1] + b"\x80")])
    yield mallory.odd_frame(to, [ms.Nack(1)] * (limit("frame_messages_max") + 1))
    yield mallory.odd_frame(to, [Raw(b"\xc0")] * 900_000)
    yield mallory.odd_frame(
        to, [["no", "such"], [99], [1], 5, {"a": 1}, None, float("nan"), [32, b"", "x", None]]
    )
    yield mallory.odd_frame(to, [Raw(pack([4, 2**64 - 1])), Raw(pack([25, [[b"", float("nan")]]]))])
    yield bytes(limit("frame_bytes_max") + 1)
    yield b""
    yield b"\0"
    yield bytes(64)
    yield "\ud800".encode("utf-8", "surrogatepass") * 100


async def test_bytes_that_would_become_much_are_refused_small(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = market.held_bytes(victim)
        for counter, bomb in enumerate(bombs(mallory, victim.key.peer)):
            await mallory.throw(victim, bomb)
            if counter % 5 == 0:
                await mallory.is_heard(victim)
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (64 << 20)


async def test_messages_of_every_kind_filled_with_nonsense_harm_nobody(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    kinds = [kind for kind in vars(ms).values() if getattr(kind, "__struct_config__", None)]
    tags = [kind.__struct_config__.tag for kind in kinds if kind.__struct_config__.tag is not None]
    nonsense = [
        0,
        -1,
        2**63,
        2**64 - 1,
        b"",
        bytes(32),
        os.urandom(32),
        b"x" * 5000,
        "",
        "\x1b[2J",
        True,
        None,
    ]
    nonsense += [
        0.001,
        float("nan"),
        [],
        [[]],
        [b"", 1],
        [[b"", 1]] * 100,
        [["alive", b"x"]],
        [b"\x90" + bytes(64)],
    ]
    async with unharmed(market):
        for tag in tags:
            fillings = [[one] * count for one in nonsense for count in (1, 2, 3, 4, 5)]
            fillings += [list(pair) for pair in itertools.product(nonsense, repeat=2)]
            messages = [[tag, *filling] for filling in fillings]
            await mallory.throw(victim, Voice().odd_frame(victim.key.peer, messages))
        await mallory.is_heard(victim)


async def test_malformed_frames_without_end_leave_room_for_honest_work(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[0]
    good = mallory.frame(victim.key.peer, ms.Nack(1))
    rubbish = [b"", b"x", os.urandom(300), good[:-1] + b"\0", b"\x98" + os.urandom(200), good]

    async def flood() -> int:
        for number in itertools.count():
            try:
                await mallory.throw(victim, rubbish[number % len(rubbish)])
            except PeerUnreachable:
                continue  # its node takes no more from us for now: all the better
        return 0

    async with unharmed(market):
        floods = [asyncio.create_task(flood()) for _ in range(8)]
        until = asyncio.get_running_loop().time() + FLOOD_S
        answered = 0
        while asyncio.get_running_loop().time() < until:
            await market.answers()
            answered += 1
        for one in floods:
            one.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        assert answered >= 1
        assert await market.dropped(victim, "malformed") > 100


async def test_frames_for_a_stopped_process_are_bounded_at_its_node(
    market: Market, mallory: Attacker
) -> None:
    victim = market.providers[-1]
    assert victim.provider is not None
    assert victim.axl is not None
    big = bytes(limit("frame_bytes_max"))
    async with unharmed(market):
        victim.provider.send_signal(signal.SIGSTOP)
        try:
            for _ in range(100):
                try:
                    await mallory.throw(victim, big)
                except PeerUnreachable:
                    break
            assert held_by(victim.axl.pid) < 160 << 20
            await market.answers()
        finally:
            victim.provider.send_signal(signal.SIGCONT)
        await market.agreed()
