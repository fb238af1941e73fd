"""The report says what was measured: medians with their spread, targets, and curves with enough points."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.figures import at_least, at_most
from tests.bench.report import curves_of, page, rows

RUNS = {
    "growth": [
        [at_most(f"frames_{members}", members * factor, "frames", 50, "counted") for members in (6, 20, 100)]
        for factor in (1, 2, 3)
    ],
    "speed": [
        [at_least("records_merged_per_s", 19_000.4 + run, "per s", 5_000, "timed")] for run in range(3)
    ],
}


def test_a_figure_is_the_median_of_its_runs_with_its_spread() -> None:
    found = {row.figure.name: row for row in rows(RUNS)}
    assert (found["frames_20"].median, found["frames_20"].values) == (40, (20, 40, 60))
    assert (found["frames_6"].met, found["frames_100"].met, found["records_merged_per_s"].met) == (
        True,
        False,
        True,
    )


def test_the_page_names_every_figure_with_its_target_and_what_there_was_before() -> None:
    found = rows(RUNS)
    text = page(found, curves_of(found), "Machine: one.")
    assert "| `frames_100` | 200 (100–300) **missed** | frames | at most 50 | – | counted |" in text
    assert (
        "| `records_merged_per_s` | 19,001 (19,000–19,002) | per s | at least 5,000 | 38–46 | timed |" in text
    )
    assert text.count("missed") == 1
    assert "![frames](benchmarks/frames.svg)" in text


def test_a_bench_that_was_not_run_keeps_its_figures_and_one_that_was_has_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PLOTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "MEASURED", tmp_path / "measured.json")
    monkeypatch.setattr(report, "_draw", lambda *_: None)
    report.write(rows(RUNS))
    again = [at_least("records_merged_per_s", 7_000, "per s", 5_000, "timed anew")]
    larger = [at_most("frames_1000", 9, "frames", 50, "counted")]
    report.write(rows({"speed": [again], "growth_large": [larger]}))
    text = (tmp_path / "page.md").read_text()
    assert "| `frames_100` | 200 (100–300)" in text
    assert "| `frames_1000` | 9 |" in text
    assert "| `records_merged_per_s` | 7,000 |" in text
    assert "19,001" not in text
    assert text.count("![frames](benchmarks/frames.svg)") == 1


def test_two_points_are_no_curve() -> None:
    found = rows(
        {"growth": [[at_most(f"frames_{members}", 1, "frames", None, "counted") for members in (6, 20)]]}
    )
    assert curves_of(found) == {}
