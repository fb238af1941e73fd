"""From a mixture of trouble to a world in which it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from msgspec import structs

from mesh_core.config import DEFAULT, FAST
from mesh_core.effects import JobOptions
from mesh_core.market.query import Refusal
from mesh_core.simulation.adversary import Outsider
from mesh_core.simulation.checkers import Checkers
from mesh_core.simulation.crypto import Keys
from mesh_core.simulation.facts import JobFacts
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.network import Weather
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.simulation.ambush import PHASES, Ambush
from tests.simulation.profiles import CALM, Mix

JOIN_S = 1.0
"""Everybody who is there from the beginning has started by now."""

SUBMIT_FROM_S = 1.5

TROUBLE_S = 8.0
"""How long trouble lasts; then the network heals and everybody who is not killed comes back."""

FINISH_S = 25.0
"""Within this time after the healing everything must be at rest (with default timers: times three)."""

TIGHT_CREDIT_MICRO = 350_000
"""Enough for one query over six shards: with two, somebody has to wait."""

GENEROUS_CREDIT_MICRO = 100_000_000

_CRASH_GAPS_S = (0.05, 0.3, 1.0, 4.0)
_PARTICIPANTS = (4, 5, 6, 6, 6, 7, 9)


class Dice:
    """One generator per kind of trouble, so that a new kind leaves the others of a seed as they were."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._generators: dict[str, Random] = {}

    def __getitem__(self, kind: str) -> Random:
        if kind not in self._generators:
            self._generators[kind] = Random(f"{self._seed}/{kind}")
        return self._generators[kind]


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
        keys: Keys | None = None,
    ) -> None:
        self.dice = dice = Dice(seed)
        self.mix = mix
        slow = dice["timers"].random() < mix.default_timers
        self._pace = 3.0 if slow else 1.0
        self._trouble_s = 0.5 if mix == CALM else TROUBLE_S * self._pace * mix.rounds
        self.trouble_ends = SUBMIT_FROM_S + self._trouble_s
        self.finish_by = self.trouble_ends + FINISH_S * self._pace
        self._weather = Weather(
            loss=dice["weather"].choice(mix.loss),
            duplication=dice["weather"].choice(mix.duplication),
            jitter_s=dice["weather"].choice((0.001, 0.02)),
            straggling=mix.straggling,
        )
        providers = dice["size"].choice(_PARTICIPANTS)
        tight = dice["credit"].random() < mix.tight_credit
        self.world = World(
            Setup(
                seed=seed,
                providers=providers,
                timing=DEFAULT if slow else FAST,
                weather=self._weather,
                appetite=Appetite(
                    longest_s=dice["work"].choice((0.1, 0.8, 2.0)),
                    failing=mix.failing,
                    hanging=mix.hanging,
                    padding_bytes=200_000 if dice["large"].random() < mix.large_results else 0,
                ),
                clocks=mix.clocks,
                fsync_s=(0.002, 0.3) if dice["disk"].random() < mix.slow_disks else (0.0005, 0.004),
                credit_micro=TIGHT_CREDIT_MICRO if tight else GENEROUS_CREDIT_MICRO,
                hints=dice["hints"].random() < mix.hints,
                telling=telling,
                alter=alter,
                keys=keys,
            )
        )
        self._providers = [f"node{number}" for number in range(1, providers + 1)]
        self._everybody = [*self._providers, OPERATOR]
        self._bridge = bridge
        self._doomed: list[str] = []

    def schedule(self, checkers: Checkers) -> None:
        """Schedule the seed's life: starts, queries, trouble, healing."""
        self._facts = checkers.facts
        self._schedule_starts()
        self._schedule_queries()
        self._schedule_kills()
        mix, world = self.mix, self.world
        self._befall("crash", mix.crashes, self._crash, self._everybody)
        self._befall("restart", mix.holder_restarts, self._restart_holder)
        self._befall("partition", min(mix.partitions, 1), self._partition, mix.partitions)
        self._befall("command", mix.commanded_splits, self._command_split)
        self._befall("cut", mix.one_way_cuts, self._cut)
        self._befall("pause", mix.pauses, self._pause, self._everybody)
        self._befall("stall", mix.stalls, self._stall, self._everybody)
        self._befall("jump", mix.wall_jumps, self._jump_clock, self._everybody)
        self._befall("clog", mix.clogged_disks, self._clog, self._everybody)
        self._befall("leave", mix.leaves, self._leave, self._providers)
        self._befall("blackout", mix.blackouts, self._black_out)
        self._befall("price", mix.price_changes, self._change_price, self._providers)
        if self.dice["outsider"].random() < mix.outsider:
            Outsider(world, self.dice["outsider"], per_second=40.0, until=self.trouble_ends)
        if mix.ambushes:
            self._lay_ambush()
        world.schedule.at(self.trouble_ends, self._heal)

    # ----------------------------------------------------------------------------------------- schedule

    def _schedule_starts(self) -> None:
        rng = self.dice["start"]
        for name in self._everybody:
            late = name != OPERATOR and rng.random() < self.mix.late_joiners
            at = rng.uniform(SUBMIT_FROM_S, self.trouble_ends) if late else rng.uniform(0.0, JOIN_S)
            self.world.schedule.at(at, self.world.start, name)

    def _schedule_queries(self) -> None:
        rng, mix = self.dice["query"], self.mix
        for number in range(1, rng.choice((1, 1, 2, 3)) * mix.rounds + 1):
            shards = tuple(range(rng.choice((1, 1, 2, 3, 6))))
            options = JobOptions(
                execution_ms=rng.choice((1_500, 4_000)) if mix.hanging else 20_000,
                total_ms=rng.choice((1_000, 4_000)) if rng.random() < mix.short_deadlines else 120_000,
                retries=rng.choice((1, 2, 3)),
                submitter_weight=rng.choice(mix.submitter_weights),
            )
            name = rng.choice((OPERATOR, OPERATOR, OPERATOR, self._providers[0]))
            at = SUBMIT_FROM_S + rng.choice((0.0, rng.uniform(0.0, 0.6 * self._trouble_s)))
            self.world.schedule.at(
                at, self._submit, name, f"question {number}", shards, options, f"q{number}"
            )

    def _schedule_kills(self) -> None:
        """Kill as many as every committee of the whole mesh can spare."""
        rng = self.dice["kill"]
        seats = min(len(self._providers), 6) + 1
        spare = seats - (seats // 2 + 1)
        victims = self._providers if rng.random() < 0.8 else self._everybody
        together = rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0)
        at_once = rng.random() < 0.7
        for name in rng.sample(victims, min(spare, self.mix.kills)):
            self._doomed.append(name)
            at = together if at_once else rng.uniform(SUBMIT_FROM_S, self.trouble_ends)
            self.world.schedule.at(at, self.world.kill, name)

    def _befall(self, kind: str, times: int, call: Callable[..., None], *args: Any) -> None:
        """Schedule trouble, half of it in the two seconds after the first query. A list means: one of these."""
        rng = self.dice[kind]
        for _ in range(times):
            at = rng.uniform(JOIN_S, self.trouble_ends)
            if rng.random() < 0.5:
                at = rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0)
            drawn = tuple(rng.choice(arg) if isinstance(arg, list) else arg for arg in args)
            self.world.schedule.at(at, self._if_troubled, call, *drawn)

    def _lay_ambush(self) -> None:
        rng = self.dice["ambush"]
        ambush = Ambush(
            rng,
            phase=rng.choice(PHASES),
            strikes=rng.randrange(1, self.mix.ambushes + 1),
            odds=rng.choice((0.05, 0.2, 0.5)),
            after=self._soon,
            blows=(self._crash, self._crash, self._isolate, self._pause, self._halve),
        )
        self.world.watch(ambush)

    def _soon(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self.world.schedule.after(seconds, self._if_troubled, call, *args)

    def _if_troubled(self, call: Callable[..., None], *args: Any) -> None:
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
        rng = self.dice["cancel"]
        if query is None:
            self.world.schedule.after(0.5, self._submit, name, text, shards, options, label)
        elif rng.random() < self.mix.cancels:
            self.world.schedule.after(rng.uniform(0.0, 2.0), self._cancel, name)

    def _cancel(self, name: str) -> None:
        host = self.world.hosts[name]
        mine = [job for job in self._undecided() if job.submitter == host.peer]
        if host.up and not host.paused and mine:
            self.world.cancel(name, self.dice["cancel"].choice(mine).id)

    def _crash(self, name: str) -> None:
        rng = self.dice["crash"]
        self.world.crash(name, axl_too=rng.random() < 0.5)
        self.world.schedule.after(rng.choice(_CRASH_GAPS_S) * self._pace, self.world.start, name)

    def _black_out(self) -> None:
        rng = self.dice["blackout"]
        for name in self._everybody:
            self.world.crash(name)
        for name in self._everybody:
            self.world.schedule.after(rng.uniform(0.0, 2.0) * self._pace, self.world.start, name)

    def _change_price(self, name: str) -> None:
        host = self.world.hosts[name]
        price_micro = 9_000 + 250 * self.dice["price"].randrange(8)
        announcement = structs.replace(host.config.announcement, price_micro=price_micro)
        host.config = replace(host.config, announcement=announcement)
        self._crash(name)

    def _restart_holder(self) -> None:
        rng = self.dice["restart"]
        holders = sorted(
            {peer for job in self._undecided() for peers in job.holders.values() for peer in peers}
        )
        up = [host.name for host in (self.world.by_peer[peer] for peer in holders) if host.up]
        if up:
            name = rng.choice(up)
            self.world.crash(name, axl_too=rng.random() < 0.3)
            self.world.schedule.after(rng.choice((0.01, 0.05, 0.3)), self.world.start, name)

    def _partition(self, more: int) -> None:
        rng = self.dice["partition"]
        self._split([name for name in self._everybody if rng.random() < 0.5])
        if rng.random() < 0.4:
            self._soon(rng.uniform(0.3, 2.0), self.world.heal)
        if more > 1:
            self._soon(rng.uniform(0.3, 3.0) * self._pace, self._partition, more - 1)

    def _halve(self, name: str) -> None:
        others = [other for other in self._everybody if other not in (name, self._bridge)]
        self._split([name, *self.dice["halve"].sample(others, len(others) // 2)])

    def _isolate(self, name: str) -> None:
        self._split([name])
        self._soon(self.dice["isolate"].uniform(0.3, 3.0) * self._pace, self.world.heal)

    def _split(self, side: list[str]) -> None:
        self.world.heal()
        free = [name for name in self._everybody if name != self._bridge]
        self.world.split([[n for n in free if n in side], [n for n in free if n not in side]])

    def _cut(self) -> None:
        self.world.cut(*self.dice["cut"].sample(self._everybody, 2))

    def _command_split(self) -> None:
        rng = self.dice["command"]
        side = [name for name in self._everybody if rng.random() < 0.5]
        rest = [name for name in self._everybody if name not in side]
        both = rng.random() < 0.5
        for name in side:
            self.world.hide(name, rest)
        for name in rest if both else ():
            self.world.hide(name, side)

    def _pause(self, name: str) -> None:
        self.world.pause(name)
        self.world.schedule.after(self.dice["pause"].uniform(0.5, 4.0) * self._pace, self.world.resume, name)

    def _stall(self, name: str) -> None:
        self.world.stall(name, self.dice["stall"].uniform(0.05, 0.6))

    def _jump_clock(self, name: str) -> None:
        self.world.jump_clock(name, self.dice["jump"].choice((-10.0, 10.0)))

    def _clog(self, name: str) -> None:
        host = self.world.hosts[name]
        host.fsync_s = (0.5, 3.0)
        self.world.trace.tell(self.world.now, name, "has a disk that hardly moves")
        self.world.schedule.after(3.0, setattr, host, "fsync_s", self.world.setup.fsync_s)

    def _leave(self, name: str) -> None:
        self.world.leave(name)
        self.world.schedule.after(0.1, self._crash, name)

    def _heal(self) -> None:
        world = self.world
        world.heal()
        world.network.weather = Weather(self._weather.loss * 0.3, self._weather.duplication)
        for name in self._everybody:
            if name not in self._doomed:
                world.resume(name)
                world.start(name)
                world.hide(name, ())

    def _undecided(self) -> list[JobFacts]:
        return [job for job in self._facts.jobs.values() if not job.settled]
