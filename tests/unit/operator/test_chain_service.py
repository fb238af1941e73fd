"""The chain's life under the supervisor: its url is told, it is started again, and done without where it cannot be."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from whisper_tui.supervisor import service
from whisper_tui.supervisor.chain_service import chain_command, chain_service
from whisper_tui.supervisor.schema import ProcessView

GREETS = 'import sys, time; print(\'{"url": "http://127.0.0.1:1"}\', flush=True)'


async def views_of(program: str, logs: Path, states: list[str]) -> list[ProcessView]:
    """The views of a chain that is such a program, as they come, until all `states` have been seen in order."""
    views: asyncio.Queue[ProcessView] = asyncio.Queue()
    chain = chain_service([sys.executable, "-c", program], logs, views.put_nowait)
    read_end, write_end = os.pipe()
    task = asyncio.create_task(chain.run(read_end, dict(os.environ)))
    seen = []
    try:
        async with asyncio.timeout(10):
            for state in states:
                while (view := await views.get()).state != state:
                    pass
                seen.append(view)
    finally:
        chain.end()
        await chain.child.gone()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(read_end)
        os.close(write_end)
    return seen


async def test_its_url_is_told_and_it_is_started_again_when_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BACKOFF_FIRST_S", 0.01)
    first, _, second = await views_of(GREETS, tmp_path, ["running", "exited", "running"])
    assert first.note == second.note == "http://127.0.0.1:1"
    assert first.pid != second.pid


async def test_pauses_grow_while_it_dies_soon_and_start_over_once_it_was_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def short(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(service.asyncio, "sleep", short)
    await views_of("raise SystemExit(1)", tmp_path, ["exited"] * 4)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    pauses.clear()
    monkeypatch.setattr(service, "WELL_S", 0.0)
    await views_of("raise SystemExit(1)", tmp_path, ["exited"] * 4)
    assert pauses[:3] == [1.0, 1.0, 1.0]


async def test_without_an_anvil_the_mesh_goes_on_without_names(tmp_path: Path) -> None:
    program = "import sys; print('chain: no anvil is on PATH', file=sys.stderr); sys.exit(3)"
    (view,) = await views_of(program, tmp_path, ["absent"])
    assert view.note == "chain: no anvil is on PATH; no names are kept"


def test_each_chain_has_a_program_of_its_own() -> None:
    local, anvil = (chain_command(chain, Path("/run/chain"), 8885) for chain in ("local", "anvil"))
    assert local[3:] == ["mesh_core.chain.local", "--dir", "/run/chain", "--port", "8885"]
    assert anvil[3] == "mesh_core.chain.anvil"
