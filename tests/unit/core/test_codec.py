"""Frames: what is dropped, why, and what it costs the others."""

from collections import Counter

import msgspec
import pytest

from mesh_core.config import limit
from mesh_core.simulation.crypto import SealedCrypto, Vault
from mesh_core.wire.codec import FrameCodec, FrameError
from mesh_core.wire.messages import Advertise, Nack, Records, Renew

VAULT = Vault("codec")
ALICE, BOB, EVE = (VAULT.key(name) for name in ("alice", "bob", "eve"))


def codec(peer: bytes, *, boot: int = 1, network: str = "local") -> FrameCodec:
    return FrameCodec(me=peer, network=network, boot=boot, crypto=SealedCrypto(VAULT, peer))


def cause(receiver: FrameCodec, frame: bytes) -> str:
    with pytest.raises(FrameError) as caught:
        receiver.open(frame)
    return caught.value.cause


def test_a_frame_arrives_with_its_sender_and_messages_in_order() -> None:
    sent = [Nack(1), Advertise((b"x" * 32,)), Nack(2)]
    frame, taken = codec(ALICE).seal(BOB, sent)
    bob = codec(BOB)
    opened = bob.open(frame)
    assert (opened.sender, taken) == (ALICE, 3)
    assert list(bob.messages(opened)) == sent


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (codec(ALICE).seal(EVE, [Nack(1)])[0], "other_destination"),
        (codec(ALICE, network="elsewhere").seal(BOB, [Nack(1)])[0], "other_network"),
        (codec(ALICE).seal(BOB, [Nack(1)])[0][:-1] + b"\0", "bad_signature"),
        (b"", "malformed"),
        (b"\xff" * 200, "malformed"),
        (b"\x98" * 200, "malformed"),
        (bytes(limit("frame_bytes_max") + 1), "too_large"),
    ],
)
def test_a_bad_frame_is_dropped_with_its_cause(frame: bytes, expected: str) -> None:
    assert cause(codec(BOB), frame) == expected


def test_a_frame_signed_by_the_wrong_key_is_dropped() -> None:
    forger = FrameCodec(me=ALICE, network="local", boot=1, crypto=SealedCrypto(VAULT, EVE))
    assert cause(codec(BOB), forger.seal(BOB, [Nack(1)])[0]) == "bad_signature"


def test_a_frame_is_taken_once() -> None:
    bob = codec(BOB)
    frame, _ = codec(ALICE).seal(BOB, [Nack(1)])
    bob.open(frame)
    assert cause(bob, frame) == "replayed"


def test_frames_of_one_boot_may_overtake_each_other_within_the_window() -> None:
    alice, bob = codec(ALICE), codec(BOB)
    frames = [alice.seal(BOB, [Nack(number)])[0] for number in range(limit("replay_window") + 1)]
    for frame in (frames[5], frames[3], frames[4]):
        bob.open(frame)
    assert cause(bob, frames[3]) == "replayed"
    bob.open(frames[-1])
    assert cause(bob, frames[0]) == "replayed"


def test_a_counter_far_ahead_costs_no_memory() -> None:
    alice, bob = codec(ALICE), codec(BOB)
    alice._counter = 2**62
    bob.open(alice.seal(BOB, [Nack(1)])[0])
    assert bob._senders[ALICE].seen.bit_length() <= limit("replay_window")


def test_frames_from_before_the_senders_restart_are_dropped() -> None:
    bob = codec(BOB)
    before = codec(ALICE, boot=1).seal(BOB, [Nack(1)])[0]
    bob.open(codec(ALICE, boot=2).seal(BOB, [Nack(1)])[0])
    assert cause(bob, before) == "before_its_restart"


def test_frames_for_my_life_before_the_restart_are_dropped() -> None:
    alice, bob = codec(ALICE), codec(BOB, boot=7)
    alice.open(bob.seal(ALICE, [Nack(1)])[0])
    frame, _ = alice.seal(BOB, [Nack(1)])
    assert cause(codec(BOB, boot=8), frame) == "before_my_restart"


def test_two_that_know_each_others_former_lives_only_meet_again() -> None:
    """Each has heard a frame of the other's life before last that came late."""
    late_alice, late_bob = codec(ALICE, boot=1), codec(BOB, boot=1)
    from_alice, _ = late_alice.seal(BOB, [Nack(1)])
    from_bob, _ = late_bob.seal(ALICE, [Nack(1)])
    alice, bob = codec(ALICE, boot=2), codec(BOB, boot=2)
    alice.open(from_bob)
    bob.open(from_alice)
    first, _ = alice.seal(BOB, [Nack(2)])
    assert cause(bob, first) == "before_my_restart"
    answer, _ = bob.seal(ALICE, [Nack(3)])
    alice.open(answer)
    second, _ = alice.seal(BOB, [Nack(4)])
    bob.open(second)
    assert cause(bob, second) == "replayed"


def test_a_malformed_message_does_not_cost_its_neighbours() -> None:
    alice, bob = codec(ALICE), codec(BOB)
    frame, _ = alice.seal(BOB, [Nack(1), Nack(2)])
    opened = bob.open(frame)
    packed = [opened.messages[0], msgspec.Raw(b"\x93\x99\x99\x99"), opened.messages[1]]
    mixed = msgspec.structs.replace(opened, messages=packed)
    assert list(bob.messages(mixed)) == [Nack(1), None, Nack(2)]


def test_a_frame_takes_what_fits_and_leaves_the_rest() -> None:
    large = Renew(tuple((bytes(32), 1) for _ in range(3000)))
    _, taken = codec(ALICE).seal(BOB, [large] * 10)
    assert 1 <= taken < 10
    oversize, taken = codec(ALICE).seal(BOB, [large])
    assert taken == 1 and len(oversize) < limit("frame_bytes_max")


def test_a_message_that_fits_into_no_frame_is_left_out_and_counted() -> None:
    dropped: Counter[str] = Counter()
    alice = FrameCodec(me=ALICE, network="n" * 64, boot=1, crypto=SealedCrypto(VAULT, ALICE), dropped=dropped)
    bob = codec(BOB, network="n" * 64)
    huge = Records((bytes(limit("frame_bytes_max")),))
    largest = Records((bytes(limit("frame_bytes_max") - 600),))
    waiting = [Nack(1), huge, Nack(2), largest, huge]
    arrived = []
    while waiting:
        frame, taken = alice.seal(BOB, waiting)
        del waiting[:taken]
        arrived += list(bob.messages(bob.open(frame)))
    assert arrived == [Nack(1), Nack(2), largest]
    assert dropped == {"too_large_to_send": 2}
