"""Frames and messages, handed to a node as production does: `Node.step(FrameReceived(bytes))`."""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec import Raw

from mesh_core.wire.codec import FrameCodec, FrameError
from tests.fuzz.honest import VICTIMS, honest, samples
from tests.fuzz.mutate import by_bytes, by_structure, mostly
from tests.fuzz.target import Target
from tests.fuzz.victim import Gullible, Victim

STEPS_MAX = 40
WAIT_MS_MAX = 3000
_CAUSES = {
    *("too_large", "malformed", "other_version", "other_network", "other_destination", "bad_sender"),
    *("bad_signature", "before_my_restart", "before_its_restart", "replayed"),
}


def run_frame(data: bytes) -> None:
    """One frame as it is, then as if it were well signed."""
    told = honest()
    place = told.places["node1"]
    strict = _strict()
    before = strict.node.ledger.chains.vector_hash(), strict.node.membership.incarnation
    strict.hear(data)
    if data not in _honest_frames():
        after = strict.node.ledger.chains.vector_hash(), strict.node.membership.incarnation
        assert after == before, "what nobody has signed counts"
    crypto = Gullible(place.crypto, place.config.peer)
    codec = FrameCodec(me=place.config.peer, network=place.config.network, boot=2, crypto=crypto)  # type: ignore[arg-type]
    try:
        frame = codec.open(data)
    except FrameError as error:
        assert error.cause in _CAUSES, error.cause
        return
    for message in codec.messages(frame):
        if message is not None:
            packed = msgspec.msgpack.encode(message)
            assert msgspec.msgpack.decode(packed, type=type(message)) == message
    victim = Victim(place, told, gullible=True)
    victim.hear(data)
    victim.wait(0.5)
    victim.check()


@cache
def _strict() -> Victim:
    """One node for all inputs: what is not signed must leave no trace."""
    return Victim(honest().places["node1"], honest(), gullible=False)


@cache
def _honest_frames() -> frozenset[bytes]:
    return frozenset(frame for *_, frame in honest().heard["node1"])


def run_message(data: bytes) -> None:
    """A conversation: whom it is said to, then who says what after how many milliseconds."""
    try:
        whom, steps = msgspec.msgpack.decode(data, type=tuple[int, list[tuple[int, int, Raw]]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    told = honest()
    name = VICTIMS[whom % len(VICTIMS)]
    victim = Victim(told.places[name], told, gullible=True)
    others = [peer for peer in told.peers if peer != victim.place.config.peer]
    for who, wait_ms, message in steps[:STEPS_MAX]:
        victim.wait(min(max(wait_ms, 0), WAIT_MS_MAX) / 1000)
        victim.hear(victim.frame(others[who % len(others)], [message]))
    victim.wait(1.0)
    victim.check()


def frame_seeds() -> list[bytes]:
    """Honest frames."""
    return samples([frame for *_, frame in honest().heard["node1"]], 40)


def message_seeds() -> list[bytes]:
    """Honest messages: of each kind some alone, and stretches of conversations."""
    told, seeds = honest(), []
    for whom, name in enumerate(VICTIMS):
        others = [peer for peer in told.peers if peer != told.places[name].config.peer]
        steps = []
        before = told.places[name].since
        for when, sender, messages, _ in told.heard[name]:
            for message in messages:
                steps.append((others.index(sender), round(1000 * (when - before)), message))
                before = when
        by_kind: dict[int, list[tuple[int, int, Raw]]] = {}
        for step in steps:
            by_kind.setdefault(msgspec.msgpack.decode(step[2])[0], []).append(step)
        seeds += [(whom, [one]) for ones in by_kind.values() for one in ones[:: 1 + len(ones) // 3]]
        for length in (6, 24):
            seeds += [
                (whom, steps[at : at + length]) for at in range(0, min(len(steps), 12 * length), length)
            ]
    return [msgspec.msgpack.encode(seed) for seed in seeds]


TARGETS = (
    Target("frame", "bytes as AXL delivers them", run_frame, frame_seeds, mostly(by_bytes(()), by_structure)),
    Target(
        "message",
        "conversations in which every signature is good",
        run_message,
        message_seeds,
        mostly(by_structure, by_bytes(())),
    ),
)
