"""Back and forth in time by keys, in the live console and in a replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.recording.runs import Taped
from whisper_tui.commands.replay import Silence
from whisper_tui.recording.opening import open_recording
from whisper_tui.script.recorded import Past

SIZES = [(80, 24), (120, 40)]


def header(bench: Bench) -> str:
    return bench.lines()[0]


@pytest.mark.parametrize("size", SIZES)
async def test_back_to_the_kill_and_forward_to_now(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        assert "LIVE" in header(bench) and "3/6 up" in header(bench)
        await bench.press(pilot, "{")
        assert "PAST" in header(bench) and "6/6 up" in header(bench)
        assert bench.console.frame.state.incidents[-1].open
        await bench.press(pilot, "{")
        assert "there is no incident before this" in bench.text()
        await bench.press(pilot, ".")
        assert "LIVE" in header(bench) and "3/6 up" in header(bench)


async def test_a_step_is_an_entry_of_the_log() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        newest = bench.console.state.log_number
        await bench.press(pilot, "[", "[", "[")
        assert newest - 3 <= bench.console.frame.state.log_number <= newest - 2
        seen = bench.console.frame.state.log_number
        await bench.press(pilot, "]")
        assert bench.console.frame.state.log_number == seen + 1
        await bench.press(pilot, "]", "]", "]", "]")
        assert "LIVE" in header(bench)


async def test_what_happens_meanwhile_is_taken_in_and_the_past_stands_still() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "[")
        shown = bench.console.frame.state
        bench.mesh.wait(500)
        bench.mesh.kill("node2")
        await bench.settle(pilot)
        assert bench.console.frame.state is shown
        assert bench.console.state.incidents
        await bench.press(pilot, "}")
        assert bench.console.frame.state.incidents
        await bench.press(pilot, "}")
        assert "there is no incident after this" in bench.text()


async def test_nothing_is_done_from_the_past_and_it_is_said_how_to_come_back() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "[", "X")
        assert "this is the past: . goes back to now" in bench.text()
        await bench.press(pilot, "s")
        assert bench.deeds.done == [] and "Ask" not in bench.text()
        await bench.press(pilot, ".", "X")
        assert "k kill" in bench.text()


async def test_in_the_log_the_key_for_the_newest_goes_back_to_now_too() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "8", "[", "[")
        assert "PAST" in header(bench)
        await bench.press(pilot, ".")
        assert "LIVE" in header(bench)


# ------------------------------------------------------------------------------------------------ replay


class Replayed(Bench):
    """A console on what a mesh has told, written down and opened again."""

    def __init__(self, mesh: Feeder, folder: Path, **options: Any) -> None:
        Taped(folder, primary=peer_of("operator")).play(mesh.events)
        timeline = open_recording(folder).timeline
        super().__init__(mesh, replay=timeline, read_only=True, only_reading=True, **options)
        self.console._source = Silence()
        self.console._intents._actions = Past()
        self.timeline = timeline

    async def tick(self, pilot: Pilot[Any], seconds: float) -> None:
        self.clock.seconds += seconds
        self.console.tick()
        await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_a_recording_opens_at_its_end_in_the_same_console(
    size: tuple[int, int], tmp_path: Path
) -> None:
    bench = Replayed(rescue_story(), tmp_path)
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        last = bench.timeline.last
        assert f"{last}/{last}" in header(bench) and "REPLAY" in header(bench) and "RO" in header(bench)
        assert "3/6 up" in header(bench) and "✖ dead" in bench.text()
        for view in "2345678":
            await bench.press(pilot, view)
            assert "REPLAY" in header(bench)


async def test_a_replay_refuses_actions_and_says_so(tmp_path: Path) -> None:
    bench = Replayed(rescue_story(until="running"), tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        for key in ("X", "s"):
            await bench.press(pilot, key)
            assert "this is a recording: nothing can be done to it any more" in bench.text()
        await bench.press(pilot, "W")
        assert "opened to read only" in bench.text()


async def test_a_replay_plays_as_fast_as_it_happened_and_stands_still_again(tmp_path: Path) -> None:
    mesh = rescue_story()
    bench = Replayed(mesh, tmp_path)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "{", "p")
        began = bench.console.frame.now_ms
        assert "▶" in header(bench)
        await bench.tick(pilot, 0.25)
        assert bench.console.frame.now_ms == pytest.approx(began + 250, abs=60)
        await bench.press(pilot, "p")
        stands = bench.console.frame.state
        await bench.tick(pilot, 5.0)
        assert bench.console.frame.state is stands


async def test_a_replay_at_its_end_plays_from_the_beginning_and_ends(tmp_path: Path) -> None:
    bench = Replayed(rescue_story(), tmp_path)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "p")
        positions = []
        for _ in range(400):
            await bench.tick(pilot, 0.25)
            positions.append(bench.console._travel.moment().position)
            if positions[-1] == bench.timeline.last:
                break
        assert positions == sorted(positions) and positions[0] < positions[-1] == bench.timeline.last


async def test_a_recorded_mesh_that_was_stopped_is_a_replay_all_the_same(tmp_path: Path) -> None:
    mesh = rescue_story()
    mesh.action("down", mesh.everyone, "whisper-tui down")
    mesh.tell("supervisor", "source", {"node": "supervisor", "state": "lost", "peer": "", "retry_ms": 100})
    bench = Replayed(mesh, tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "REPLAY" in header(bench) and "whisper-tui up" not in bench.text()


async def test_quitting_a_replay_asks_nothing(tmp_path: Path) -> None:
    bench = Replayed(rescue_story(), tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        await pilot.press("q")
        await pilot.pause()
    assert bench.console.return_value is not None


async def test_a_replay_begins_where_it_was_told_to(tmp_path: Path) -> None:
    mesh = rescue_story()
    kill = next(e for e in mesh.events if e.kind == "action" and e.data["action"] == "kill")
    bench = Replayed(mesh, tmp_path, at_ms=kill.at_ms - 1)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "6/6 up" in header(bench) and not bench.console.frame.state.incidents
