"""What the console looks like. `pytest tests/snapshots --snapshot-update` after a change that is meant; look first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.unit.console.feeder import rescue_story
from tests.unit.console.harness import Bench

SMALL, LARGE, HUGE = (80, 24), (120, 40), (200, 60)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The log shows local times."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("until", "size", "keys", "options"),
    [
        pytest.param("running", SMALL, (), {}, id="overview_small_running"),
        pytest.param("rescued", SMALL, ("tab",), {}, id="overview_small_jobs_rescued"),
        pytest.param("running", LARGE, (), {}, id="overview_large_running"),
        pytest.param("confirmed", LARGE, (), {}, id="overview_large_orphaned"),
        pytest.param("end", LARGE, (), {}, id="overview_large_end"),
        pytest.param("rescued", SMALL, ("tab",), {"ascii": True}, id="overview_small_ascii"),
        pytest.param("rescued", HUGE, ("tab", "j", "j"), {}, id="overview_huge_rescued"),
        pytest.param("confirmed", SMALL, ("2",), {}, id="nodes_small"),
        pytest.param("rescued", LARGE, ("3", "j", "j"), {}, id="jobs_large"),
        pytest.param("confirmed", LARGE, ("4",), {}, id="auctions_large"),
        pytest.param("end", LARGE, ("8",), {}, id="log_large"),
        pytest.param("running", SMALL, ("j", "X"), {}, id="chaos_menu"),
        pytest.param("running", SMALL, ("j", "X", "k"), {}, id="kill_one"),
        pytest.param("rescued", SMALL, ("space", "X", "k"), {}, id="kill_a_quorum"),
        pytest.param("started", SMALL, ("s",), {}, id="submit"),
        pytest.param("end", SMALL, ("q",), {}, id="quit"),
        pytest.param("end", LARGE, ("tab", "enter"), {}, id="question"),
        pytest.param("end", LARGE, ("tab", "j", "j", "enter"), {}, id="job"),
        pytest.param("end", LARGE, ("question_mark",), {}, id="help"),
    ],
)
def test_a_screen_looks_as_it_did(
    until: str,
    size: tuple[int, int],
    keys: tuple[str, ...],
    options: dict[str, Any],
    snap_compare: Callable[..., bool],
) -> None:
    bench = Bench(rescue_story(until=until), **options)

    async def before(pilot: Pilot[Any]) -> None:
        await bench.press(pilot, *keys)

    assert snap_compare(bench.console, terminal_size=size, run_before=before)
