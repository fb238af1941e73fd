"""Building blocks on this machine: persistence, key shares, malformed input."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from mesh_core.config import DEFAULT
from mesh_core.context import Doors, NodeConfig
from mesh_core.effects import FrameReceived, PeerId, Persist
from mesh_core.identity.statement import encode
from mesh_core.io.crypto import KeyCrypto
from mesh_core.io.store import Store
from mesh_core.ledger.record import FIRST_PREV, make_record, read_record
from mesh_core.node import Node
from mesh_core.simulation.world import Setup, World
from mesh_core.wire.codec import FrameCodec
from mesh_core.wire.messages import Records
from mesh_core.wire.statements import Announcement
from tests.bench.figures import Figure, at_least, at_most, bench
from tests.bench.simulated import node_of

RECORDS = 10_000
PER_FRAME = 100


@bench("records")
def records_merged() -> Iterator[Figure]:
    """Signed records of one author arrive in frames, are verified, folded and fsynced."""
    with tempfile.TemporaryDirectory() as folder:
        rate = _merge(Path(folder))
    yield at_least(
        "records_merged_per_s",
        rate,
        "records/s",
        5_000,
        f"{RECORDS} signed records in frames of {PER_FRAME} through Node.step, until the store reports them durable",
    )


def _merge(folder: Path) -> float:
    author, me = KeyCrypto(os.urandom(32)), KeyCrypto(os.urandom(32))
    frames = _frames(author, me)
    store = Store.open(folder / "store.db", me.peer)
    node = _lone_node(me, store, trusts=author.peer)
    node.start(0.0)
    durable = _Durable()
    store.start(durable)
    started = time.perf_counter()
    last = 0
    for number, frame in enumerate(frames):
        for effect in node.step(0.001 * number, FrameReceived(frame)):
            if isinstance(effect, Persist):
                last = store.submit(effect.writes)
    durable.wait_for(last)
    took = time.perf_counter() - started
    assert len(node.ledger.chains) == RECORDS
    store.close()
    return RECORDS / took


class _Durable:
    """Waits for the store's writer thread."""

    def __init__(self) -> None:
        self._ticket = 0
        self._changed = threading.Condition()

    def durable(self, ticket: int) -> None:
        with self._changed:
            self._ticket = ticket
            self._changed.notify()

    def problem(self, text: str) -> None:
        raise AssertionError(text)

    def damaged(self, text: str) -> None:
        raise AssertionError(text)

    def failed(self, error: Exception) -> None:
        raise error

    def wait_for(self, ticket: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._ticket >= ticket, 60.0)


def _frames(author: KeyCrypto, receiver: KeyCrypto) -> list[bytes]:
    codec = FrameCodec(me=author.peer, network="local", boot=1, crypto=author)
    signed: list[bytes] = []
    head = FIRST_PREV
    for seq in range(1, RECORDS + 1):
        record = make_record(
            author, "local", author.peer, seq, head, 0, "note", "a record of ordinary size" * 8
        )
        head = read_record(record).hash
        signed.append(record)
    return [
        codec.seal(receiver.peer, [Records(tuple(signed[first : first + PER_FRAME]))])[0]
        for first in range(0, RECORDS, PER_FRAME)
    ]


def _lone_node(me: KeyCrypto, store: Store, *, trusts: PeerId) -> Node:
    """Of whoever has no credit it would keep little."""
    announcement = Announcement("n", "provider", (), 0, (), (), "")
    config = NodeConfig("local", me.peer, DEFAULT, announcement, True, {trusts: 1_000_000})
    return Node(config, Doors(me, random.Random(1), lambda: 0), store.load(), 1)


@bench("shares")
def shares_combined() -> Iterator[Figure]:
    """Shamir 3-of-6 over a 16-byte secret."""
    crypto = KeyCrypto(os.urandom(32))
    parts = crypto.split(crypto.new_secret(), 3, 6)
    started = time.perf_counter()
    count = 0
    while time.perf_counter() - started < 1.0:
        crypto.combine(parts[:3])
        count += 1
    yield at_least("shares_combined_per_s", count, "secrets/s", 1_500, "3-of-6, one thread, one second")


@bench("malformed")
def malformed_messages() -> Iterator[Figure]:
    """What thirty bad frames cost the node that gets them."""
    world = World(Setup(seed="malformed"))
    world.start()
    world.run_for(1.0)
    node = node_of(world, "node1")
    bad = [os.urandom(300) for _ in range(10)]
    bad += [encode([1, "local", b"x" * 32, 1, n, node.peer, 0, []]) + bytes(64) for n in range(10)]
    bad += [b"\xdd\xff\xff\xff\xff" + bytes(64) for _ in range(10)]
    started = time.perf_counter()
    for frame in bad:
        node.step(world.now, FrameReceived(frame))
    took_ms = (time.perf_counter() - started) * 1000
    yield at_most(
        "malformed_30_frames_ms",
        took_ms,
        "ms",
        5.0,
        "30 random, unsigned and oversized frames through Node.step",
    )
