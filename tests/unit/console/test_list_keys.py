"""What the operator can do to every list, with real keys."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.unit.console.feeder import peer_of, rescue_story
from tests.unit.console.harness import Bench, CountingDriver

SIZES = [(80, 24), (120, 40), (200, 60)]


def rows(bench: Bench) -> list[str]:
    """First words of the rows of the list that keys go to."""
    table = bench.console.main.overview.nodes
    return [table.table.row(key)[0][0].text for key in table.table.keys]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def typed(bench: Bench, pilot: Pilot[Any], text: str) -> None:
    names = {
        " ": "space",
        "!": "exclamation_mark",
        "=": "equals_sign",
        ">": "greater_than_sign",
        "/": "slash",
    }
    await bench.press(pilot, *(names.get(char, char) for char in text))


@pytest.mark.parametrize("size", SIZES)
async def test_a_filter_works_while_it_is_typed_stays_after_enter_and_goes_with_escape(
    size: tuple[int, int],
) -> None:
    bench = Bench(rescue_story(until="confirmed"))
    async with bench.console.run_test(size=size) as pilot:
        await typed(bench, pilot, "/state=dead")
        assert rows(bench) == ["node2", "node4", "node6"]
        await bench.press(pilot, "enter")
        assert "/state=dead 3 of 7" in bench.text()
        await bench.press(pilot, "j", "X")
        assert bench.lines()[-1].endswith("node4")
        await bench.press(pilot, "escape", "escape")
        assert len(rows(bench)) == 7 and "3 of 7" not in bench.text()


async def test_escape_in_the_field_drops_the_filter() -> None:
    bench = Bench(rescue_story(until="confirmed"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await typed(bench, pilot, "/!dead")
        assert rows(bench) == ["node1", "node3", "node5", "operator"]
        await bench.press(pilot, "escape")
        assert len(rows(bench)) == 7
        await bench.press(pilot, "j", "8", "1", "g", "X")
        assert bench.lines()[-1].endswith("node1")


async def test_a_filter_that_matches_nothing_says_how_to_see_everything() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await typed(bench, pilot, "/nobody")
        assert "/nobody matches nothing: esc shows everything" in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_o_sorts_by_the_next_column_and_capital_o_turns_it_round(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story(until="confirmed"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "o")
        assert rows(bench)[0] == "node1" and "NODE↑" in bench.text() and "by NODE ↑" in bench.text()
        await bench.press(pilot, "O")
        assert rows(bench)[:2] == ["operator", "node6"] and "NODE↓" in bench.text()
        await bench.press(pilot, "o")
        assert "STATE↑" in bench.text() and rows(bench)[-1] == "operator"
        await bench.press(pilot, "escape")
        assert rows(bench)[0] == "node1" and "↑" not in bench.text()


async def test_a_held_order_survives_what_happens() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "o", "o", "F")
        before = rows(bench)
        bench.mesh.kill("node1")
        bench.mesh.confirm("node1")
        await bench.settle(pilot)
        assert rows(bench) == before and "order held" in bench.text()
        await bench.press(pilot, "F")
        assert rows(bench) != before and "order held" not in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_z_gives_a_pane_all_the_room_and_takes_it_back(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "z")
        zoomed = bench.console.main.overview.nodes
        assert zoomed.size.width == size[0] and zoomed.size.height == size[1] - 3
        assert "q1 answered" not in bench.text()
        await bench.press(pilot, "z")
        assert zoomed.size.height < size[1] - 6 and "q1 answered" in bench.text()


async def test_another_pane_ends_the_zoom() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "z", "tab")
        assert "NODE " in bench.text() and "TIMELINE" in bench.text()


@pytest.mark.usefixtures("counting")
async def test_y_hands_the_id_to_the_terminals_clipboard() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24), headless=False) as pilot:
        await bench.press(pilot, "j")
        CountingDriver.sent()
        await bench.press(pilot, "y")
        CountingDriver.sent()
        copied = base64.b64encode(peer_of("node2").encode()).decode()
        assert f"\x1b]52;c;{copied}\a" in CountingDriver.written[-1]
        assert f"copied {peer_of('node2')[:16]}" in bench.text()


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.app.App.get_driver_class", lambda _: CountingDriver)


async def test_e_writes_the_rows_that_are_shown_as_json(tmp_path: Path) -> None:
    bench = Bench(rescue_story(until="confirmed"), exports=tmp_path / "exports")
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await typed(bench, pilot, "/state=dead")
        await bench.press(pilot, "enter", "o", "O", "e")
        assert "written:" in bench.text()
    (path,) = files(tmp_path / "exports")
    content = json.loads(path.read_text())
    assert path.name.startswith("nodes-") and path.stat().st_mode & 0o777 == 0o600
    assert [row["node"] for row in content["rows"]] == ["node6", "node4", "node2"]
    assert content["rows"][0]["id"] == peer_of("node6") and content["rows"][0]["state"] == "✖ dead"
    assert (content["filter"], content["sorted_by"], content["descending"]) == ("state=dead", "NODE", True)


async def test_e_twice_in_a_second_writes_two_files_and_pages_become_text(tmp_path: Path) -> None:
    bench = Bench(rescue_story(), exports=tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "e", "e", "8", "e", "1", "enter", "e")
    names = sorted(path.name.partition("-")[0] for path in files(tmp_path))
    assert names == ["log", "node", "nodes", "nodes"]
    log = next(path for path in files(tmp_path) if path.name.startswith("log"))
    assert "node2 confirmed dead" in log.read_text() and len(log.read_text().splitlines()) > 60


async def test_an_export_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("no folder")
    bench = Bench(rescue_story(), exports=tmp_path / "exports")
    async with bench.console.run_test(size=(200, 60)) as pilot:
        await bench.press(pilot, "e")
        assert "exports: File exists" in bench.text()


async def test_capital_s_writes_a_picture_of_the_screen(tmp_path: Path) -> None:
    bench = Bench(rescue_story(), exports=tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "S")
    (path,) = files(tmp_path)
    assert path.suffix == ".svg" and "node4" in path.read_text() and path.read_text().startswith("<svg")


async def test_p_freezes_what_is_shown_and_counts_what_comes_in() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "p")
        told = len(bench.mesh.events)
        bench.mesh.kill("node4")
        await bench.settle(pilot)
        assert f"FROZEN +{len(bench.mesh.events) - told}" in bench.text() and "killed" not in bench.text()
        await bench.press(pilot, "p")
        assert "node4 killed by you" in bench.text() and "FROZEN" not in bench.text()


async def test_a_click_on_a_title_sorts_by_it() -> None:
    bench = Bench(rescue_story(until="confirmed"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        await pilot.click("#nodes", offset=(2, 0))
        await pilot.click("#nodes", offset=(2, 0))
        await bench.settle(pilot)
        assert rows(bench)[0] == "operator" and "NODE↓" in bench.text()


async def test_every_key_of_a_list_is_in_the_help() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(200, 90)) as pilot:
        await bench.press(pilot, "question_mark")
        shown = bench.text()
        for does in ("filter: words", "sort by the next", "turn the order", "hold the order", "all the room"):
            assert does in shown
        for does in ("OSC 52", "file of the run directory", "(SVG)", "freeze the display"):
            assert does in shown


async def test_an_export_says_when_it_was_so(tmp_path: Path) -> None:
    bench = Bench(rescue_story(), exports=tmp_path)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "e")
    (path,) = files(tmp_path)
    assert json.loads(path.read_text())["at"].startswith("2026-01-01T12:00:0")
