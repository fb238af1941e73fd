"""Coverage-guided fuzzing of everything that takes bytes from outside: each target in a process of its own.

All targets, a minute each: no arguments. What one input does: `TARGET --input FILE`, which needs no fuzzer.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.targets import TARGETS

NO_ATHERIS = "tests.fuzz: atheris is not installed: pip install -e '.[fuzz]'"


def main() -> int:
    """Fuzz; 0 when nothing was found."""
    arguments = _parse()
    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown:
        print(f"tests.fuzz: no target {unknown[0]}; there are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    if arguments.input is not None:
        return _repeat(arguments.targets, arguments.input)
    if importlib.util.find_spec("atheris") is None:
        print(NO_ATHERIS, file=sys.stderr)
        return 2
    failed = 0
    for name in arguments.targets or TARGETS:
        outcome = campaign.fuzz(TARGETS[name], arguments.seconds, arguments.corpus)
        print(outcome.text, flush=True)
        failed += not outcome.passed
    return 1 if failed else 0


def _repeat(targets: list[str], file: Path) -> int:
    """Give one input to one target; whatever it raises is shown in full."""
    if len(targets) != 1:
        print("tests.fuzz: --input belongs to one target", file=sys.stderr)
        return 2
    try:
        data = file.read_bytes()
    except OSError as error:
        print(f"tests.fuzz: {file}: {error.strerror}", file=sys.stderr)
        return 2
    TARGETS[targets[0]].run(data)
    print(f"{targets[0]}: {len(data)} bytes, nothing wrong")
    return 0


def _parse() -> argparse.Namespace:
    targets = "\n".join(f"  {target.name:<14} {target.about}" for target in TARGETS.values())
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        epilog=f"targets:\n{targets}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="what to fuzz (default: everything)")
    add("--seconds", type=int, default=60, metavar="N", help="how long for each target (default 60)")
    add(
        "--corpus",
        type=Path,
        default=Path("build/fuzz"),
        metavar="DIR",
        help="keeps inputs (default build/fuzz)",
    )
    add("--input", type=Path, metavar="FILE", help="run this one input")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
