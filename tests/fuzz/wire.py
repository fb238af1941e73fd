"""A connection with nobody at its other end, and a loop on which nothing may go wrong unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5), "ssl_object": self})
        self.written = bytearray()
        self.is_closed = False

    def getpeercert(self, binary_form: bool) -> bytes:
        """As of TLS."""
        return b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it; nothing follows on the end."""
        assert not self.is_closed or not data, "something was written to a closed connection"
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """The end."""
        self.is_closed = True

    def abort(self) -> None:
        """The end at once."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Whoever throws bytes does not wait."""

    def resume_reading(self) -> None:
        """Whoever throws bytes has not waited."""


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


def on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`; what reaches the loop's log is raised."""
    wrong: list[str] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: wrong.append(f"{context}"))
        return await work

    outcome = _runner().run(watched())
    assert not wrong, f"in the log: {wrong[0]}"
    return outcome
