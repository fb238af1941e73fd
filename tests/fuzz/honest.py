"""What honest nodes say to each other and keep: one short simulated run, from which seeds are cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import msgspec
from msgspec import Raw

from mesh_core.context import NodeConfig
from mesh_core.crypto import Crypto
from mesh_core.effects import JobOptions
from mesh_core.simulation.disk import Backup
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.wire.codec import Frame

VICTIMS = ("node1", OPERATOR)
"""Whom bytes are thrown at: one that executes and votes, and one that submits."""

_ALIVE_TAGS = (5, 6)
"""Gossip and exchanges: what is said of who is there."""


@dataclass(frozen=True)
class Place:
    """A node in the middle of its work: its configuration, its key, and what is on its disk."""

    config: NodeConfig
    crypto: Crypto
    disk: Backup
    since: float


@dataclass
class Honest:
    """`heard` has the frames that came to each victim afterwards: when, from whom, the messages, and the frame."""

    places: dict[str, Place] = field(default_factory=dict)
    heard: dict[str, list[tuple[float, bytes, list[Raw], bytes]]] = field(default_factory=dict)
    peers: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    alive: tuple[bytes, ...] = ()
    results: list[bytes] = field(default_factory=list)
    crypto: Callable[[str], Crypto] = lambda name: honest().crypto(name)

    def who(self, peer: bytes) -> int:
        """The number under which a sender stands in seeds."""
        return self.peers.index(peer)


@cache
def honest() -> Honest:
    """Six providers answer two questions, the second among possible liars; one of them dies, a job is cancelled."""
    world = World(Setup("fuzz", shards=3, appetite=Appetite(shortest_s=0.6, longest_s=1.6)))
    told = Honest(peers=[host.peer for host in world.hosts.values()], crypto=world.keys.crypto)
    told.peers.append(world.keys.key("stranger"))
    names = {host.peer: name for name, host in world.hosts.items() if name in VICTIMS}
    alive: dict[bytes, bytes] = {}
    listening = False

    def tap(sender: bytes, receiver: bytes, frame: bytes) -> None:
        opened = msgspec.msgpack.decode(frame[:-64], type=Frame)
        for raw in opened.messages:
            values = msgspec.msgpack.decode(raw)
            if values[0] in _ALIVE_TAGS:
                for kind, signed in values[1]:
                    if kind == "alive":
                        alive[msgspec.msgpack.decode(signed[:-64], type=st.Alive).author] = signed
        if listening and receiver in names:
            told.heard.setdefault(names[receiver], []).append((world.now, sender, opened.messages, frame))

    world.tap = tap
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "what is dropout?", [0, 1, 2], JobOptions(auction_ms=100), "q1")
    careful = JobOptions(auction_ms=100, fault_bound=1, submitter_weight=4)
    world.submit(OPERATOR, "whom to trust?", [0, 1, 2], careful, "q2")
    world.run_for(0.5)
    for name in VICTIMS:
        host = world.hosts[name]
        told.places[name] = Place(host.config, world.keys.crypto(name), host.disk.backup(), world.now)
    listening = True
    world.run_for(0.1)
    world.crash("node2")
    operator = world.hosts[OPERATOR].node
    assert operator is not None
    world.cancel(OPERATOR, list(operator.ledger.open_jobs)[-1])
    world.run_for(2.0)
    world.start("node2")
    world.run_for(6.0)
    told.records = [
        entry.signed for chain in operator.ledger.chains.authors.values() for entry in chain.entries()
    ]
    told.results = [
        result for query in operator.queries.queries.values() for result in query.results.values()
    ]
    told.alive = tuple(alive.values())
    return told


def samples(items: Sequence[bytes], count: int) -> list[bytes]:
    """So many of them, spread evenly."""
    return [items[len(items) * number // count] for number in range(min(count, len(items)))] if items else []
