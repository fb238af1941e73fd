"""What a world is made of: everything that defines it, and the hosts that follow from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from mesh_core.config import FAST, LOCAL_NETWORK, MICRO_PER_AXL, Timing, limit
from mesh_core.context import NodeConfig
from mesh_core.effects import PeerId
from mesh_core.simulation.clock import HostClock
from mesh_core.simulation.crypto import Keys
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.network import CALM, Weather
from mesh_core.simulation.workload import QUICK, Appetite, Result
from mesh_core.wire.statements import Announcement

OPERATOR_INDEX = 0


@dataclass(frozen=True, slots=True)
class ClockError:
    """How wrong hosts' clocks may be: monotonic rates within ±`rate`, wall clocks off by ±`offset_s`."""

    rate: float = 0.0
    offset_s: float = 0.0


EXACT = ClockError()


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that defines a world. Without `hints` a lost link stays in `/topology`, as after SIGSTOP."""

    seed: str
    providers: int = 6
    shards: int = 6
    timing: Timing = FAST
    weather: Weather = CALM
    appetite: Appetite = QUICK
    clocks: ClockError = EXACT
    fsync_s: tuple[float, float] = (0.0005, 0.004)
    hints: bool = True
    credit_micro: int = 100 * MICRO_PER_AXL
    earners: bool = False
    """Providers have no credit: what they ask for is paid with what they have earned."""
    retained_records: int = limit("retained_records")
    telling: bool = False
    result: Result | None = None
    """What executions come to; None for bytes that nobody reads."""

    alter: Callable[[HostSpec], HostSpec] | None = None
    """Puts other parts into a host before it is built: a broken one for a control, a liar's node."""

    keys: Keys | None = None
    """Where keys come from; None for the seeded stand-ins."""


def first_electors(setup: Setup, keys: Keys) -> tuple[PeerId, ...]:
    """Who elects the first checkpoint: the providers that are there from the beginning, as many as may be."""
    names = [f"node{number}" for number in range(1, setup.providers + 1)]
    return tuple(keys.key(name) for name in names[: limit("committee_max")])


def make_spec(
    setup: Setup, keys: Keys, credit: Mapping[PeerId, int], name: str, number: int, shard: int
) -> HostSpec:
    """The host `name`: the operator when its number is `OPERATOR_INDEX`, else a provider at home at `shard`."""
    operator = number == OPERATOR_INDEX
    rng = Random(f"{setup.seed}/{name}")
    rate = 1.0 + rng.uniform(-setup.clocks.rate, setup.clocks.rate)
    announcement = Announcement(
        name=name,
        role="operator" if operator else "provider",
        capabilities=() if operator else ("answer", "combine"),
        price_micro=0 if operator else 9_000 + 250 * rng.randrange(8),
        shards=() if operator else (shard,),
        models=() if operator else ("simulated",),
        ens_name="",
    )
    spec = HostSpec(
        name=name,
        index=number,
        config=NodeConfig(
            network=LOCAL_NETWORK,
            peer=keys.key(name),
            timing=setup.timing,
            announcement=announcement,
            executes=not operator,
            credit=credit,
            retained_records=setup.retained_records,
            electors=first_electors(setup, keys),
        ),
        crypto=keys.crypto(name),
        rng=rng,
        clock=HostClock(rate, rng.uniform(-setup.clocks.offset_s, setup.clocks.offset_s)),
        fsync_s=setup.fsync_s,
    )
    return spec if setup.alter is None else setup.alter(spec)
