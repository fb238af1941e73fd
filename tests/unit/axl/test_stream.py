"""The frames of a stream, as bytes."""

from __future__ import annotations

import pytest

from axl import stream
from axl.frames import FrameError, FrameReader

ANN = bytes([1]) * 32


def body_of(data: bytes) -> tuple[int, bytes]:
    [(kind, body)] = FrameReader(2**20).feed(data)
    return kind, body


def test_each_frame_says_what_was_put_in() -> None:
    kind, body = body_of(stream.encode_send(7, ANN, b"words"))
    assert (kind, stream.decode_send(body)) == (stream.Kind.SEND, (7, ANN, b"words"))
    kind, body = body_of(stream.encode_receive(2**32 - 1))
    assert (kind, stream.decode_receive(body)) == (stream.Kind.RECEIVE, 2**32 - 1)
    kind, body = body_of(stream.encode_sent([1, 2, 2**32 - 1]))
    assert (kind, stream.decode_sent(body)) == (stream.Kind.SENT, (1, 2, 2**32 - 1))
    kind, body = body_of(stream.encode_failed(9, "nobody there"))
    assert (kind, stream.decode_failed(body)) == (stream.Kind.FAILED, (9, "nobody there"))
    kind, body = body_of(stream.encode_message(ANN, b""))
    assert (kind, stream.decode_message(body)) == (stream.Kind.MESSAGE, (ANN, b""))


def test_a_frame_that_is_cut_short_is_refused() -> None:
    with pytest.raises(FrameError, match="without number and peer"):
        stream.decode_send(bytes(35))
    with pytest.raises(FrameError, match="a number of 3 bytes"):
        stream.decode_receive(bytes(3))
    with pytest.raises(FrameError, match="a number of 0 bytes"):
        stream.decode_failed(b"")
    with pytest.raises(FrameError, match="in the middle of one"):
        stream.decode_sent(bytes(6))
    with pytest.raises(FrameError, match="without its sender"):
        stream.decode_message(bytes(31))
