"""Subscribers see every moment, the latest view of everything, and can resume; nobody can fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest
from msgspec import Struct

from mesh_core.api import hub as module
from mesh_core.api.hub import SEQ_PER_BOOT, Entity, EventHub, inert
from mesh_core.api.schema import Event
from tests.unit.api.participants import PEER, Things


def hub_of(things: Things, boot: int = 1) -> EventHub:
    return EventHub(PEER, boot, things, lambda: 5.0)


def events_in(piece: bytes) -> list[Event]:
    decoded = []
    for block in piece.split(b"\n\n"):
        lines = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
        if b"data" in lines:
            event = msgspec.json.decode(lines[b"data"], type=Event)
            assert lines[b"id"] == str(event.seq).encode()
            assert lines[b"event"] == event.kind.encode()
            decoded.append(event)
    return decoded


async def next_events(stream: AsyncGenerator[bytes, None]) -> list[Event]:
    async with asyncio.timeout(5):
        return events_in(await anext(stream))


async def test_who_connects_gets_one_view_of_everything_and_then_what_happens() -> None:
    hub = hub_of(Things(a=1, b=2))
    async with aclosing(hub.stream(None)) as stream:
        views = await next_events(stream)
        assert [(event.kind, event.data) for event in views] == [
            ("thing", {"name": "a", "value": 1}),
            ("thing", {"name": "b", "value": 2}),
        ]
        assert {event.seq for event in views} == {0}
        hub.moment("job_settled", {"job": b"\x01\xff", "votes": (b"\x02", b"\x03")})
        (moment,) = await next_events(stream)
        assert moment == Event(
            SEQ_PER_BOOT + 1, 5.0, PEER.hex(), "job_settled", {"job": "01ff", "votes": ["02", "03"]}
        )


async def test_a_change_is_told_once_however_often_it_was_marked() -> None:
    things = Things(a=1)
    hub = hub_of(things)
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        things.built = 0
        for value in range(100):
            things.values[b"a"] = value
            hub.dirty(("thing", b"a"))
        (view,) = await next_events(stream)
        assert view.data["value"] == 99
        assert things.built == 1


async def test_views_of_one_entity_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VIEW_PERIOD_S", 3600.0)
    hub = hub_of(Things(a=1))
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        hub.dirty(("thing", b"a"))
        hub.moment("moment", {})
        assert [event.kind for event in await next_events(stream)] == ["moment"]


async def test_who_wants_views_seldom_gets_moments_at_once_and_slows_nobody_down() -> None:
    hub = hub_of(Things(a=1))
    async with aclosing(hub.stream(None, 3600.0)) as seldom:
        await next_events(seldom)
        hub.dirty(("thing", b"a"))
        hub.moment("moment", {})
        assert [event.kind for event in await next_events(seldom)] == ["moment"]
        async with aclosing(hub.stream(None)) as often:
            await next_events(often)
            hub.dirty(("thing", b"a"))
            assert [event.kind for event in await next_events(often)] == ["thing"]
        assert "thing" in [event.kind for event in await next_events(seldom)]


async def test_nothing_is_built_while_nobody_watches() -> None:
    things = Things(a=1)
    hub = hub_of(things)
    for _ in range(10):
        hub.dirty(("thing", b"a"))
    await asyncio.sleep(0)
    assert things.built == 0


async def test_a_group_is_listed_for_whoever_watches_and_for_nobody_else() -> None:
    things = Things(a=1, b=2)
    hub = hub_of(things)
    hub.moment("moment", {})
    seen = hub.seq
    hub.dirty(("all", b""))
    assert things.built == 0
    things.values[b"c"] = 3
    async with aclosing(hub.stream(seen)) as stream:
        assert [event.data["name"] for event in await next_events(stream)] == ["a", "b", "c"]
        things.values[b"b"] = 4
        hub.dirty(("all", b""))
        assert [event.data["value"] for event in await next_events(stream)] == [1, 4, 3]


async def test_a_group_larger_than_the_ring_gives_every_view_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RING_EVENTS", 10)
    things = Things(**{f"thing{number}": number for number in range(11)})
    hub = hub_of(things)
    hub.moment("moment", {})
    seen = hub.seq
    hub.dirty(("all", b""))
    async with aclosing(hub.stream(seen)) as stream:
        assert len(await next_events(stream)) == 11
        assert not hub._dirty


async def test_an_entity_that_is_gone_is_not_told() -> None:
    hub = hub_of(Things(a=1))
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        hub.dirty(("thing", b"gone"))
        hub.dirty(("thing", b"a"))
        assert [event.data["name"] for event in await next_events(stream)] == ["a"]


async def test_a_view_that_fails_to_build_does_not_take_the_others_with_it() -> None:
    things = Things(a=1, b=1)
    hub = hub_of(things)
    failed = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failed.set())
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        build = things.view

        def fail_once(entity: Entity) -> Struct | None:
            things.view = build
            raise ValueError("no view")

        things.view = fail_once
        hub.dirty(("thing", b"a"))
        hub.dirty(("thing", b"b"))
        waiting = asyncio.ensure_future(next_events(stream))
        async with asyncio.timeout(5):
            await failed.wait()
        hub.dirty(("thing", b"a"))
        assert {event.data["name"] for event in await waiting} == {"a", "b"}


async def test_who_resumes_gets_what_was_missed_and_only_the_latest_views() -> None:
    things = Things(a=1, b=1)
    hub = hub_of(things)
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        hub.moment("first", {})
        (first,) = await next_events(stream)
    for value in (2, 3):
        things.values[b"a"] = value
        hub.dirty(("thing", b"a"))
        hub.moment("later", {"value": value})
    async with aclosing(hub.stream(first.seq)) as stream:
        missed = await next_events(stream)
    assert [(event.kind, event.data.get("value")) for event in missed] == [
        ("later", 2),
        ("later", 3),
        ("thing", 3),
    ]
    assert [event.seq for event in missed] == sorted(event.seq for event in missed)


async def test_a_newer_view_takes_the_place_of_an_older_one_in_the_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "VIEW_PERIOD_S", 0.0)
    things = Things(a=1)
    hub = hub_of(things)
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        for value in (2, 3):
            things.values[b"a"] = value
            hub.dirty(("thing", b"a"))
            await next_events(stream)
    async with aclosing(hub.stream(SEQ_PER_BOOT)) as stream:
        assert [event.data["value"] for event in await next_events(stream)] == [3]


@pytest.mark.parametrize("position", [0, 7, SEQ_PER_BOOT - 5, SEQ_PER_BOOT + 50, 3 * SEQ_PER_BOOT])
async def test_a_position_the_ring_does_not_reach_gives_all_views_again(position: int) -> None:
    hub = hub_of(Things(a=1), boot=1)
    hub.moment("old", {})
    async with aclosing(hub.stream(position)) as stream:
        views = await next_events(stream)
    assert [(event.kind, event.seq) for event in views] == [("thing", 0)]


async def test_a_restart_never_continues_somebody_elses_numbers() -> None:
    before, after = hub_of(Things(a=1), boot=1), hub_of(Things(a=1), boot=2)
    for _ in range(20):
        before.moment("moment", {})
        after.moment("moment", {})
    async with aclosing(after.stream(before.seq - 5)) as stream:
        assert [event.kind for event in await next_events(stream)] == ["thing"]


async def test_a_slow_subscriber_falls_off_the_ring_and_gets_all_views_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RING_EVENTS", 10)
    hub = hub_of(Things(a=1))
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        for number in range(25):
            hub.moment("moment", {"number": number})
        assert [event.kind for event in await next_events(stream)] == ["thing"]
        hub.moment("moment", {"number": 25})
        assert [event.data for event in await next_events(stream)] == [{"number": 25}]


async def test_the_ring_is_bounded_in_bytes_and_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VIEW_PERIOD_S", 0.0)
    monkeypatch.setattr(module, "RING_BYTES", 50_000)
    things = Things()
    hub = hub_of(things)
    async with aclosing(hub.stream(None)) as stream:
        for number in range(200):
            key = f"{number:04}" * 250
            things.values[key.encode()] = number
            hub.dirty(("thing", key.encode()))
            await next_events(stream)
    assert sum(len(entry.encoded) for entry in hub._ring) == hub._ring_bytes <= 52_000
    assert len(hub._latest) == len(hub._ring)


async def test_changes_that_nobody_watches_are_bounded_and_whoever_comes_back_gets_every_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RING_EVENTS", 10)
    things = Things(a=1)
    hub = hub_of(things)
    hub.moment("moment", {})
    seen = hub.seq
    for number in range(1_000):
        hub.dirty(("thing", b"%d" % number))
        assert len(hub._dirty) <= 10
    async with aclosing(hub.stream(seen)) as stream:
        assert [event.data["name"] for event in await next_events(stream)] == ["a"]
        assert things.built < 20
        hub.moment("after", {})
        assert [event.kind for event in await next_events(stream)] == ["after"]


async def test_large_snapshots_travel_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", 1000)
    hub = hub_of(Things(**{f"thing{number}": number for number in range(100)}))
    seen = 0
    async with aclosing(hub.stream(None)) as stream:
        while seen < 100:
            events = await next_events(stream)
            assert len(events) < 20
            seen += len(events)


async def test_silence_is_broken_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.001)
    async with aclosing(hub_of(Things()).stream(None)) as stream:
        assert await anext(stream) == b": still here\n\n"


async def test_closing_ends_the_streams_after_the_last_event() -> None:
    things = Things(a=1)
    hub = hub_of(things)
    async with aclosing(hub.stream(None)) as stream:
        await next_events(stream)
        hub.dirty(("thing", b"a"))
        hub.close()
        assert [event.kind for event in await next_events(stream)] == ["thing"]
        assert await anext(stream, None) is None
    assert hub.subscribers == 0


def test_what_is_told_has_no_bytes_in_it() -> None:
    told = inert(
        {"peer": b"\xab", "hidden": frozenset({b"\x02", b"\x01"}), "nested": [(b"\x03", 1)], "text": "x"}
    )
    assert told == {"peer": "ab", "hidden": ["01", "02"], "nested": [["03", 1]], "text": "x"}
