"""Who gets what, when several wait for messages at one bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from axl.bridge import Bridge
from axl.http_message import Request
from axl.http_server import HttpConnection
from axl.inbox import Inbox
from axl.neighbours import Neighbours


class Reader:
    """A connection that notes what it is answered."""

    is_open = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.later: list[float] = []

    def answer(self, status: int, headers: bytes = b"", body: bytes = b"") -> None:
        self.answers.append((status, body))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.later.append(seconds)


class Alone:
    """The neighbours of a node that has none."""

    attached = True
    on_change: Any = None


async def test_who_comes_when_a_message_goes_to_another_is_answered_or_waits() -> None:
    inbox = Inbox(10_000)
    bridge = Bridge(cast(Neighbours, Alone()), inbox, "127.0.0.1")
    first, second, third = Reader(), Reader(), Reader()

    def receive(reader: Reader, query: bytes) -> None:
        request = Request(b"GET", b"/recv", query, {b"host": b"localhost"}, b"")
        bridge.handle(cast(HttpConnection, reader), request)

    receive(first, b"wait=30")
    inbox.put(bytes(32), b"for the first")
    receive(second, b"wait=0")
    receive(third, b"wait=5")
    await asyncio.sleep(0)
    assert first.answers == [(200, b"for the first")]
    assert second.answers == [(204, b"")]
    assert (third.answers, third.later) == ([], [5.0])
