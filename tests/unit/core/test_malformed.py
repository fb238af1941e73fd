"""Bytes that nest without end, numbers without bound: somebody else's mistake wherever they come in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as hs
from msgspec import Raw

from axl import keys
from mesh_core.api.receipt import ReceiptError, verify_receipt
from mesh_core.config import PROTOCOL_VERSION, limit
from mesh_core.crypto import SecrecyError
from mesh_core.identity.statement import StatementError, check, peek, sign
from mesh_core.io.crypto import KeyCrypto
from mesh_core.ledger.record import FIRST_PREV, check_record
from mesh_core.secrecy.envelope import open_work
from mesh_core.wire import statements as st
from mesh_core.wire.codec import Frame, FrameCodec, FrameError
from mesh_core.wire.nesting import nests_deeper
from mesh_core.work.errors import ResultError
from mesh_core.work.result import decode_answer

NETWORK = "local"
BOTTOMLESS = b"\x91" * 20_000 + b"\xc0"
ME, OTHER = KeyCrypto(keys.from_seed(bytes(32)).seed), KeyCrypto(keys.from_seed(b"\1" * 32).seed)


def longer(packed: bytes, *more: bytes) -> bytes:
    """A short array with elements added at its end, as a newer version may add fields."""
    return bytes([packed[0] + len(more)]) + packed[1:] + b"".join(more)


def deep(levels: int) -> bytes:
    return b"\x91" * levels + b"\xc0"


def frame(messages: list[Raw], *more: bytes) -> bytes:
    body = Frame(PROTOCOL_VERSION, NETWORK, OTHER.peer, 1, 1, ME.peer, 0, messages)
    packed = longer(msgspec.msgpack.encode(body), *more)
    return packed + OTHER.sign(b"whisper:frame\0" + packed)


@pytest.mark.parametrize("bytes_in", [frame([Raw(BOTTOMLESS)]), frame([], BOTTOMLESS)])
def test_a_frame_that_nests_without_end_is_malformed(bytes_in: bytes) -> None:
    codec = FrameCodec(me=ME.peer, network=NETWORK, boot=1, crypto=ME)
    with pytest.raises(FrameError, match="malformed"):
        codec.open(bytes_in)


def test_statements_work_and_results_that_nest_without_end_are_malformed() -> None:
    vote = st.AcceptVote(NETWORK, OTHER.peer, bytes(32), 1, st.Value("result", b"", 0, "", b"", 0))
    with pytest.raises(StatementError, match="not a valid accept"):
        peek(longer(msgspec.msgpack.encode(vote), BOTTOMLESS) + bytes(64), st.AcceptVote)
    secret = ME.new_secret()
    with pytest.raises(SecrecyError, match="no work"):
        open_work(
            ME, secret, ME.encrypt(secret, longer(msgspec.msgpack.encode(["k", "t", "c", 1, []]), BOTTOMLESS))
        )
    with pytest.raises(ResultError, match="not a result"):
        decode_answer(longer(msgspec.msgpack.encode([1, "", "", [], []]), BOTTOMLESS))
    with pytest.raises(ReceiptError, match="not a receipt"):
        verify_receipt(ME, longer(msgspec.msgpack.encode(["local", b"", b""]), BOTTOMLESS))
    with pytest.raises(ReceiptError, match="not a receipt"):
        verify_receipt(ME, b"\x93\xa1\xff\xc4\x00\xc4\x00")


def record(kind: str, body: bytes) -> bytes:
    return sign(OTHER, st.Record(PROTOCOL_VERSION, NETWORK, OTHER.peer, 1, FIRST_PREV, 0, kind, Raw(body)))


@pytest.mark.parametrize("kind", ["equivocation", "of a newer version"])
def test_whether_a_record_can_be_read_does_not_depend_on_the_readers_stack(kind: str) -> None:
    proof = msgspec.msgpack.encode(st.Equivocation("bid", b"", b""))
    fits = record(kind, longer(proof, deep(limit("nesting_max") - 1)))
    assert check_record(ME, fits, NETWORK).signed == fits
    with pytest.raises(StatementError, match="nested too deeply"):
        check_record(ME, record(kind, longer(proof, deep(limit("nesting_max")))), NETWORK)


def test_a_vote_of_a_newer_version_counts_and_one_that_nests_deeply_does_not() -> None:
    vote = st.Cancel(NETWORK, OTHER.peer, bytes(32), "")

    def signed(more: bytes) -> bytes:
        packed = longer(msgspec.msgpack.encode(vote), more)
        return packed + OTHER.sign(b"whisper:cancel\0" + packed)

    assert check(ME, signed(deep(3)), st.Cancel, NETWORK) == vote
    with pytest.raises(StatementError, match="nested too deeply"):
        check(ME, signed(deep(300)), st.Cancel, NETWORK)


VALUES = hs.recursive(
    hs.none()
    | hs.booleans()
    | hs.integers(-(2**63), 2**64 - 1)
    | hs.floats(allow_nan=False)
    | hs.sampled_from([0, 31, 32, 255, 256, 70_000]).map("x".__mul__)
    | hs.sampled_from([0, 255, 256, 70_000]).map(bytes)
    | hs.sampled_from([0, 1, 2, 4, 8, 16, 17, 300, 70_000]).map(lambda n: msgspec.msgpack.Ext(1, bytes(n))),
    lambda inner: hs.lists(inner, max_size=20) | hs.dictionaries(hs.text(max_size=2), inner, max_size=20),
    max_leaves=30,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner)) if inner else 0


@given(VALUES)
def test_depth_is_counted_over_every_kind_of_value(value: Any) -> None:
    packed = msgspec.msgpack.encode(value)
    assert not nests_deeper(packed, depth(value))
    assert depth(value) == 0 or nests_deeper(packed, depth(value) - 1)
