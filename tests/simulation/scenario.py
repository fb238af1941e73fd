"""From a profile and a seed to a world in which everything fails, and which then must finish what it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random

from mesh_core.config import DEFAULT, FAST, limit
from mesh_core.effects import JobOptions
from mesh_core.market.intake import Refusal
from mesh_core.node import Node
from mesh_core.quorum.committee import quorum_of
from mesh_core.simulation.adversary import Outsider
from mesh_core.simulation.checkers import Checkers
from mesh_core.simulation.crypto import Keys
from mesh_core.simulation.facts import Facts
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.network import Weather
from mesh_core.simulation.perjury import PERJURIES
from mesh_core.simulation.setup import ClockError
from mesh_core.simulation.vices import VICES
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from tests.simulation.happenings import Happenings
from tests.simulation.liars import LIES, draw_liars, make_liar
from tests.simulation.outcasts import cast_out
from tests.simulation.profiles import Profile, Rates

JOIN_S = 1.0
"""Everybody who is there from the beginning has started by now."""

SUBMIT_FROM_S = 1.5

TROUBLE_S = 8.0
"""How long trouble lasts; then the network heals and everybody who is not lost or cast out comes back."""

FINISH_S = 25.0
"""Within this time after the healing everything must be at rest (with default timers: times three)."""

CALM_S = 0.5
"""How long it lasts when there is none."""

TIGHT_CREDIT_MICRO = 350_000
"""Enough for one query over six shards: with two, somebody has to wait."""

GENEROUS_CREDIT_MICRO = 100_000_000

RICHEST = "richest"
"""Stands for the provider that has earned most."""

EARNERS_PRICE_MICRO = 12_000
"""More than any provider asks for a job: who pays with what it has earned cannot let more be reserved."""

_HAPPENINGS = (
    "crashes",
    "holder_restarts",
    "partitions",
    "commanded_splits",
    "one_way_cuts",
    "clogged_links",
    "pauses",
    "stalls",
    "slow_loops",
    "clock_steps",
    "clock_bends",
    "lame_disks",
    "full_disks",
    "old_backups",
    "leaves",
    "newcomers",
    "new_keys",
    "blackouts",
    "price_changes",
)


class Dice:
    """One generator per matter, so that a change in one leaves the others of a seed as they were."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._generators: dict[str, Random] = {}

    def __getitem__(self, matter: str) -> Random:
        if matter not in self._generators:
            self._generators[matter] = Random(f"{self._seed}/{matter}")
        return self._generators[matter]


