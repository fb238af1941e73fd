"""From a mixture of trouble to a world in which it happens."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from mesh_core.config import DEFAULT, FAST
from mesh_core.effects import JobOptions
from mesh_core.market.query import Refusal
from mesh_core.simulation.checkers import Checkers, JobFacts
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.network import Weather
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.simulation.ambush import PHASES, Ambush
from tests.simulation.profiles import Mix

JOIN_S = 1.0
"""Everybody who is there from the beginning has started by now."""

SUBMIT_FROM_S = 1.5

TROUBLE_S = 8.0
"""How long trouble lasts; then the network heals and everybody who is not killed comes back."""

FINISH_S = 25.0
"""Within this time after the healing everything must be at rest (with default timers: times three)."""

_CRASH_GAPS_S = (0.05, 0.3, 1.0, 4.0)


class Scenario:
    """One seed: its world with everything scheduled that will befall it. Splits never cut `bridge` off."""

    def __init__(
        self,
        seed: str,
        mix: Mix,
        *,
        telling: bool = False,
        alter: Callable[[HostSpec], HostSpec] | None = None,
        bridge: str = "",
    ) -> None:
        self.rng = rng = Random(f"{seed}/scenario")
        self.mix = mix
        slow = rng.random() < mix.default_timers
        self.timing = DEFAULT if slow else FAST
        self._pace = 3.0 if slow else 1.0
        self.trouble_ends = (
            SUBMIT_FROM_S + TROUBLE_S * self._pace if mix.about != "nothing goes wrong" else 2.0
        )
        self.finish_by = self.trouble_ends + FINISH_S * self._pace
        loss = rng.choice(mix.loss)
        self._storm = Weather(
            loss, rng.choice(mix.duplication), jitter_s=rng.choice((0.001, 0.02)), straggling=mix.straggling
        )
        providers = rng.choice((4, 5, 6, 6, 6, 7))
        self.world = World(
            Setup(
                seed=seed,
                providers=providers,
                timing=self.timing,
                weather=self._storm,
                appetite=Appetite(
                    longest_s=rng.choice((0.1, 0.8, 2.0)), failing=mix.failing, hanging=mix.hanging
                ),
                clocks=mix.clocks,
                fsync_s=(0.002, 0.3) if rng.random() < mix.slow_disks else (0.0005, 0.004),
                hints=rng.random() < mix.hints,
                telling=telling,
                alter=alter,
            )
        )
        self.providers = [f"node{number}" for number in range(1, providers + 1)]
        self.everybody = [*self.providers, OPERATOR]
        self._bridge = bridge
        self._doomed: list[str] = []

    def schedule(self, checkers: Checkers) -> None:
        """Schedule the seed's life: starts, queries, trouble, healing."""
        self.checkers = checkers
        self._schedule_starts()
        self._schedule_queries()
        mix = self.mix
        self._schedule_kills()
        for _ in range(mix.crashes):
            self._during_trouble(self._crash, self.rng.choice(self.everybody))
        for _ in range(mix.holder_restarts):
            self._during_trouble(self._restart_holder)
        if mix.partitions:
            self._during_trouble(self._partition, mix.partitions)
        for _ in range(mix.one_way_cuts):
            self._during_trouble(self.world.cut, *self.rng.sample(self.everybody, 2))
        for _ in range(mix.pauses):
            self._during_trouble(self._pause, self.rng.choice(self.everybody))
        for _ in range(mix.stalls):
            self._during_trouble(
                self.world.stall, self.rng.choice(self.everybody), self.rng.uniform(0.05, 0.6)
            )
        for _ in range(mix.wall_jumps):
            self._during_trouble(
                self.world.jump_clock, self.rng.choice(self.everybody), self.rng.choice((-10.0, 10.0))
            )
        if mix.ambushes:
            self._lay_ambush()
        self.world.schedule.at(self.trouble_ends, self._heal)

    # ----------------------------------------------------------------------------------------- schedule

    def _schedule_starts(self) -> None:
        for name in self.everybody:
            late = name != OPERATOR and self.rng.random() < self.mix.late_joiners
            at = self.rng.uniform(SUBMIT_FROM_S, self.trouble_ends) if late else self.rng.uniform(0.0, JOIN_S)
            self.world.schedule.at(at, self.world.start, name)

    def _schedule_queries(self) -> None:
        rng, mix = self.rng, self.mix
        for number in range(1, rng.choice((1, 1, 2, 3)) + 1):
            shards = tuple(range(rng.choice((1, 1, 2, 3, 6))))
            options = JobOptions(
                execution_ms=rng.choice((1_500, 4_000)) if mix.hanging else 20_000,
                total_ms=rng.choice((1_000, 4_000)) if rng.random() < mix.short_deadlines else 120_000,
                retries=rng.choice((1, 2, 3)),
            )
            name = rng.choice((OPERATOR, OPERATOR, OPERATOR, self.providers[0]))
            at = SUBMIT_FROM_S + rng.choice((0.0, rng.uniform(0.0, 0.6 * TROUBLE_S)))
            self.world.schedule.at(
                at, self._submit, name, f"question {number}", shards, options, f"q{number}"
            )

    def _schedule_kills(self) -> None:
        if not self.mix.kills:
            return
        seats = min(len(self.providers), 6) + 1
        spare = seats - (seats // 2 + 1)
        count = min(spare, self.mix.kills)
        victims = self.providers if self.rng.random() < 0.8 else self.everybody
        together = self.rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0)
        at_once = self.rng.random() < 0.7
        for name in self.rng.sample(victims, count):
            self._doomed.append(name)
            at = together if at_once else self.rng.uniform(SUBMIT_FROM_S, self.trouble_ends)
            self.world.schedule.at(at, self.world.kill, name)

    def _lay_ambush(self) -> None:
        ambush = Ambush(
            Random(self.rng.getrandbits(64)),
            phase=self.rng.choice(PHASES),
            strikes=self.rng.randrange(1, self.mix.ambushes + 1),
            odds=self.rng.choice((0.05, 0.2, 0.5)),
            after=lambda seconds, blow, name: self.world.schedule.after(
                seconds, self._if_troubled, blow, (name,)
            ),
            blows=(self._crash, self._crash, self._isolate, self._pause, self._halve),
        )
        self.world.watch(ambush)

    def _during_trouble(self, call: Callable[..., None], *args: Any) -> None:
        at = self.rng.uniform(JOIN_S, self.trouble_ends)
        if self.rng.random() < 0.5:
            at = self.rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0)
        self.world.schedule.at(at, self._if_troubled, call, args)

    def _if_troubled(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self.world.now < self.trouble_ends:
            call(*args)

    # ---------------------------------------------------------------------------------------- happenings

    def _submit(self, name: str, text: str, shards: tuple[int, ...], options: JobOptions, label: str) -> None:
        if self.world.hosts[name].lost:
            return
        try:
            query = self.world.submit(name, text, shards, options, label)
        except Refusal:
            query = None
        if query is None:
            self.world.schedule.after(0.5, self._submit, name, text, shards, options, label)
        elif self.rng.random() < self.mix.cancels:
            self.world.schedule.after(self.rng.uniform(0.0, 2.0), self._cancel, name)

    def _cancel(self, name: str) -> None:
        host = self.world.hosts[name]
        mine = [job for job in self._undecided() if job.submitter == host.peer]
        if host.up and not host.paused and mine:
            self.world.cancel(name, self.rng.choice(mine).id)

    def _crash(self, name: str) -> None:
        self.world.crash(name, axl_too=self.rng.random() < 0.5)
        self.world.schedule.after(self.rng.choice(_CRASH_GAPS_S) * self._pace, self.world.start, name)

    def _restart_holder(self) -> None:
        holders = sorted(
            {peer for job in self._undecided() for peers in job.holders.values() for peer in peers}
        )
        up = [host.name for host in (self.world.by_peer[peer] for peer in holders) if host.up]
        if up:
            name = self.rng.choice(up)
            self.world.crash(name, axl_too=self.rng.random() < 0.3)
            self.world.schedule.after(self.rng.choice((0.01, 0.05, 0.3)), self.world.start, name)

    def _partition(self, more: int) -> None:
        self._split([name for name in self.everybody if self.rng.random() < 0.5])
        if self.rng.random() < 0.4:
            self.world.schedule.after(self.rng.uniform(0.3, 2.0), self._if_troubled, self.world.heal, ())
        if more > 1:
            gap = self.rng.uniform(0.3, 3.0) * self._pace
            self.world.schedule.after(gap, self._if_troubled, self._partition, (more - 1,))

    def _halve(self, name: str) -> None:
        others = [other for other in self.everybody if other not in (name, self._bridge)]
        self._split([name, *self.rng.sample(others, len(others) // 2)])

    def _split(self, side: list[str]) -> None:
        self.world.heal()
        free = [name for name in self.everybody if name != self._bridge]
        self.world.split([[n for n in free if n in side], [n for n in free if n not in side]])

    def _isolate(self, name: str) -> None:
        self._split([name])
        gap = self.rng.uniform(0.3, 3.0) * self._pace
        self.world.schedule.after(gap, self._if_troubled, self.world.heal, ())

    def _pause(self, name: str) -> None:
        self.world.pause(name)
        self.world.schedule.after(self.rng.uniform(0.5, 4.0) * self._pace, self.world.resume, name)

    def _heal(self) -> None:
        world = self.world
        world.heal()
        world.network.weather = Weather(self._storm.loss * 0.3, self._storm.duplication)
        for name in self.everybody:
            if name not in self._doomed:
                world.resume(name)
                world.start(name)

    def _undecided(self) -> list[JobFacts]:
        return [job for job in self.checkers.facts.jobs.values() if not job.settled]
