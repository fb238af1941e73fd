"""Batches of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axl import batch

messages = st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.binary(max_size=50)), max_size=5)


@given(messages)
def test_a_batch_is_read_as_it_was_written(sent: list[tuple[bytes, bytes]]) -> None:
    assert list(batch.decode(batch.encode(sent))) == sent


@given(messages.filter(bool), st.data())
def test_a_batch_cut_short_gives_whole_messages_or_an_error(
    sent: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    whole = batch.encode(sent)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    try:
        assert list(batch.decode(cut)) == sent[: len(list(batch.decode(cut)))]
    except batch.BatchError:
        return


def test_half_a_message_is_an_error() -> None:
    with pytest.raises(batch.BatchError):
        list(batch.decode(bytes(35)))
    with pytest.raises(batch.BatchError):
        list(batch.decode(bytes(35) + b"\x02" + b"x"))
