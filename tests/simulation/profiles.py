"""Named mixtures of trouble. A seed and a profile define a run completely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from mesh_core.simulation.world import EXACT, ClockError


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of what may go wrong before the network heals.

    `loss` and `duplication` are choices, of which a seed draws one. Counts are upper bounds; shares are
    probabilities. Nothing here outlives the healing but `kills`.
    """

    about: str
    loss: tuple[float, ...] = (0.0,)
    duplication: tuple[float, ...] = (0.0,)
    straggling: float = 0.0
    partitions: int = 0
    one_way_cuts: int = 0
    crashes: int = 0
    kills: int = 0
    holder_restarts: int = 0
    ambushes: int = 0
    pauses: int = 0
    stalls: int = 0
    cancels: float = 0.0
    failing: float = 0.0
    hanging: float = 0.0
    slow_disks: float = 0.0
    clogged_disks: int = 0
    large_results: float = 0.0
    leaves: int = 0
    commanded_splits: int = 0
    outsider: float = 0.0
    blackouts: int = 0
    price_changes: int = 0
    tight_credit: float = 0.0
    submitter_weights: tuple[int, ...] = (1,)
    rounds: int = 1
    clocks: ClockError = EXACT
    wall_jumps: int = 0
    late_joiners: float = 0.0
    short_deadlines: float = 0.0
    hints: float = 1.0
    default_timers: float = 0.0


CALM = Mix("nothing goes wrong")

_LOSS = (0.0, 0.1, 0.3, 0.45)
_DUPLICATION = (0.0, 0.1, 0.3)

PROFILES: dict[str, Mix] = {
    "calm": CALM,
    "lossy": Mix("frames get lost, doubled and overtaken", _LOSS[1:], _DUPLICATION, 0.02),
    "partition": Mix(
        "the mesh splits again and again", partitions=6, one_way_cuts=3, commanded_splits=2, hints=0.7
    ),
    "crashy": Mix("hosts crash and come back", (0.0, 0.1), _DUPLICATION, 0.01, crashes=12, hints=0.8),
    "ambush": Mix("hosts are struck right after they voted", (0.0, 0.1), ambushes=12, hints=0.7),
    "restart_holder": Mix(
        "whoever holds a lease is restarted",
        (0.0, 0.1),
        crashes=2,
        holder_restarts=8,
        ambushes=3,
        slow_disks=0.2,
    ),
    "kill3": Mix(
        "up to half of the committee dies for good", (0.0, 0.1, 0.2), kills=3, ambushes=2, hints=0.8
    ),
    "cancel": Mix("jobs are cancelled while they run", (0.0, 0.1, 0.3), crashes=3, ambushes=3, cancels=0.7),
    "exec_failures": Mix("executions raise", (0.0, 0.1), crashes=2, failing=0.5, cancels=0.1),
    "hang": Mix(
        "executions hang, their holders live", (0.0, 0.1), hanging=0.3, crashes=2, short_deadlines=0.3
    ),
    "blackout": Mix(
        "the whole mesh stops at once and starts again", (0.0, 0.1), crashes=3, ambushes=2, blackouts=3
    ),
    "prices": Mix(
        "providers come back with other prices, submitters weigh more",
        (0.0, 0.1),
        crashes=4,
        ambushes=8,
        kills=1,
        price_changes=10,
        tight_credit=0.3,
        submitter_weights=(1, 2, 3),
    ),
    "marathon": Mix(
        "five times as long, with five times as many queries",
        (0.0, 0.1),
        partitions=20,
        crashes=25,
        kills=3,
        ambushes=30,
        cancels=0.1,
        failing=0.1,
        rounds=5,
    ),
    "hostile": Mix(
        "an outsider replays, alters and invents frames", (0.0, 0.1), crashes=4, ambushes=3, outsider=1.0
    ),
    "stalls": Mix(
        "event loops stall, processes are stopped, clocks are wrong",
        stalls=40,
        pauses=4,
        slow_disks=0.3,
        clogged_disks=3,
        large_results=0.2,
        clocks=ClockError(0.05, 10.0),
        wall_jumps=4,
        default_timers=0.3,
    ),
    "storm": Mix(
        "everything at once",
        _LOSS,
        _DUPLICATION,
        0.02,
        partitions=5,
        one_way_cuts=2,
        crashes=10,
        kills=2,
        holder_restarts=3,
        ambushes=6,
        pauses=2,
        stalls=10,
        cancels=0.2,
        failing=0.2,
        hanging=0.05,
        slow_disks=0.2,
        clogged_disks=2,
        large_results=0.1,
        leaves=2,
        commanded_splits=2,
        outsider=0.3,
        blackouts=1,
        price_changes=2,
        submitter_weights=(1, 1, 3),
        clocks=ClockError(0.02, 10.0),
        wall_jumps=2,
        late_joiners=0.3,
        short_deadlines=0.1,
        hints=0.8,
    ),
}


def mixed(rng: Random) -> Mix:
    """A mixture of its own: each kind of trouble is there with even odds, from any profile."""
    fields = {}
    for name in Mix.__slots__:
        source = PROFILES["storm"] if rng.random() < 0.5 else CALM
        fields[name] = getattr(source, name)
    return replace(CALM, **fields | {"about": "a mixture drawn from the seed"})


def draw(seed: int, profile: str | None = None) -> tuple[str, Mix]:
    """The profile of a seed: the named one, else one drawn from the seed; one seed in four is `mixed`."""
    rng = Random(f"{seed}/profile")
    names = [*PROFILES, "mixed", "mixed", "mixed"]
    drawn = rng.choice(names)
    name = profile or drawn
    return name, mixed(rng) if name == "mixed" else PROFILES[name]
