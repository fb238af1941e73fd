"""The console on a large mesh, and a long run gone back to: what a frame, a key and a jump cost."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from mesh_core.api.schema import Event
from tests.bench.figures import Figure, at_least, at_most, bench
from tests.crowd import Crowd, peer_of
from whisper_tui.app import Console, ConsoleOptions
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.recording.folder import BYTES_MAX, Folder
from whisper_tui.recording.opening import open_recording
from whisper_tui.recording.tape import About, Tape
from whisper_tui.script.recorded import Past
from whisper_tui.sources.simulation import Simulated, SimulatedMesh

NODES, JOBS, RECORDS = 500, 10_000, 100_000
FRAMES = 20
HZ = 4
QUESTIONS = 100
EVERY_S = 60.0
DAY_S = 86_400.0


class _Nothing:
    """A source that is silent: frames are asked for by hand."""

    async def events(self) -> AsyncIterator[Event]:
        """None, for ever."""
        await asyncio.Event().wait()
        yield  # type: ignore[misc]


@bench("console")
def console() -> Iterable[Figure]:
    """500 participants that each tell of all others, 10,000 jobs, 100,000 records."""
    crowd = Crowd(NODES, observers=NODES)
    began = time.process_time()
    state = crowd.state(jobs=JOBS, records=RECORDS)
    events = crowd.told
    per_s = events / (time.process_time() - began)
    frames, keys = asyncio.run(_drawn(crowd, state))
    size = f"{NODES} participants, {JOBS:,} jobs, {RECORDS:,} records"
    yield at_least("events_reduced_per_s", per_s, "1/s", None, f"CPU time, {events:,} events of {size}")
    worst = max(frames, key=frames.__getitem__)
    how = f"CPU time of a frame in which something has changed, {HZ} a second, 120x40, the dearest view ({worst})"
    yield at_most("console_cpu_large_mesh", frames[worst] * HZ * 100, "%", 6, how)
    slow = max(keys, key=keys.__getitem__)
    yield at_most("console_key_large_mesh", keys[slow] * 1000, "ms", 50, f"from key to frame, view {slow}")


async def _drawn(crowd: Crowd, state: State) -> tuple[dict[str, float], dict[str, float]]:
    """Mean seconds of a frame and of a key, by view."""
    app = Console(_Nothing(), Past(), ConsoleOptions(primary=peer_of(0), wall_ms=lambda: crowd.now_ms))
    frames: dict[str, float] = {}
    keys: dict[str, float] = {}
    async with app.run_test(size=(120, 40)) as pilot:
        for view in "12345678":
            app._state = state
            await pilot.press(view)
            await pilot.pause()
            app.draw()
            spent = 0.0
            for number in range(FRAMES):
                app._state = reduce(app._state, crowd.job(JOBS - 1 - number, tokens=number))
                began = time.process_time()
                app.tick()
                spent += time.process_time() - began
            frames[view] = spent / FRAMES
            began = time.process_time()
            for _ in range(FRAMES):
                await pilot.press("j")
            keys[view] = (time.process_time() - began) / FRAMES
    return frames, keys


@bench("recording")
def recording() -> Iterable[Figure]:
    """A simulated mesh of six that is asked a question a minute."""
    mesh = SimulatedMesh(Simulated(seed="recorded", fast=False, exec_delay_s=0.5))
    about = About(0.0, "local", mesh.primary, 500.0, 6, fast=False, program="bench")
    with tempfile.TemporaryDirectory() as folder:
        store = Folder(Path(folder), mesh.now_ms)
        tape = Tape(store, about, initial_state(primary=mesh.primary))
        for event in mesh.advance(2.0):
            tape.take(event, reduce(tape.state, event))
        spent, told = 0.0, 0
        for _ in range(QUESTIONS):
            mesh.submit("How does a network learn from its mistakes?")
            for _ in range(round(EVERY_S / 5)):
                events = mesh.advance(5.0)
                began = time.process_time()
                for event in events:
                    tape.take(event, reduce(tape.state, event))
                tape.flush()
                spent += time.process_time() - began
                told += len(events)
        size = sum(path.stat().st_size for path in store.folder.iterdir())
        timeline = open_recording(Path(folder)).timeline
        jumps = []
        for part in range(1, 20):
            fresh = open_recording(Path(folder)).timeline
            began = time.process_time()
            fresh.at(timeline.first + (timeline.last - timeline.first) * part // 20)
            jumps.append(time.process_time() - began)
    day = size / (QUESTIONS * EVERY_S) * DAY_S
    how = f"{QUESTIONS} questions, one a minute; six simulated providers"
    yield at_most("recording_per_day", day / 2**20, "MiB", BYTES_MAX / 2**20, how)
    yield at_most("recording_cpu_per_event", spent / told * 1e6, "us", None, f"{told:,} events, {how}")
    yield at_most("recording_seek", max(jumps) * 1000, "ms", 1000, "CPU time of the slowest of 19 jumps")
