"""What is sent is what arrives, byte for byte; what was altered does not; nothing counts twice."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.config import limit
from mesh_core.identity.statement import KINDS, StatementError, check, sign
from mesh_core.ledger.record import FIRST_PREV, check_record, make_record
from mesh_core.simulation.crypto import SealedCrypto, Vault
from mesh_core.wire import messages as ms
from mesh_core.wire.codec import FrameCodec, FrameError, _Replay
from tests.property.statements import instances

VAULT = Vault("codec")
ALICE, BOB = VAULT.key("alice"), VAULT.key("bob")
MESSAGES = get_args(ms.Message)
ANY_MESSAGE: some.SearchStrategy[Any] = some.one_of(*map(instances, MESSAGES))
NETWORK = "local"


def codec(peer: bytes) -> FrameCodec:
    return FrameCodec(me=peer, network=NETWORK, boot=1, crypto=SealedCrypto(VAULT, peer))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_of_every_kind_is_read_as_it_was_written(kind: type[Any]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(instances(kind))
    def holds(message: Any) -> None:
        packed = msgspec.msgpack.encode(message)
        again = msgspec.msgpack.decode(packed, type=ms.Message)
        assert again == message
        assert msgspec.msgpack.encode(again) == packed

    holds()


@settings(max_examples=60, deadline=None)
@given(some.lists(ANY_MESSAGE, min_size=1, max_size=8))
def test_messages_arrive_in_order_however_many_frames_they_take(sent: list[Any]) -> None:
    alice, bob = codec(ALICE), codec(BOB)
    waiting, arrived = list(sent), []
    while waiting:
        frame, taken = alice.seal(BOB, waiting)
        assert 1 <= taken <= len(waiting) and len(frame) <= limit("frame_bytes_max")
        del waiting[:taken]
        arrived += list(bob.messages(bob.open(frame)))
    assert arrived == sent


@settings(max_examples=200, deadline=None)
@given(some.lists(ANY_MESSAGE, min_size=1, max_size=2), some.data())
def test_a_frame_altered_anywhere_is_refused(sent: list[Any], data: some.DataObject) -> None:
    frame, _ = codec(ALICE).seal(BOB, sent)
    place = data.draw(some.integers(0, len(frame) - 1))
    altered = bytearray(frame)
    altered[place] ^= data.draw(some.integers(1, 255))
    with pytest.raises(FrameError):
        codec(BOB).open(bytes(altered))
    with pytest.raises(FrameError):
        codec(BOB).open(frame[:place])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_statement_of_every_kind_is_read_as_it_was_signed_and_not_otherwise(kind: type[Any]) -> None:
    crypto = SealedCrypto(VAULT, ALICE)

    @settings(max_examples=40, deadline=None)
    @given(instances(kind), some.data())
    def holds(statement: Any, data: some.DataObject) -> None:
        honest = msgspec.structs.replace(statement, network=NETWORK, author=ALICE)
        signed = sign(crypto, honest)
        assert check(crypto, signed, kind, NETWORK) == honest
        altered = bytearray(signed)
        altered[data.draw(some.integers(0, len(signed) - 1))] ^= data.draw(some.integers(1, 255))
        with pytest.raises(StatementError):
            check(crypto, bytes(altered), kind, NETWORK)
        for other in KINDS:
            if other is not kind:
                with pytest.raises(StatementError):
                    check(crypto, signed, other, NETWORK)

    holds()


@settings(max_examples=60, deadline=None)
@given(some.integers(limit("record_bytes_max") - 400, limit("record_bytes_max") + 400))
def test_a_record_has_a_size_that_it_may_not_exceed(size: int) -> None:
    crypto = SealedCrypto(VAULT, ALICE)
    signed = make_record(crypto, NETWORK, ALICE, 1, FIRST_PREV, 0, "note", bytes(size))
    if len(signed) > limit("record_bytes_max"):
        with pytest.raises(StatementError, match="too large"):
            check_record(crypto, signed, NETWORK)
    else:
        assert check_record(crypto, signed, NETWORK).signed == signed


COUNTERS = some.integers(1, 60) | some.integers(1, 2**63) | some.integers(1000, 1100)


@settings(max_examples=200, deadline=None)
@given(some.lists(COUNTERS, max_size=80), some.sampled_from([1, 8, 64, 1024]))
def test_no_counter_is_admitted_twice_and_none_within_the_window_is_lost(
    counters: list[int], window: int
) -> None:
    replay = _Replay(1, 0, 0)
    admitted: set[int] = set()
    for counter in counters:
        expected = counter not in admitted and counter > max(admitted, default=0) - window
        assert replay.admit(counter, window) == expected
        if expected:
            admitted.add(counter)
        assert replay.seen.bit_length() <= window
