"""The supervisor's stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.supervisor import events
from whisper_tui.supervisor.events import EventLog


async def take(stream: AsyncGenerator[bytes, None], count: int) -> list[Event]:
    """The next events of a stream, which is closed then."""
    found = []
    async with asyncio.timeout(2):
        async for piece in stream:
            data = piece.split(b"\ndata: ")[1]
            found.append(msgspec.json.decode(data, type=Event))
            if len(found) == count:
                break
    await stream.aclose()
    return found


async def test_who_connects_gets_views_first_and_then_what_happens() -> None:
    log = EventLog(lambda: [("process", {"name": "node1"})])
    log.emit("action", {"action": "kill"})
    stream = log.stream(None)
    asyncio.get_running_loop().call_soon(lambda: log.emit("action", {"action": "heal"}))
    view, moment = await take(stream, 2)
    assert (view.kind, view.data, view.node) == ("process", {"name": "node1"}, "supervisor")
    assert moment.data == {"action": "heal"}
    assert moment.seq == view.seq + 1


async def test_who_comes_back_gets_what_was_missed_and_no_views() -> None:
    log = EventLog(lambda: [("process", {})])
    for number in range(3):
        log.emit("action", {"number": number})
    first = (await take(log.stream(None), 1))[0].seq - 2
    missed = await take(log.stream(first), 2)
    assert [event.data["number"] for event in missed] == [1, 2]


async def test_who_was_away_too_long_gets_views_again() -> None:
    log = EventLog(lambda: [("process", {"name": "node1"})])
    for _ in range(events.RING_EVENTS + 10):
        log.emit("action", {})
    seen = await take(log.stream(1), 1)
    assert seen[0].kind == "process"


async def test_a_position_of_an_earlier_supervisor_is_not_mistaken_for_one_of_this() -> None:
    log = EventLog(lambda: [("process", {})])
    log.emit("action", {})
    assert (await take(log.stream(5), 1))[0].kind == "process"
    assert (await take(log.stream(1 << 62), 1))[0].kind == "process"


async def test_who_does_not_read_is_let_go_and_holds_nobody_up() -> None:
    log = EventLog(lambda: [("process", {})])
    stream = log.stream(None)
    await anext(stream)
    for number in range(events.SUBSCRIBER_EVENTS + 1):
        log.emit("action", {"number": number})
    rest = [piece async for piece in stream]
    assert len(rest) == events.SUBSCRIBER_EVENTS - 1
