"""The live source: many streams, one iterator; interruptions are reported, resumed and never given up."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator

from mesh_core.api.schema import Event
from tests.unit.console.feeder import peer_of
from whisper_tui.model.state import SUPERVISOR
from whisper_tui.sources.live import Endpoint, LiveSource


class Server:
    """What stands behind the URLs: what each serves next, and with which id it was asked."""

    def __init__(self) -> None:
        self.script: dict[str, list[list[Event] | Exception]] = {}
        self.asked: dict[str, list[int | None]] = {}
        self.quiet = asyncio.Event()

    def connect(self, url: str) -> Client:
        return Client(self, url)


class Client:
    def __init__(self, server: Server, url: str) -> None:
        self.server, self.url = server, url

    async def events(self, last_event_id: int | None = None) -> AsyncIterator[Event]:
        self.server.asked.setdefault(self.url, []).append(last_event_id)
        turns = self.server.script.get(self.url, [])
        if not turns:
            await self.server.quiet.wait()
            return
        turn = turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        for event in turn:
            yield event


def moment(name: str, seq: int, kind: str = "problem") -> Event:
    node = SUPERVISOR if name == SUPERVISOR else peer_of(name)
    return Event(seq, 1.0, node, kind, {"text": f"{name} {seq}"})


async def take(source: LiveSource, count: int) -> list[Event]:
    taken: list[Event] = []
    async with asyncio.timeout(5):
        events = source.events()
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
        await events.aclose()
    return taken


def source_of(server: Server, *names: str, supervisor: bool = False) -> LiveSource:
    endpoints = [Endpoint(name, f"http://{name}") for name in names]
    return LiveSource(
        endpoints, "http://sup" if supervisor else None, server.connect, jitter=random.Random(1)
    )


async def test_streams_of_all_participants_are_merged() -> None:
    server = Server()
    server.script = {"http://node1": [[moment("node1", 1)]], "http://node2": [[moment("node2", 1)]]}
    taken = await take(source_of(server, "node1", "node2"), 6)
    told = {event.data["text"] for event in taken if event.kind == "problem"}
    assert told == {"node1 1", "node2 1"}
    assert {event.data["node"] for event in taken if event.kind == "source"} == {"node1", "node2"}


async def test_an_interrupted_stream_is_resumed_after_its_last_event() -> None:
    server = Server()
    server.script = {"http://node1": [[moment("node1", 7), moment("node1", 8)], [moment("node1", 9)]]}
    taken = await take(source_of(server, "node1"), 6)
    assert server.asked["http://node1"][:2] == [None, 8]
    states = [(event.data["state"], event.data["fresh"]) for event in taken if event.kind == "source"]
    assert states[:3] == [("live", True), ("stale", False), ("live", False)]


async def test_views_that_start_over_within_a_stream_are_announced_as_fresh() -> None:
    server = Server()
    server.script = {"http://node1": [[moment("node1", 0), moment("node1", 7), moment("node1", 0)]]}
    taken = await take(source_of(server, "node1"), 5)
    told = [(event.kind, event.seq, event.data.get("fresh")) for event in taken]
    assert told[0] == ("source", 0, True) and told[3] == ("source", 0, True)
    assert [seq for kind, seq, _ in told if kind == "problem"] == [0, 7, 0]


async def test_a_process_that_is_gone_is_lost_and_its_successor_starts_afresh() -> None:
    server = Server()
    refused = ConnectionRefusedError("connection refused")
    server.script = {"http://node1": [[moment("node1", 8)], refused, refused, [moment("node1", 1)]]}
    taken = await take(source_of(server, "node1"), 7)
    assert server.asked["http://node1"] == [None, 8, None, None]
    reports = [event.data for event in taken if event.kind == "source"]
    assert [report["state"] for report in reports] == ["live", "stale", "stale", "lost", "live"]
    assert reports[-1]["fresh"] and reports[3]["reason"] == "connection refused"
    assert reports[3]["retry_ms"] > 0


async def test_the_supervisors_word_that_a_provider_runs_ends_the_wait() -> None:
    server = Server()
    started = {"name": "node9", "part": "provider", "state": "running"}
    server.script = {
        "http://sup": [[Event(1, 1.0, SUPERVISOR, "process", started)]],
        "http://node9": [[moment("node9", 1)]],
    }
    found = {"node9": Endpoint("node9", "http://node9", peer_of("node9"))}
    source = LiveSource([], "http://sup", server.connect, locate=found.get, jitter=random.Random(1))
    taken = await take(source, 5)
    assert "node9 1" in {event.data.get("text") for event in taken}


async def test_whoever_came_back_at_another_address_is_found_there() -> None:
    server = Server()
    server.script = {
        "http://sup": [[Event(7, 1.0, SUPERVISOR, "ready", {})]],
        "http://sup2": [[Event(8, 1.0, SUPERVISOR, "ready", {})]],
    }
    moved = {SUPERVISOR: Endpoint(SUPERVISOR, "http://sup2")}
    source = LiveSource([], "http://sup", server.connect, locate=moved.get, jitter=random.Random(1))
    taken = await take(source, 5)
    assert [event.seq for event in taken if event.kind == "ready"] == [7, 8]
    assert server.asked["http://sup2"] == [None]


async def test_nobody_speaks_for_another_or_for_the_operators_side() -> None:
    server = Server()
    forged = [
        moment("node1", 1),
        moment("node2", 2),
        Event(3, 1.0, peer_of("node1"), "action", {}),
        moment("node1", 4),
    ]
    server.script = {"http://node1": [forged]}
    taken = await take(source_of(server, "node1"), 3)
    assert [event.seq for event in taken if event.kind != "source"] == [1, 4]


async def test_closing_leaves_no_task_behind() -> None:
    server = Server()
    server.script = {"http://node1": [[moment("node1", 1)]]}
    before = len(asyncio.all_tasks())
    await take(source_of(server, "node1", "node2"), 2)
    assert len(asyncio.all_tasks()) == before


def test_model_and_sources_do_not_import_textual() -> None:
    views = (
        "events",
        "header",
        "help",
        "incidents",
        "job_page",
        "jobs",
        "ledger",
        "log",
        "market",
        "node_page",
        "nodes",
        "question_page",
        "topology",
        "waterfall",
    )
    modules = "whisper_tui.model.reducer, whisper_tui.model.paths, whisper_tui.sources.live"
    modules += "".join(f", whisper_tui.model.views.{name}" for name in views)
    code = (
        f"import sys, {modules}; sys.exit(any(m.split('.')[0] in ('textual', 'rich') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_stream_told_to_try_again_in_the_moment_it_is_closed_stays_closed() -> None:
    server = Server()
    server.script = {"http://node1": [ConnectionRefusedError("connection refused")]}
    source = source_of(server, "node1")
    await take_without_closing(source, 1)
    await asyncio.sleep(0)  # the follower has begun to sit out its back-off
    source.watch(Endpoint("node1", "http://node1"))
    async with asyncio.timeout(5):
        await source.aclose()
    assert server.asked["http://node1"] == [None]


async def take_without_closing(source: LiveSource, count: int) -> None:
    events = source.events()
    for _ in range(count):
        await anext(events)
