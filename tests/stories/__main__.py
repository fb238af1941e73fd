"""`python -m tests.stories [--rewrite] [NAME…]`: play stories; with --rewrite, write down what they show."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from tests.stories.driver import StoryError, play

FOLDER = Path(__file__).parent


def main() -> int:
    """Play the stories named, or all; 0 when they show what they should."""
    parser = argparse.ArgumentParser(prog="python -m tests.stories", description=__doc__)
    parser.add_argument("names", nargs="*", help="stories, without .txt (default: all)")
    parser.add_argument("--rewrite", action="store_true", help="write down what they show")
    arguments = parser.parse_args()
    paths = [FOLDER / f"{name}.txt" for name in arguments.names] or sorted(FOLDER.glob("*.txt"))
    different = 0
    for path in paths:
        before = path.read_text()
        try:
            after = play(before, path.stem)
        except StoryError as error:
            print(f"{path.name}: {error}")
            return 2
        if after == before:
            continue
        different += 1
        if arguments.rewrite:
            path.write_text(after)
            print(f"rewrote {path.name}")
        else:
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), path.name, "now", lineterm=""
            )
            print("\n".join(lines))
    print(f"{len(paths) - different} as written, {different} different")
    return 1 if different and not arguments.rewrite else 0


if __name__ == "__main__":
    sys.exit(main())
