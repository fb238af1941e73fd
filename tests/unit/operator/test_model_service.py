"""The shared model server: started again when it dies, done without when it cannot run."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whisper_tui.supervisor import service
from whisper_tui.supervisor.model_service import model_service
from whisper_tui.supervisor.schema import ProcessView

READY = (
    "import json, sys, time; print('loading'); print(json.dumps({'url': 'http://127.0.0.1:1'}), flush=True)"
)


class Watched:
    """A model service and the states it went through."""

    def __init__(self, program: str, logs: Path) -> None:
        self.views: asyncio.Queue[ProcessView] = asyncio.Queue()
        self.service = model_service([sys.executable, "-c", program], logs, self.views.put_nowait)
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


@pytest.mark.parametrize("watched", [f"{READY}; time.sleep(60)"], indirect=True)
async def test_its_url_is_told_when_it_is_ready(watched: Watched) -> None:
    assert (await watched.until("running")).note == "http://127.0.0.1:1"


@pytest.mark.parametrize("watched", [READY], indirect=True)
async def test_one_that_dies_is_started_again(watched: Watched) -> None:
    first = await watched.until("running")
    await watched.until("exited")
    second = await watched.until("running")
    assert second.pid != first.pid


@pytest.mark.parametrize(
    "watched", ["import sys; print('no model is installed', file=sys.stderr); sys.exit(3)"], indirect=True
)
async def test_one_without_a_model_is_done_without(watched: Watched) -> None:
    view = await watched.until("absent")
    assert view.note == "no model is installed; answers come from search"
    await watched.task


@pytest.mark.parametrize("watched", ["import sys; sys.exit('port 1 is in use')"], indirect=True)
async def test_one_that_fails_otherwise_is_tried_again_and_says_why(watched: Watched) -> None:
    assert (await watched.until("exited")).note == "exit code 1: port 1 is in use"
    assert (await watched.until("exited")).note == "exit code 1: port 1 is in use"


@pytest.mark.parametrize("watched", [f"{READY}; time.sleep(60)"], indirect=True)
async def test_one_that_was_ended_stays_so(watched: Watched) -> None:
    await watched.until("running")
    watched.service.end()
    await watched.until("stopped")
    await watched.task
