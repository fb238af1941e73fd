"""A run of real processes is recorded by a process of its own, whatever becomes of that process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.e2e.command_line import Mesh
from whisper_tui.model import selectors
from whisper_tui.recording import frames
from whisper_tui.recording.opening import open_recording
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView

PATIENCE_S = 30.0


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    mesh = Mesh(tmp_path / "run")
    yield mesh
    mesh.whisper("down")


def recorder(mesh: Mesh, fits: Callable[[ProcessView], bool]) -> ProcessView:
    """The recorder as soon as it is as wished for."""

    async def until() -> ProcessView:
        client = SupervisorClient(RunDir(mesh.folder))
        async with asyncio.timeout(PATIENCE_S), aclosing(client.events()) as events:
            async for event in events:
                if event.kind == "process" and event.data["part"] == "recorder":
                    view = ProcessView(**event.data)
                    if fits(view):
                        return view
        raise AssertionError("the supervisor ended")

    return asyncio.run(until())


def test_a_run_is_recorded_although_its_recorder_is_killed_and_opens_anywhere(
    mesh: Mesh, tmp_path: Path
) -> None:
    assert mesh.up("--count", "3").returncode == 0
    first = recorder(mesh, lambda view: view.state == "running")
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0
    os.kill(first.pid, signal.SIGKILL)
    again = recorder(mesh, lambda view: view.state == "running" and view.pid != first.pid)
    assert again.pid
    assert mesh.whisper("kill", "node1").returncode == 0
    assert mesh.whisper("submit", "What is a kernel?").returncode == 0
    assert mesh.whisper("down").returncode == 0

    (listed,) = mesh.json("recordings")
    folder = Path(listed["path"])
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    token = (mesh.folder / "token").read_bytes().strip()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    shutil.rmtree(mesh.folder)

    recording = open_recording(elsewhere)
    state = recording.timeline.at(recording.timeline.last)
    assert state.rejected == 0 and recording.about.providers == 3
    assert [incident.targets for incident in state.incidents] == [("node1",)]
    assert {entry.view.label: entry.view.state for entry in state.queries.values()} == {
        "q1": "answered",
        "q2": "answered",
    }
    assert selectors.counters(state).jobs_settled == 8
    told = b"".join(map(unpacked, elsewhere.iterdir()))
    assert b"What is a kernel?" in told and token not in told


def unpacked(segment: Path) -> bytes:
    """Everything that a segment holds."""
    parts: list[bytes] = []
    stream = zlib.decompressobj()
    for frame in frames.read(memoryview(segment.read_bytes())):
        if frame.kind in (frames.Kind.BASE, frames.Kind.CHANGES):
            parts.append(frames.inflated(frame.payload, frames.SNAPSHOTS_BYTES_MAX))
            stream = zlib.decompressobj()
        elif frame.kind is frames.Kind.EVENTS:
            parts.append(stream.decompress(frame.payload))
    return b"".join(parts)


def test_what_is_not_to_be_recorded_is_not_and_that_is_kept(mesh: Mesh) -> None:
    assert mesh.up("--count", "3", "--no-record").returncode == 0
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0
    assert mesh.whisper("down").returncode == 0
    assert not (mesh.folder / "recordings").exists()
    assert "nothing was recorded here" in mesh.whisper("recordings").stdout
    again = mesh.up()
    assert (
        "kept from before: 3 providers, not recorded; change with --count 6 --record"
        in again.stdout + again.stderr
    )
