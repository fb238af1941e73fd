"""Runs one seed to its end and says how it went."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_core.simulation.checkers import INVARIANTS, Checkers
from mesh_core.simulation.disk import VoteOverwritten
from mesh_core.simulation.invariants import Invariant, Violation
from tests.simulation.profiles import draw
from tests.simulation.real_keys import RealKeys
from tests.simulation.scenario import Scenario

LOOK_EVERY_S = 0.25
AFTERMATH_S = 0.5
"""A world at rest is watched this much longer."""

REAL_CRYPTO_EVERY = 50
"""One seed in this many runs on real cryptography; since that draws its own randomness, it never repeats exactly."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed went. `invariant` is empty when it passed; `lines` is the story, if it was told."""

    seed: int
    profile: str
    invariant: str
    detail: str
    trace_hash: str
    virtual_s: float
    frames: int
    lines: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all invariants held and the world came to rest."""
        return not self.invariant


def run_seed(
    seed: int,
    profile: str | None = None,
    *,
    telling: bool = False,
    invariants: Sequence[type[Invariant]] = INVARIANTS,
) -> Outcome:
    """Run `seed` until its world is at rest, an invariant breaks, or its time is up."""
    name, mix = draw(seed, profile)
    label = f"{seed}/{name}"
    keys = RealKeys(label) if seed % REAL_CRYPTO_EVERY == REAL_CRYPTO_EVERY - 1 else None
    scenario = Scenario(label, mix, telling=telling, keys=keys)
    checkers = Checkers(scenario.world, invariants=invariants)
    return finish(seed, name, scenario, checkers)


def finish(seed: int, profile: str, scenario: Scenario, checkers: Checkers) -> Outcome:
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
        seed,
        profile,
        invariant,
        detail,
        world.trace.hexdigest(),
        world.now,
        sum(host.frames_sent for host in world.hosts.values()),
        tuple(world.trace.lines),
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
            checkers.end()
            return
        if world.now > scenario.finish_by:
            raise Violation(unrest.invariant, f"not at rest after {world.now:.1f} s: {unrest.detail}")
