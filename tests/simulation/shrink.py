"""From a failing run to a small one: leaves out trouble, kinds first, then single happenings, while it still fails.

Leaving something out shifts all delays, so each attempt is made under a few of them (delta debugging, Zeller and
Hildebrandt 2002, over a schedule that does not repeat).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.liars import LIES
from tests.simulation.profiles import KINDS, PROFILES
from tests.simulation.runner import Outcome, Plan, run

VARIANTS = 3


class Shrinker:
    """Makes a failing plan smaller. `tell` hears of each step forward."""

    def __init__(self, outcome: Outcome, tell: Callable[[str], None]) -> None:
        self._best = outcome
        self._tell = tell
        self.runs = 0

    def shrink(self) -> Outcome:
        """The smallest failing run found: nothing can be left out of it, one by one."""
        before: Plan | None = None
        while before != self._best.plan:
            before = self._best.plan
            self._leave_out(self._kinds())
            self._leave_out(self._best.happened)
        return self._best

    def _kinds(self) -> list[str]:
        plan = self._best.plan
        rates = PROFILES[plan.profile].draw(f"{plan.seed}/{plan.profile}")
        kinds = [kind for kind in KINDS if getattr(rates, kind)] + (list(LIES) if rates.liars else [])
        return [kind for kind in kinds if kind not in plan.without]

    def _leave_out(self, names: Sequence[str]) -> None:
        """Leave out as many of `names` as the failure allows, in ever smaller groups."""
        group = len(names)
        left = list(dict.fromkeys(names))
        while group >= 1:
            for start in range(0, len(left), group):
                if self._fails_without(left[start : start + group]):
                    left[start : start + group] = [""] * len(left[start : start + group])
            left = [name for name in left if name]
            group //= 2

    def _fails_without(self, names: Sequence[str]) -> bool:
        plan = self._best.plan
        smaller = plan.without | set(names)
        if smaller == plan.without:
            return False
        for variant in dict.fromkeys((plan.variant, *range(VARIANTS))):
            self.runs += 1
            outcome = run(replace(plan, without=smaller, variant=variant))
            if outcome.invariant == self._best.invariant:
                self._best = outcome
                self._tell(f"fails without {' '.join(names)}")
                return True
        return False


def shrink(outcome: Outcome, tell: Callable[[str], None]) -> Outcome:
    """The smallest run that breaks the same invariant as `outcome`, with its story told."""
    smallest = Shrinker(outcome, tell).shrink()
    return run(smallest.plan, telling=True)
