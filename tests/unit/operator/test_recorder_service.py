"""The recorder's life: started again when it dies, ended for good with the mesh."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whisper_tui.supervisor import service
from whisper_tui.supervisor.recorder_service import recorder_command, recorder_service
from whisper_tui.supervisor.schema import ProcessView


class Watched:
    """A recorder and the states it went through."""

    def __init__(self, program: str, logs: Path) -> None:
        self.views: asyncio.Queue[ProcessView] = asyncio.Queue()
        self.service = recorder_service([sys.executable, "-c", program], logs, self.views.put_nowait)
        self.read_end, self.write_end = os.pipe()
        self.task = asyncio.create_task(self.service.run(self.read_end, dict(os.environ)))

    async def until(self, state: str) -> ProcessView:
        async with asyncio.timeout(10):
            while (view := await self.views.get()).state != state:
                pass
            return view

    async def close(self) -> None:
        self.service.end()
        await self.service.child.gone()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.fixture
async def watched(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    monkeypatch.setattr(service, "BACKOFF_FIRST_S", 0.01)
    watched = Watched(request.param, tmp_path)
    yield watched
    await watched.close()


@pytest.mark.parametrize("watched", ["import sys; sys.exit('no room')"], indirect=True)
async def test_one_that_dies_is_started_again_and_says_why(watched: Watched) -> None:
    assert (await watched.until("exited")).note == "exit code 1: no room"
    await watched.until("running")
    await watched.until("exited")


@pytest.mark.parametrize("watched", ["import time; time.sleep(60)"], indirect=True)
async def test_one_that_is_ended_stays_so(watched: Watched) -> None:
    await watched.until("running")
    watched.service.end()
    await watched.until("stopped")
    async with asyncio.timeout(10):
        await watched.task


def test_it_is_told_which_run_it_records() -> None:
    assert recorder_command(Path("/run"), 12.0)[-5:] == [
        "whisper_tui.recording",
        "--run-dir",
        "/run",
        "--began-ms",
        "12",
    ]
