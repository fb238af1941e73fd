"""`python -m tests.bench [NAME…] [--json F] [--report]`: measure and compare with the targets."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.bench import axl_nodes, blocks, console, growth, live, load, report, simulated, terminal  # noqa: F401  (importing registers their benches)
from tests.bench.figures import BENCHES, LONG, Figure


def main() -> int:
    """Run the benches asked for; exit code 2 for an unknown name or a missing library."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(BENCHES)}; all but {', '.join(LONG)} when none is named",
    )
    parser.add_argument("--json", metavar="F", help="write the rows to a file, - for standard output")
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks.md and its plots")
    parser.add_argument(
        "--runs", type=int, metavar="N", help="how often each runs (default 1, for a report 3)"
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        print(f"no bench is called {unknown[0]}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    if options.report and find_spec("matplotlib") is None:
        print("--report draws with matplotlib: pip install -e '.[report]'", file=sys.stderr)
        return 2
    passes = options.runs or (3 if options.report else 1)
    names = options.names or [name for name in BENCHES if name not in LONG]
    runs = {name: [_figures(name) for _ in range(passes)] for name in names}
    rows = [figure.row() for of_bench in runs.values() for figures in of_bench for figure in figures]
    if options.json == "-":
        print(json.dumps(rows, indent=1))
    elif options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if options.report:
        report.write(report.rows(runs))
    return 0


def _figures(name: str) -> list[Figure]:
    figures = []
    for figure in BENCHES[name]():
        figures.append(figure)
        print(_line(figure), file=sys.stderr, flush=True)
    return figures


def _line(figure: Figure) -> str:
    mark = {True: "met   ", False: "MISSED", None: "      "}[figure.met]
    target = "" if figure.target is None else f"{figure.bound} {figure.target:g}"
    return f"{mark} {figure.name:52} {figure.value:12.3f} {figure.unit:10} {target}"


if __name__ == "__main__":
    raise SystemExit(main())