class Scenario:
    """One seed: its world with everything scheduled that will befall it.

    `without` leaves out kinds of trouble (`loss`) and single happenings (`crashes#3`); another `variant` has the same
    trouble over other delays. Splits never cut `bridge` off.
    """

    def __init__(
        self,
        seed: str,
        profile: Profile,
        *,
        without: frozenset[str] = frozenset(),
        variant: int = 0,
        telling: bool = False,
        alter: Callable[[HostSpec], HostSpec] | None = None,
        bridge: str = "",
        keys: Keys | None = None,
    ) -> None:
        self.profile = profile
        self.rates = rates = _without(profile.draw(seed), without)
        self.dice = dice = Dice(seed)
        self.happenings: Happenings
        self._seed = seed
        self._without = without
        self._bridge = bridge
        slow = dice["timers"].random() < rates.default_timers
        self._pace = 3.0 if slow else 1.0
        self._trouble_s = CALM_S if rates == Rates() else TROUBLE_S * self._pace * profile.rounds
        self.trouble_ends = SUBMIT_FROM_S + self._trouble_s
        self.finish_by = self.trouble_ends + FINISH_S * self._pace
        providers = dice["size"].choice(profile.providers)
        self._providers = [f"node{number}" for number in range(1, providers + 1)]
        vices = [name for name in VICES if not (profile.liars_answer and VICES[name].keeps_waiting)]
        if profile.perjury:
            vices = list(PERJURIES)
        self.liars = draw_liars(dice["liars"], self._providers, rates.liars, vices, without)
        tight = dice["credit"].random() < rates.tight_credit
        forgets = dice["memory"].random() < rates.short_memory
        self._earners = dice["earners"].random() < rates.earners
        self.world = World(
            Setup(
                seed=f"{seed}~{variant}" if variant else seed,
                providers=providers,
                timing=DEFAULT if slow else FAST,
                weather=Weather(
                    loss=rates.loss,
                    duplication=rates.duplication,
                    delay_s=0.0005 + rates.delay_s,
                    jitter_s=0.001 + rates.jitter_s,
                    straggling=rates.straggling,
                ),
                appetite=Appetite(
                    longest_s=dice["work"].choice((0.1, 0.8, 2.0)),
                    failing=rates.failing,
                    hanging=rates.hanging,
                    padding_bytes=200_000 if dice["large"].random() < rates.large_results else 0,
                ),
                clocks=ClockError(rates.clock_rate, rates.clock_offset_s),
                fsync_s=(0.002, 0.3) if dice["disk"].random() < rates.slow_disks else (0.0005, 0.004),
                credit_micro=TIGHT_CREDIT_MICRO if tight else GENEROUS_CREDIT_MICRO,
                earners=self._earners,
                retained_records=dice["memory"].choice((4, 12, 30)) if forgets else limit("retained_records"),
                hints=dice["hints"].random() >= rates.no_hints,
                telling=telling,
                alter=partial(_altered, alter, self.liars, seed, self._earners),
                keys=keys,
            )
        )

    def schedule(self, checkers: Checkers) -> None:
        """Schedule the seed's life: starts, queries, trouble, healing."""
        rates, world = self.rates, self.world
        self._facts: Facts = checkers.facts
        self.happenings = happenings = Happenings(
            world,
            checkers.facts,
            self._seed,
            without=self._without,
            until=self.trouble_ends,
            pace=self._pace,
            spare=self._spare(),
            bridge=self._bridge,
        )
        self._tell_beginning()
        self._schedule_starts()
        self._schedule_queries()
        self._schedule_kills()
        for kind in _HAPPENINGS:
            rng = self.dice[kind]
            happenings.befall(kind, [self._moment(rng) for _ in range(getattr(rates, kind))])
        if rates.ambushes:
            happenings.lay_ambush(self.dice["ambushes"], rates.ambushes)
        if self.profile.backups_are_noticed:
            happenings.lay_backup_ambush(self.dice["backups"], rates.old_backups)
        if rates.outsider_per_s:
            rng = self.dice["outsider"]
            Outsider(world, rng, per_second=rates.outsider_per_s, until=self.trouble_ends)
        world.schedule.at(self.trouble_ends, self._heal)

    # ----------------------------------------------------------------------------------------- schedule

    def _moment(self, rng: Random) -> float:
        """Some time while trouble lasts, as often as not in the two seconds after the first query."""
        at = rng.uniform(JOIN_S, self.trouble_ends)
        return rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0) if rng.random() < 0.5 else at

    def _spare(self) -> int:
        """How many may be lost for good: as many as a committee of the whole mesh can do without, on any terms."""
        seats = min(len(self._providers), limit("committee_providers"))
        spares = [seats + weight - quorum_of(seats + weight, bound) for bound, weight in self.profile.terms]
        return max(0, min(spares) - (0 if self.profile.liars_answer else len(self.liars)))

    def _schedule_starts(self) -> None:
        rng = self.dice["start"]
        for name in [*self._providers, OPERATOR]:
            late = name != OPERATOR and rng.random() < self.rates.late_joiners
            at = rng.uniform(SUBMIT_FROM_S, self.trouble_ends) if late else rng.uniform(0.0, JOIN_S)
            self.world.schedule.at(at, self.world.start, name)

    def _schedule_kills(self) -> None:
        rng = self.dice["kills"]
        together = rng.uniform(SUBMIT_FROM_S, SUBMIT_FROM_S + 2.0)
        at_once = rng.random() < 0.7
        times = [rng.uniform(SUBMIT_FROM_S, self.trouble_ends) for _ in range(self.rates.kills)]
        self.happenings.befall("kills", [together] * len(times) if at_once else times)

    def _schedule_queries(self) -> None:
        rng, rates = self.dice["query"], self.rates
        for number in range(1, rng.choice((1, 1, 2, 3)) * self.profile.rounds + 1):
            shards = tuple(range(rng.choice((1, 1, 2, 3, 6))))
            fault_bound, submitter_weight = rng.choice(self.profile.terms)
            options = JobOptions(
                execution_ms=rng.choice((1_500, 4_000)) if rates.hanging or rates.liars else 20_000,
                total_ms=rng.choice((1_000, 4_000)) if rng.random() < rates.short_deadlines else 120_000,
                retries=rng.choice((1, 2, 3)),
                fault_bound=fault_bound,
                submitter_weight=submitter_weight,
            )
            provider = next(iter(self.liars), "") if self.profile.perjury else self._providers[0]
            name = rng.choice((OPERATOR, OPERATOR, OPERATOR, provider or self._providers[0]))
            if self._earners and (name != OPERATOR or self.dice["earners"].random() < 0.4):
                name, shards = RICHEST, shards[:1]
                options = replace(options, max_price_micro=EARNERS_PRICE_MICRO)
            at = SUBMIT_FROM_S + rng.choice((0.0, rng.uniform(0.0, 0.6 * self._trouble_s)))
            if f"queries#{number}" not in self._without:
                self.world.schedule.at(at, self._submit, name, number, shards, options)

    # ---------------------------------------------------------------------------------------- happenings

    def _submit(self, name: str, number: int, shards: tuple[int, ...], options: JobOptions) -> None:
        asker = self._richest(len(shards) + 1) if name == RICHEST else name
        if self.world.hosts[asker].lost if asker else self.world.now > self.trouble_ends:
            return
        query = None
        with suppress(Refusal):
            if asker:
                query = self.world.submit(asker, f"question {number}", shards, options, f"q{number}")
        rng = Random(f"{self._seed}/cancel/{number}")
        if query is None:
            self.world.schedule.after(0.5, self._submit, name, number, shards, options)
            return
        self.happenings.happened.append(f"queries#{number}")
        if rng.random() < self.rates.cancels:
            act = self._cancel
            self.world.schedule.after(
                rng.uniform(0.0, 2.0), self.happenings.happen, f"cancels#{number}", act, asker
            )

    def _richest(self, jobs: int) -> str:
        """The provider that has most to spend and asks nothing now, as far as each knows itself; "" when it cannot pay for so
        many jobs."""
        free: dict[str, int] = {}
        for host in self.world.live():
            node = host.node
            if node is None or host.name == OPERATOR or not _asks_nothing(node):
                continue
            free[host.name] = node.credit.funds_micro(host.peer)
        richest = max(free, key=free.__getitem__, default="")
        return richest if free.get(richest, 0) >= jobs * EARNERS_PRICE_MICRO else ""

    def _cancel(self, rng: Random, name: str) -> None:
        host = self.world.hosts[name]
        jobs = self._facts.jobs.values()
        mine = [job for job in jobs if job.submitter == host.peer and not job.settled]
        if host.up and not host.paused and mine:
            self.world.cancel(name, rng.choice(mine).id)

    def _heal(self) -> None:
        """Trouble is over for all but the outcasts."""
        world = self.world
        world.trace.tell(world.now, "trouble", "is over")
        world.heal()
        world.network.weather = Weather(self.rates.loss * 0.3, self.rates.duplication)
        for host in world.hosts.values():
            if not host.lost:
                world.recover(host.name)
        wanted = [f"outcasts#{number}" for number in range(1, self.rates.outcasts + 1)]
        names = [name for name in wanted if name not in self._without]
        self.happenings.happened += names
        spare = max(0, self.happenings.spare)
        self._facts.outcasts |= cast_out(world, self.dice["outcasts"], len(names), spare)

    def _tell_beginning(self) -> None:
        self.world.trace.tell(0.0, "seed", f"{self._seed}: {self.profile.about}")
        for line in _told(self.rates):
            self.world.trace.tell(0.0, "seed", line)
        for name, vices in self.liars.items():
            self.world.trace.tell(0.0, name, "lies: " + "; ".join(LIES[vice].about for vice in vices))


