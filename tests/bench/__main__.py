"""`python -m tests.bench [NAME…] [--json F]`: measure and compare with the targets."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench import axl_nodes, blocks, growth, live, load, simulated  # noqa: F401  (importing registers their benches)
from tests.bench.figures import BENCHES, Figure


def main() -> int:
    """Run the benches asked for; exit code 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHES)}")
    parser.add_argument("--json", metavar="F", help="write the rows to a file, - for standard output")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        print(f"no bench is called {unknown[0]}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    for name in options.names or BENCHES:
        for figure in BENCHES[name]():
            figures.append(figure)
            print(_line(figure), file=sys.stderr, flush=True)
    rows = [figure.row() for figure in figures]
    if options.json == "-":
        print(json.dumps(rows, indent=1))
    elif options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _line(figure: Figure) -> str:
    mark = {True: "met   ", False: "MISSED", None: "      "}[figure.met]
    target = "" if figure.target is None else f"{figure.bound} {figure.target:g}"
    return f"{mark} {figure.name:52} {figure.value:12.3f} {figure.unit:10} {target}"


if __name__ == "__main__":
    raise SystemExit(main())
