"""The bounded receive queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from axl.inbox import MESSAGE_OVERHEAD_BYTES, Inbox

ANN, BEN, CAT = (bytes([number]) * 32 for number in (1, 2, 3))


def room_for(count: int, size: int) -> Inbox:
    return Inbox(count * (size + MESSAGE_OVERHEAD_BYTES))


def test_messages_of_one_sender_come_out_in_order() -> None:
    inbox = room_for(10, 10)
    for number in range(5):
        inbox.put(ANN, b"%d" % number)
    assert [body for _, body in inbox.take(10, 1000)] == [b"0", b"1", b"2", b"3", b"4"]
    assert not inbox


def test_senders_take_turns() -> None:
    inbox = room_for(10, 10)
    for body in (b"a1", b"a2", b"a3"):
        inbox.put(ANN, body)
    inbox.put(BEN, b"b1")
    assert [body for _, body in inbox.take(3, 1000)] == [b"a1", b"b1", b"a2"]


def test_a_full_inbox_drops_the_oldest_and_counts_it() -> None:
    inbox = room_for(3, 1)
    for number in range(5):
        inbox.put(ANN, b"%d" % number)
    assert inbox.dropped == 2
    assert inbox.take(10, 1000) == [(ANN, b"2"), (ANN, b"3"), (ANN, b"4")]


def test_whoever_floods_the_inbox_drowns_only_itself() -> None:
    inbox = room_for(10, 1)
    for _ in range(3):
        inbox.put(ANN, b"a")
    for _ in range(1000):
        inbox.put(BEN, b"b")
    assert inbox.dropped == 1000 - 7
    assert [sender for sender, _ in inbox.take(6, 1000)] == [ANN, BEN, ANN, BEN, ANN, BEN]


def test_a_batch_ends_before_it_gets_too_large_but_is_never_empty() -> None:
    inbox = Inbox(10_000)
    for _ in range(3):
        inbox.put(ANN, bytes(100))
    assert len(inbox.take(10, 250)) == 2
    assert len(inbox.take(10, 50)) == 1


def test_every_message_wakes_whoever_waits() -> None:
    inbox = room_for(10, 1)
    woken = []
    inbox.on_message = lambda: woken.append(len(woken))
    inbox.put(ANN, b"1")
    inbox.put(BEN, b"2")
    assert len(woken) == 2


@given(st.lists(st.tuples(st.sampled_from([ANN, BEN, CAT]), st.binary(max_size=300))), st.integers(1, 5))
def test_what_goes_in_comes_out_once_or_is_counted_within_bounds(
    messages: list[tuple[bytes, bytes]], batch: int
) -> None:
    inbox = Inbox(2_000)
    for sender, body in messages:
        inbox.put(sender, body)
        assert inbox.charged_bytes <= inbox.bytes_max
    out = []
    while inbox:
        out += inbox.take(batch, 500)
    assert inbox.charged_bytes == 0
    assert len(out) + inbox.dropped == len(messages)
    for sender in (ANN, BEN, CAT):
        sent = [body for by, body in messages if by == sender]
        came = [body for by, body in out if by == sender]
        assert came == sent[len(sent) - len(came) :]