def _asks_nothing(node: Node) -> bool:
    """Whether all that a node has asked is answered, and paid for."""
    return all(query.finished for query in node.queries.queries.values()) and not node.auctioneer.auctions


def _altered(
    alter: Callable[[HostSpec], HostSpec] | None,
    liars: Mapping[str, Sequence[str]],
    seed: str,
    earners: bool,
    spec: HostSpec,
) -> HostSpec:
    if spec.name in liars:
        spec = make_liar(spec, liars[spec.name], Random(f"{seed}/liar/{spec.name}"))
    # Who does not know how little it is trusted submits more than it can pay, and its last jobs have to wait.
    if not earners or spec.name == OPERATOR:
        credit = {**spec.config.credit, spec.config.peer: GENEROUS_CREDIT_MICRO}
        spec = replace(spec, config=replace(spec.config, credit=credit))
    return spec if alter is None else alter(spec)


def _without(rates: Rates, without: frozenset[str]) -> Rates:
    nothing = Rates()
    return replace(rates, **{name: getattr(nothing, name) for name in without if hasattr(nothing, name)})


def _told(rates: Rates) -> list[str]:
    """The rates that are not nothing, in words."""
    nothing = Rates()
    named = [(name, getattr(rates, name)) for name in Rates.__slots__]
    return [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} up to {value}"
        for name, value in named
        if value != getattr(nothing, name)
    ]
