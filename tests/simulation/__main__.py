"""Seeded runs of the whole protocol under faults.

Many seeds: `--seeds N [--start S]`. One seed: `--seed N`, with its story: `--trace`, made as small as possible
while it still fails: `--shrink`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

from tests.simulation.liars import LIES
from tests.simulation.profiles import KINDS, PROFILES
from tests.simulation.runner import Outcome, Plan, run, run_seed
from tests.simulation.shrink import shrink

_LAST_LINES = 25
_TOLD_MAX = 10
_CHUNK = 4


def main() -> int:
    """Run seeds; 0 when all passed."""
    arguments = _parse()
    if arguments.seed is None:
        seeds = range(arguments.start, arguments.start + arguments.seeds)
        return _many(seeds, arguments.profile, arguments.jobs)
    plan = replace(
        Plan.of(arguments.seed, arguments.profile),
        without=frozenset(filter(None, arguments.without.split(","))),
        variant=arguments.variant,
    )
    return _shrink(plan) if arguments.shrink else _one(plan, trace=arguments.trace)


def _one(plan: Plan, *, trace: bool) -> int:
    outcome = run(plan, telling=True)
    if trace:
        print("\n".join(outcome.lines))
        print(f"trace hash {outcome.trace_hash}")
    elif not outcome.passed:
        _report(outcome)
    return _verdict(int(outcome.passed), int(not outcome.passed))


def _shrink(plan: Plan) -> int:
    outcome = run(plan)
    if not outcome.passed:
        outcome = shrink(outcome, lambda line: print(line, flush=True))
        print("\n".join(outcome.lines))
        print(f"  again: {outcome.plan.command('--trace')}")
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
                _report(run(outcome.plan, telling=True) if failed <= _TOLD_MAX else outcome)
    took = time.perf_counter() - began
    print(
        f"{len(seeds)} seeds, {virtual_s:.0f} virtual seconds in {took:.1f} s: {len(seeds) / took:.1f} seeds/s"
    )
    return _verdict(len(seeds) - failed, failed)


def _verdict(passed: int, failed: int) -> int:
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _report(outcome: Outcome) -> None:
    plan = outcome.plan
    print(f"seed {plan.seed} ({plan.profile}) breaks {outcome.invariant}: {outcome.detail}")
    for line in outcome.lines[-_LAST_LINES:]:
        print(f"    {line}")
    print(f"  its story:   {plan.command('--trace')}")
    print(f"  its essence: {plan.command('--shrink')}", flush=True)


def _parse() -> argparse.Namespace:
    profiles = "\n".join(f"  {name:<15} {profile.about}" for name, profile in PROFILES.items())
    kinds = "\n".join(f"  {name:<17} {means}" for name, means in KINDS.items())
    vices = "\n".join(f"  {name:<15} {vice.about}" for name, vice in LIES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        epilog=f"profiles:\n{profiles}\n\nkinds of trouble:\n{kinds}\n\nvices of liars:\n{vices}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seeds", type=int, default=200, metavar="N", help="how many seeds to run (default 200)")
    add("--start", type=int, default=0, metavar="S", help="the first seed (default 0)")
    add("--seed", type=int, metavar="N", help="run this one seed")
    add("--trace", action="store_true", help="with --seed: tell its story")
    add("--shrink", action="store_true", help="with --seed: leave out trouble while it still fails")
    add(
        "--without", default="", metavar="A,B", help="with --seed: leave out kinds and happenings (crashes#3)"
    )
    add("--variant", type=int, default=0, metavar="V", help="with --seed: the same trouble, other delays")
    add("--profile", choices=PROFILES, metavar="P", help="one profile for all (default: drawn from the seed)")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="J", help="processes (default: one per CPU)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
