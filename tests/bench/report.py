"""`python -m tests.bench --report [NAME…]`: docs/benchmarks.md, with every figure's target, spread and way of measuring.

What was measured is kept beside it: a bench that is not run this time keeps the figures it had. Figures whose names end in a
number are points of a curve, which is drawn beside the table.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import ssl
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from tests.bench.baselines import BASELINES
from tests.bench.figures import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
PLOTS = DOCS / "benchmarks"
MEASURED = PLOTS / "measured.json"
_POINT = re.compile(r".+_\d+")
_POINTS_MIN = 3

_OPENING = """\
# Benchmarks

Printed by `python -m tests.bench --report`; `python -m tests.bench NAME` repeats one bench. A figure is the median of its runs,
with the least and the greatest behind it where there were several. *Before* is what an earlier implementation of the same
idea reached: its own code, over an in-memory transport without network cost, on the same kind of machine.

{machine}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure over all runs."""

    bench: str
    figure: Figure
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of its values."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target, None without one."""
        return replace(self.figure, value=self.median).met


def rows(runs: Mapping[str, Sequence[Sequence[Figure]]]) -> list[Row]:
    """The figures of each bench, run by run, put together by name. A figure that a run did not give counts as missing."""
    found: list[Row] = []
    for bench, passes in runs.items():
        for figure in passes[0]:
            values = tuple(one.value for figures in passes for one in figures if one.name == figure.name)
            found.append(Row(bench, figure, values))
    return found


def write(found: Sequence[Row]) -> None:
    """Write the page and its plots, with the benches of `found` in place of what was measured of them before."""
    PLOTS.mkdir(exist_ok=True)
    kept = msgspec.json.decode(MEASURED.read_bytes(), type=list[Row]) if MEASURED.exists() else []
    now = {row.bench for row in found}
    found = sorted([*(row for row in kept if row.bench not in now), *found], key=lambda row: row.bench)
    curves = curves_of(found)
    for old in PLOTS.glob("*.svg"):
        if old.stem not in curves:
            old.unlink()
    for name, rows_of in curves.items():
        _draw(name, rows_of, PLOTS / f"{name}.svg")
    MEASURED.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    PAGE.write_text(page(found, curves, machine()), encoding="utf-8")


def page(found: Sequence[Row], curves: Mapping[str, Sequence[Row]], where: str) -> str:
    """The page as Markdown."""
    parts = [_OPENING.format(machine=where)]
    for bench in dict.fromkeys(row.bench for row in found):
        of_bench = [row for row in found if row.bench == bench]
        parts.append(f"## {bench}\n\n{_table(of_bench)}")
        plotted = [name for name, rows_of in curves.items() if rows_of[0].bench == bench]
        parts.extend(f"![{name}](benchmarks/{name}.svg)\n" for name in plotted)
    return "\n".join(parts)


def _table(found: Iterable[Row]) -> str:
    lines = ["| figure | measured | unit | target | before | how |", "|---|---|---|---|---|---|"]
    for row in found:
        figure = row.figure
        spread = f" ({_number(min(row.values))}–{_number(max(row.values))})" if len(row.values) > 1 else ""
        missed = " **missed**" if row.met is False else ""
        target = "–" if figure.target is None else f"{figure.bound} {_number(figure.target)}"
        cells = [
            f"`{figure.name}`",
            f"{_number(row.median)}{spread}{missed}",
            figure.unit or "–",
            target,
            BASELINES.get(figure.name, "–"),
            figure.how,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    if value and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def curves_of(found: Iterable[Row]) -> dict[str, list[Row]]:
    """The curves with enough points to be worth a drawing, by name, each in its order."""
    curves: dict[str, list[Row]] = {}
    for row in found:
        if _POINT.fullmatch(row.figure.name):
            curves.setdefault(row.figure.name.rpartition("_")[0], []).append(row)
    return {name: sorted(points, key=_at) for name, points in curves.items() if len(points) >= _POINTS_MIN}


def _at(point: Row) -> int:
    return int(point.figure.name.rpartition("_")[2])


def _draw(name: str, points: Sequence[Row], file: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = name  # the same figures give the same file
    from matplotlib import pyplot

    at = [_at(row) for row in points]
    drawing, axes = pyplot.subplots(figsize=(6, 3))
    axes.errorbar(
        at,
        [row.median for row in points],
        yerr=[
            [row.median - min(row.values) for row in points],
            [max(row.values) - row.median for row in points],
        ],
        marker="o",
        capsize=3,
    )
    axes.set_xscale("log")
    axes.set_xticks(at, [str(one) for one in at])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("members")
    axes.set_ylabel(points[0].figure.unit)
    axes.set_title(name.replace("_", " "))
    drawing.tight_layout()
    drawing.savefig(file, metadata={"Date": None})
    pyplot.close(drawing)


def machine() -> str:
    """What it was measured on, in one sentence."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"Machine: {os.cpu_count()} cores of {model}, {memory_gib:.0f} GiB of memory, virtual; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, "
        f"SQLite {sqlite3.sqlite_version}."
    )
