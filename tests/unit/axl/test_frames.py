"""Cutting a stream into frames, and the bodies of control frames."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axl import control, frames
from axl.control import Challenge, Hello, Neighbour, Welcome
from axl.endpoint import Endpoint
from axl.frames import FrameError, FrameReader, Kind, frame

addresses = st.ip_addresses().map(str)
endpoints = st.builds(Endpoint, addresses, st.integers(0, 65535))
some_endpoints = st.lists(endpoints, max_size=control.ENDPOINTS_PER_PEER_MAX).map(tuple)
keys = st.binary(min_size=32, max_size=32)
instances = st.binary(min_size=8, max_size=8)


def body_of(whole: bytes) -> bytes:
    [(_, body)] = FrameReader(1 << 20).feed(whole)
    return body


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=200))), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[tuple[Kind, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(frame(kind, body) for kind, body in sent)
    reader = FrameReader(1000)
    received: list[tuple[int, bytes]] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == sent
    assert reader.held_bytes == 0


def test_a_frame_beyond_the_limit_is_refused_before_it_is_held() -> None:
    reader = FrameReader(100)
    with pytest.raises(FrameError, match="101 bytes; at most 100"):
        list(reader.feed((101).to_bytes(4) + b"\x05"))
    assert reader.held_bytes <= 5


def test_a_frame_without_a_kind_is_refused() -> None:
    with pytest.raises(FrameError):
        list(FrameReader(100).feed(bytes(5)))


def test_a_limit_raised_on_account_of_one_frame_holds_for_the_next_in_the_same_read() -> None:
    reader = FrameReader(10)
    seen = []
    for kind, body in reader.feed(frame(Kind.WELCOME, b"short") + frame(Kind.MESSAGE, bytes(500))):
        seen.append((kind, len(body)))
        reader.size_max = 1000
    assert seen == [(Kind.WELCOME, 5), (Kind.MESSAGE, 500)]


@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_no_stream_makes_a_reader_hold_more_than_one_frame(pieces: list[bytes]) -> None:
    reader = FrameReader(64)
    for piece in pieces:
        try:
            list(reader.feed(piece))
        except FrameError:
            return
        assert reader.held_bytes < 64 + 4 + len(piece)


@given(instances, st.binary(min_size=32, max_size=32))
def test_a_challenge_is_read_as_it_was_written(instance: bytes, nonce: bytes) -> None:
    challenge = Challenge(instance, nonce)
    assert control.decode_challenge(body_of(challenge.encode())) == challenge


@given(instances, keys, st.binary(min_size=64, max_size=64), st.booleans(), some_endpoints)
def test_a_hello_is_read_as_it_was_written(
    instance: bytes, peer: bytes, signature: bytes, attached: bool, listens: tuple[Endpoint, ...]
) -> None:
    hello = Hello(instance, peer, signature, attached, listens)
    assert control.decode_hello(body_of(hello.encode())) == hello
    assert len(hello.encode()) <= frames.HANDSHAKE_FRAME_BYTES_MAX


@given(st.booleans(), some_endpoints)
def test_a_welcome_is_read_as_it_was_written(attached: bool, listens: tuple[Endpoint, ...]) -> None:
    welcome = Welcome(attached, listens)
    assert control.decode_welcome(body_of(welcome.encode())) == welcome


@given(st.lists(st.builds(Neighbour, keys, some_endpoints), max_size=10), st.integers(1, 30))
def test_neighbours_are_read_as_they_were_written_in_as_many_frames_as_it_takes(
    some: list[Neighbour], times: int
) -> None:
    neighbours = some * times
    read: list[Neighbour] = []
    for kind, body in FrameReader(frames.CONTROL_FRAME_BYTES_MAX).feed(control.encode_neighbours(neighbours)):
        assert kind == Kind.NEIGHBOURS
        read += control.decode_neighbours(body)
    assert read == neighbours


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_counts_and_flags_are_read_as_they_were_written(count: int, flag: bool) -> None:
    assert control.decode_ack(body_of(control.encode_ack(count))) == count
    assert control.decode_flag(body_of(control.encode_attached(flag))) is flag


@pytest.mark.parametrize("refusal", control.Refusal)
def test_a_refusal_is_read_as_it_was_written_and_says_something(refusal: control.Refusal) -> None:
    assert control.decode_refusal(body_of(control.encode_refusal(refusal))) is refusal
    assert " " in str(refusal)


DECODERS: list[Any] = [
    control.decode_challenge,
    control.decode_hello,
    control.decode_welcome,
    control.decode_refusal,
    control.decode_neighbours,
    control.decode_ack,
    control.decode_flag,
]


@given(st.sampled_from(DECODERS), st.binary(max_size=300))
def test_no_bytes_do_worse_than_to_be_refused(decode: Any, body: bytes) -> None:
    with suppress(FrameError):
        decode(body)


@pytest.mark.parametrize(
    "told", ["tls://name.example:9001", "tls://127.0.0.1:1?key=" + "ab" * 32, "tcp://127.0.0.1:1", ""]
)
def test_an_endpoint_told_by_a_node_is_an_address_in_numbers(told: str) -> None:
    with pytest.raises(FrameError):
        control.decode_welcome(b"\x00\x01" + bytes([len(told)]) + told.encode())


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(FrameError, match="version 1"):
        control.decode_challenge(b"\x02" + bytes(40))
