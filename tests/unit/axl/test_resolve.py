"""Names to addresses, and an end in time."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from axl.endpoint import Endpoint
from axl.resolve import addresses_of

KEY = bytes(range(32))


async def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert await addresses_of(Endpoint("127.0.0.1", 1, KEY)) == [Endpoint("127.0.0.1", 1, KEY)]


async def test_a_name_gives_all_its_addresses_with_port_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [(None, None, 6, "", ("192.0.2.1", 7)), (None, None, 6, "", ("2001:db8::1", 7, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    assert await addresses_of(Endpoint("two.example", 7, KEY)) == [
        Endpoint("192.0.2.1", 7, KEY),
        Endpoint("2001:db8::1", 7, KEY),
    ]


async def test_a_name_nobody_has_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match="Name or service not known"):
        await addresses_of(Endpoint("none.example", 7))


def test_a_name_server_that_does_not_answer_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, asked = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        asked.set()
        answered.wait(60)
        return []

    async def look_up_and_leave() -> None:
        looking_up = asyncio.create_task(addresses_of(Endpoint("slow.example", 7)))
        while not asked.is_set():  # noqa: ASYNC110 - it is set in a thread
            await asyncio.sleep(0)
        looking_up.cancel()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    ending = threading.Thread(target=asyncio.run, args=(look_up_and_leave(),))
    ending.start()
    ending.join(20)
    try:
        assert not ending.is_alive()
    finally:
        answered.set()
