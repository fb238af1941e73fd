"""What pages and lists say, as text. `pytest tests/snapshots --snapshot-update` after a change that is meant; look first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.console.feeder import Feeder, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.console.library import Library

TEXTS = Path(__file__).parent / "texts"
SMALL, LARGE = (80, 24), (120, 40)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are local times."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def disturbed() -> Feeder:
    """A mesh that was rescued, then paused in part, with one replica behind."""
    mesh = rescue_story()
    mesh.wait(5_000)
    mesh.action("pause", ["node5"], "whisper-tui pause node5")
    mesh.wait(100)
    mesh.suspect("node5")
    mesh.replicas("node3", root="cd" * 32, missing=3)
    return mesh


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("ledger_small", SMALL, ("5",)),
        ("ledger_large", LARGE, ("5",)),
        ("ens_small", SMALL, ("6",)),
        ("incidents_small", SMALL, ("7",)),
        ("incidents_large", LARGE, ("7",)),
        ("incident_large", LARGE, ("7", "G", "enter")),
        ("difference_small", SMALL, ("5", "tab", "space", "j", "space", "enter")),
        ("record_small", SMALL, ("5", "j", "enter")),
        ("raw_small", SMALL, ("5", "enter", "G", "enter")),
        ("node_large", LARGE, ("2", "enter")),
        ("lease_large", LARGE, ("2", "enter", *("j",) * 7, "enter")),
    ],
)
async def test_a_screen_reads_as_it_did(
    name: str, size: tuple[int, int], keys: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    mesh = disturbed()
    bench = Bench(mesh, Library(mesh))
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, *keys)
        shown = bench.text().rstrip("\n") + "\n"
    path = TEXTS / f"{name}.txt"
    if request.config.getoption("update_snapshots"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
