"""`python -m tests.simulation --seeds N [--start S] [--profile P] [--jobs J]`, or one seed: `--seed N --trace`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.profiles import PROFILES
from tests.simulation.runner import Outcome, run_seed

_LAST_LINES = 25
_CHUNK = 4


def main() -> int:
    """Run seeds; 0 when all passed."""
    arguments = _parse()
    if arguments.seed is not None:
        return _one(arguments.seed, arguments.profile, trace=arguments.trace)
    return _many(range(arguments.start, arguments.start + arguments.seeds), arguments.profile, arguments.jobs)


def _one(seed: int, profile: str | None, *, trace: bool) -> int:
    outcome = run_seed(seed, profile, telling=True)
    if trace:
        print("\n".join(outcome.lines))
        print(f"trace hash {outcome.trace_hash}")
    elif not outcome.passed:
        _report(outcome)
    return _verdict(int(outcome.passed), int(not outcome.passed))


def _many(seeds: range, profile: str | None, jobs: int) -> int:
    began = time.perf_counter()
    failed = 0
    virtual_s = 0.0
    with ProcessPoolExecutor(jobs) as pool:
        for outcome in pool.map(partial(run_seed, profile=profile), seeds, chunksize=_CHUNK):
            virtual_s += outcome.virtual_s
            if not outcome.passed:
                failed += 1
                # Runs repeat exactly, so the story is told only where somebody will read it.
                _report(run_seed(outcome.seed, profile, telling=True))
    took = time.perf_counter() - began
    print(
        f"{len(seeds)} seeds, {virtual_s:.0f} virtual seconds in {took:.1f} s: {len(seeds) / took:.1f} seeds/s"
    )
    return _verdict(len(seeds) - failed, failed)


def _verdict(passed: int, failed: int) -> int:
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _report(outcome: Outcome) -> None:
    print(f"seed {outcome.seed} ({outcome.profile}) breaks {outcome.invariant}: {outcome.detail}")
    for line in outcome.lines[-_LAST_LINES:]:
        print(f"    {line}")
    print(
        f"  again: python -m tests.simulation --seed {outcome.seed} --profile {outcome.profile} --trace",
        flush=True,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run (default 200)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell its story")
    parser.add_argument(
        "--profile", choices=[*PROFILES, "mixed"], help="one profile for all (default: drawn)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per CPU)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
