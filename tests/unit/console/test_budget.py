"""What the console sends and how long it takes, as counts that do not depend on the machine where possible."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from textual.pilot import Pilot

from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench, CountingDriver
from whisper_tui.model.sides import sides_of
from whisper_tui.model.views.packets import TRAVEL_MS
from whisper_tui.widgets.table import LineTable


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr("textual.app.App.get_driver_class", lambda _: CountingDriver)


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_nothing_changes_and_nothing_is_sent(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story())
    bench.mesh.wait(TRAVEL_MS)  # the last results have arrived
    async with bench.console.run_test(size=size, headless=False) as pilot:
        await bench.settle(pilot)
        assert CountingDriver.sent() > 2_000
        for _ in range(8):
            bench.mesh.wait(250)
            bench.console.tick()
            await pilot.pause()
        assert CountingDriver.sent() == 0


KEY_S = 0.05
"""Processor time until a key is answered."""

SECOND_BYTES_MAX = 25 * 1024


@pytest.mark.usefixtures("counting")
async def test_six_nodes_under_load_stay_within_25_kib_in_every_second() -> None:
    mesh = rescue_story(until="started")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40), headless=False) as pilot:
        await bench.settle(pilot)
        CountingDriver.sent()
        for second in range(10):
            label, spent = f"q{second + 1}", 0
            mesh.submit(label=label)
            for quarter in range(4):
                for number in range(1, 7):
                    job = f"{label}.{number}"
                    if quarter == 0:
                        mesh.award(job, f"node{number}")
                        mesh.lease(job, f"node{number}")
                    elif quarter < 3:
                        mesh.stream(job, 100 * quarter + number)
                    else:
                        mesh.settle(job)
                spent += await a_frame(bench, pilot)
            assert spent <= SECOND_BYTES_MAX, f"{spent / 1024:.1f} KiB in second {second}"


@pytest.mark.usefixtures("counting")
async def test_the_second_of_a_kill_stays_within_25_kib() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    victims = ("node2", "node4", "node6")
    async with bench.console.run_test(size=(120, 40), headless=False) as pilot:
        await bench.settle(pilot)
        CountingDriver.sent()
        mesh.kill(*victims)
        spent = await a_frame(bench, pilot)
        mesh.suspect(*victims)
        spent += await a_frame(bench, pilot)
        mesh.confirm(*victims)
        spent += await a_frame(bench, pilot)
        for label, holder in (("q1.2", "node1"), ("q1.4", "node3"), ("q1.6", "node5")):
            mesh.lease(label, holder)
        spent += await a_frame(bench, pilot)
        assert spent <= SECOND_BYTES_MAX, f"{spent / 1024:.1f} KiB"


async def a_frame(bench: Bench, pilot: Pilot[Any]) -> int:
    """Bytes of the frame that shows what has been told meanwhile, a quarter of a second later."""
    bench.mesh.wait(250)
    bench.clock.seconds += 0.25
    bench.source.more.set()
    await pilot.pause()
    bench.console.tick()
    await pilot.pause()
    return CountingDriver.sent()


async def test_a_large_mesh_is_drawn_and_answers_keys_quickly() -> None:
    mesh = Feeder(500)
    for name in mesh.everyone:
        mesh.tell("operator", "member", to_builtins(mesh.members[name]))
    for number in range(3_000):
        record = {
            "hash": f"{number:064x}",
            "author": peer_of("node1"),
            "seq": number,
            "kind": "job",
            "job": "",
        }
        mesh.tell("operator", "record", {**record, "summary": "x", "at_ms": START_MS + number, "bytes": 1})
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        table = bench.console.main.overview.nodes
        began = time.process_time()
        for _ in range(20):
            table.action_cursor_down()
        assert (time.process_time() - began) / 20 < 0.05
        began = time.process_time()
        for _ in range(4):
            bench.console.tick()
        assert (time.process_time() - began) / 4 < 0.25
        assert "node21" in bench.text()


@pytest.mark.parametrize("key", ["2", "3", "4"])
async def test_a_large_mesh_is_filtered_and_sorted_within_the_budget_of_a_key(key: str) -> None:
    mesh = Feeder(500)
    for name in mesh.everyone:
        mesh.tell("operator", "member", to_builtins(mesh.members[name]))
    mesh.submit()
    for number in range(1, 501):
        job = mesh.jobs[f"q1.{number}"]
        mesh.tell("operator", "job", to_builtins(replace(job, committee=job.committee[:7])))
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, key)
        table = bench.console.screen.focused
        assert isinstance(table, LineTable) and len(table.table.keys) >= 500
        spent = []
        for act in (table.action_cursor_down, table.action_sort, table.action_turn, table.action_hold):
            began = time.process_time()
            act()
            spent.append(time.process_time() - began)
        assert max(spent) < KEY_S, spent


def test_the_sides_of_a_large_partition_are_found_quickly() -> None:
    mesh = Feeder(500)
    for name in mesh.everyone:
        mesh.tell("operator", "member", to_builtins(mesh.members[name]))
    cut = [peer_of(name) for name in mesh.names[:250]]
    mesh.tell("operator", "node", {**to_builtins(mesh._node("operator")), "partitioned_from": cut})
    for name in mesh.names[250:]:
        mesh.tell(name, "node", {**to_builtins(mesh._node(name)), "partitioned_from": cut})
    state = mesh.state(primary=peer_of("operator"))
    peers = [peer_of(name) for name in mesh.everyone]
    began = time.process_time()
    sides = sides_of(state, peers)
    assert time.process_time() - began < 0.05 and sorted(set(sides.values())) == [0, 1]
