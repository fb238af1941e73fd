"""Runs one seed to its end and says how it went."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh_core.simulation.checkers import INVARIANTS, Checkers
from mesh_core.simulation.disk import VoteOverwritten
from mesh_core.simulation.invariants import Invariant, Violation
from tests.simulation.profiles import PROFILES, draw_profile
from tests.simulation.real_keys import RealKeys
from tests.simulation.scenario import Scenario

LOOK_EVERY_S = 0.25
AFTERMATH_S = 0.5
"""A world at rest is watched this much longer. What begins meanwhile, such as a question that was refused until now, is
waited for: books are compared where nobody is at work on them."""

REPEAT_EVERY = 20

REAL_CRYPTO_EVERY = 50
"""One seed in this many runs on real cryptography; since that draws its own randomness, it never repeats exactly."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What defines a run: a seed, a profile, what is left out of it, and which delays it has."""

    seed: int
    profile: str
    without: frozenset[str] = frozenset()
    variant: int = 0

    @classmethod
    def of(cls, seed: int, profile: str | None = None) -> Plan:
        """The whole seed, under the profile it draws unless one is named."""
        return cls(seed, profile or draw_profile(seed))

    def command(self, then: str) -> str:
        """What to type to see it again."""
        left_out = f" --without {','.join(sorted(self.without))}" if self.without else ""
        variant = f" --variant {self.variant}" if self.variant else ""
        return f"python -m tests.simulation --seed {self.seed} --profile {self.profile}{left_out}{variant} {then}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed went. `invariant` is empty when it passed; `lines` is the story, if it was told.

    `happened` names the single happenings up to the end.
    """

    plan: Plan
    invariant: str
    detail: str
    trace_hash: str
    virtual_s: float
    frames: int
    happened: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all invariants held and the world came to rest."""
        return not self.invariant


def run_seed(seed: int, profile: str | None = None) -> Outcome:
    """Run the whole of `seed` until its world is at rest, an invariant breaks, or its time is up.

    One seed in `REPEAT_EVERY` runs twice: both runs must be the same to the last byte.
    """
    outcome = run(Plan.of(seed, profile))
    if outcome.passed and seed % REPEAT_EVERY == REPEAT_EVERY - 1:
        again = run(outcome.plan)
        if again.trace_hash != outcome.trace_hash:
            return replace(outcome, invariant="RunsRepeat", detail="the same seed gave two different runs")
    return outcome


def run(plan: Plan, *, telling: bool = False, invariants: Sequence[type[Invariant]] = INVARIANTS) -> Outcome:
    """Run what is planned until its world is at rest, an invariant breaks, or its time is up."""
    label = f"{plan.seed}/{plan.profile}"
    real = plan.seed % REAL_CRYPTO_EVERY == REAL_CRYPTO_EVERY - 1
    scenario = Scenario(
        label,
        PROFILES[plan.profile],
        without=plan.without,
        variant=plan.variant,
        telling=telling,
        keys=RealKeys(label) if real else None,
    )
    liars = frozenset(scenario.world.hosts[name].peer for name in scenario.liars)
    checkers = Checkers(
        scenario.world,
        invariants=invariants,
        liars=liars,
        backups_are_noticed=scenario.profile.backups_are_noticed,
    )
    checkers.facts.answering_liars = liars if scenario.profile.liars_answer else frozenset()
    return finish(plan, scenario, checkers)


def finish(plan: Plan, scenario: Scenario, checkers: Checkers) -> Outcome:
    """Let the scenario happen under the eyes of `checkers`."""
    world = scenario.world
    invariant = detail = ""
    try:
        scenario.schedule(checkers)
        _run(scenario, checkers)
    except Violation as violation:
        invariant, detail = violation.invariant, violation.detail
    except VoteOverwritten as error:
        invariant, detail = "OneVotePerSlot", str(error)
    except Exception:
        invariant, detail = "CoreRaisesNothing", traceback.format_exc()
    if invariant:
        world.trace.tell(world.now, "CHECKER", f"{invariant}: {detail}")
    return Outcome(
        plan,
        invariant,
        detail,
        world.trace.hexdigest(),
        world.now,
        sum(host.frames_sent for host in world.hosts.values()),
        tuple(scenario.happenings.happened),
        tuple(world.trace.lines()),
    )


def _run(scenario: Scenario, checkers: Checkers) -> None:
    world = scenario.world
    while True:
        world.run_for(LOOK_EVERY_S)
        checkers.look()
        if world.now <= scenario.trouble_ends:
            continue
        unrest = checkers.unrest()
        if unrest is None:
            world.run_for(AFTERMATH_S)
            unrest = checkers.unrest()
        if unrest is None:
            checkers.end()
            return
        if world.now > scenario.finish_by:
            raise Violation(unrest.invariant, f"not at rest after {world.now:.1f} s: {unrest.detail}")
