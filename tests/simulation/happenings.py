"""Single pieces of trouble: each has a name (`crashes#3`) and dice of its own, so that leaving one out changes no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from msgspec import structs

from mesh_core.simulation.disk import Backup
from mesh_core.simulation.facts import Facts, JobFacts
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import World
from tests.simulation.ambush import PHASES, Ambush

_CRASH_GAPS_S = (0.05, 0.3, 1.0, 4.0)

_SOON_S = 0.015
"""About as long as the messages take that follow a durable vote: strike before, between or after them."""


class Happenings:
    """Makes things happen to a world until `until`. Splits never cut `bridge` off; `pace` stretches what lasts.

    `spare` hosts may be lost for good: as many as every committee of the whole mesh can do without.
    """

    def __init__(
        self,
        world: World,
        facts: Facts,
        seed: str,
        *,
        without: frozenset[str],
        until: float,
        pace: float,
        spare: int,
        bridge: str,
    ) -> None:
        self.world = world
        self.facts = facts
        self.happened: list[str] = []
        self.until = until
        self.spare = spare
        self._seed = seed
        self._without = without
        self._pace = pace
        self._bridge = bridge
        self._strikes = 0
        self._acts: dict[str, Callable[..., None]] = {
            "clogged_links": self._clog,
            "partitions": self._partition,
            "one_way_cuts": self._cut,
            "commanded_splits": self._command_split,
            "crashes": self._crash_anybody,
            "blackouts": self._black_out,
            "holder_restarts": self._restart_holder,
            "ambushes": self._strike,
            "kills": self._kill,
            "new_keys": self._come_back_as_another,
            "newcomers": self._join,
            "leaves": self._leave,
            "pauses": self._pause_anybody,
            "stalls": self._stall,
            "slow_loops": self._slow_down,
            "clock_steps": self._step_clock,
            "clock_bends": self._bend_clock,
            "lame_disks": self._make_lame,
            "full_disks": self._fill_disk,
            "old_backups": self._restore,
            "price_changes": self._change_price,
        }

    def befall(self, kind: str, times: Sequence[float]) -> None:
        """Let `kind` happen at each of `times`."""
        for number, at in enumerate(times, start=1):
            self.world.schedule.at(at, self.happen, f"{kind}#{number}", self._acts[kind])

    def happen(self, name: str, act: Callable[..., None], *args: Any) -> None:
        """Let `act` happen under a name, unless trouble is over or it is left out. It gets dice of its own."""
        if self.world.now < self.until and name not in self._without:
            self.happened.append(name)
            act(Random(f"{self._seed}/{name}"), *args)

    def lay_ambush(self, rng: Random, strikes: int) -> None:
        """Strike soon after votes of one phase have become durable, or crash hosts while these are written."""
        phase, odds = rng.choice(PHASES), rng.choice((0.05, 0.2, 0.5))
        early = rng.random() < 0.4
        late_blows = (self.crash, self.crash, self._isolate, self._pause, self.halve)
        blows = (self.crash,) if early else late_blows

        def strike(name: str) -> None:
            soon_s = self.world.hosts[name].fsync_s[1] if early else _SOON_S
            self.strike_soon(rng.uniform(0.0, soon_s), name, blows)

        self.world.watch(Ambush(rng, phase=phase, strikes=strikes, odds=odds, early=early, strike=strike))

    def lay_backup_ambush(self, rng: Random, strikes: int) -> None:
        """Set disks back right after votes of one phase, to a copy from shortly before."""
        copies: dict[str, Backup] = {}

        def copy() -> None:
            copies.update({host.name: host.disk.backup() for host in self.world.hosts.values()})
            self.world.schedule.after(rng.uniform(0.05, 1.0), copy)

        def strike(name: str) -> None:
            self.strike_soon(rng.uniform(0.0, _SOON_S), name, (partial(self._set_back, copies),))

        copy()
        phase = rng.choice(PHASES)
        self.world.watch(Ambush(rng, phase=phase, strikes=strikes, odds=0.1, early=False, strike=strike))

    def strike_soon(self, seconds: float, name: str, blows: Sequence[Callable[..., None]]) -> None:
        """One of `blows` for the host `name`."""
        self._strikes += 1
        self.world.schedule.after(
            seconds, self.happen, f"ambushes#{self._strikes}", self._acts["ambushes"], name, blows
        )

    # ------------------------------------------------------------------------------------------- whom, what

    def _names(self) -> list[str]:
        return [host.name for host in self.world.hosts.values() if not host.lost]

    def _providers(self) -> list[str]:
        return [host.name for host in self.world.hosts.values() if not host.lost and host.config.executes]

    def _anybody(self, rng: Random) -> str:
        return rng.choice(self._names())

    def _undecided(self) -> list[JobFacts]:
        return [job for job in self.facts.jobs.values() if not job.settled]

    def _later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self.world.schedule.after(seconds * self._pace, call, *args)

    def _mend_later(self, seconds: float, cut: int) -> None:
        self._later(seconds, self.world.mend, cut)

    # ------------------------------------------------------------------------------------------- the network

    def _clog(self, rng: Random) -> None:
        here, there = rng.sample(self._names(), 2)
        link = self.world.clog(here, there, rng.choice((2_000.0, 10_000.0, 50_000.0)))
        self._later(rng.uniform(1.0, 6.0), self.world.network.unclog, link)

    def _partition(self, rng: Random) -> None:
        names = [name for name in self._names() if name != self._bridge]
        side = [name for name in names if rng.random() < 0.5]
        rest = [name for name in names if name not in side]
        one_way = rng.random() < 0.33
        cut = self.world.cut(side, rest) if one_way else self.world.split([side, rest])
        self._mend_later(rng.uniform(0.3, 4.0), cut)

    def _isolate(self, rng: Random, name: str) -> None:
        cut = self.world.split([[name], [other for other in self._names() if other != name]])
        self._mend_later(rng.uniform(0.3, 3.0), cut)

    def halve(self, rng: Random, name: str) -> None:
        """The mesh splits in half, `name` on one side."""
        names = [other for other in self._names() if other != self._bridge]
        others = [other for other in names if other != name]
        side = [name, *rng.sample(others, len(others) // 2)]
        cut = self.world.split([side, [other for other in names if other not in side]])
        self._mend_later(rng.uniform(1.0, 6.0), cut)

    def _cut(self, rng: Random) -> None:
        here, there = rng.sample(self._names(), 2)
        cut = self.world.cut([here], [there])
        self._mend_later(rng.uniform(1.0, 6.0), cut)

    def _command_split(self, rng: Random) -> None:
        names = self._names()
        side = [name for name in names if rng.random() < 0.5]
        rest = [name for name in names if name not in side]
        both = rng.random() < 0.5
        for name in side:
            self.world.hide(name, rest)
        for name in rest if both else ():
            self.world.hide(name, side)

    # --------------------------------------------------------------------------------------- life and death

    def crash(self, rng: Random, name: str) -> None:
        """A host crashes and comes back."""
        self.world.crash(name, axl_too=rng.random() < 0.5)
        self._later(rng.choice(_CRASH_GAPS_S), self.world.start, name)

    def _crash_anybody(self, rng: Random) -> None:
        self.crash(rng, self._anybody(rng))

    def _strike(self, rng: Random, name: str, blows: Sequence[Callable[..., None]]) -> None:
        rng.choice(blows)(rng, name)

    def _black_out(self, rng: Random) -> None:
        for name in self._names():
            self.world.crash(name)
            self._later(rng.uniform(0.0, 2.0), self.world.start, name)

    def _restart_holder(self, rng: Random) -> None:
        holders = sorted(
            {peer for job in self._undecided() for peers in job.holders.values() for peer in peers}
        )
        up = [host.name for host in (self.world.by_peer[peer] for peer in holders) if host.up]
        if up:
            name = rng.choice(up)
            self.world.crash(name, axl_too=rng.random() < 0.3)
            self.world.schedule.after(rng.choice((0.01, 0.05, 0.3)), self.world.start, name)

    def _kill(self, rng: Random) -> None:
        victims = self._providers() if rng.random() < 0.8 else self._names()
        if self._may_lose():
            name = rng.choice(victims)
            if rng.random() < 0.2:
                self.world.leave(name)
            self.world.schedule.after(rng.choice((0.0, 0.0, 0.1)), self.world.kill, name)

    def _may_lose(self) -> bool:
        """Count one more host that is lost for good, if there is one to spare."""
        self.spare -= 1
        return self.spare >= 0

    def _join(self, rng: Random) -> None:
        self.world.join(f"node{len(self.world.hosts)}")

    def _come_back_as_another(self, rng: Random) -> None:
        if self._may_lose():
            self.world.kill(rng.choice(self._providers()))
            self._later(rng.uniform(0.0, 1.0), self._join, rng)

    def _leave(self, rng: Random) -> None:
        name = rng.choice(self._providers())
        self.world.leave(name)
        self.world.schedule.after(0.1, self.crash, rng, name)

    def _change_price(self, rng: Random) -> None:
        host = self.world.hosts[rng.choice(self._providers())]
        price_micro = 9_000 + 250 * rng.randrange(8)
        announcement = structs.replace(host.config.announcement, price_micro=price_micro)
        host.config = replace(host.config, announcement=announcement)
        self.crash(rng, host.name)

    # -------------------------------------------------------------------------------------------- processes

    def _pause(self, rng: Random, name: str) -> None:
        self.world.pause(name)
        self._later(rng.uniform(0.5, 4.0), self.world.resume, name)

    def _pause_anybody(self, rng: Random) -> None:
        self._pause(rng, self._anybody(rng))

    def _stall(self, rng: Random) -> None:
        self.world.stall(self._anybody(rng), rng.uniform(0.05, 0.6))

    def _slow_down(self, rng: Random) -> None:
        name = self._anybody(rng)
        self.world.slow_down(name, rng.choice((0.002, 0.01, 0.04)))
        self._later(rng.uniform(1.0, 6.0), self.world.slow_down, name, 0.0)

    def _step_clock(self, rng: Random) -> None:
        self.world.jump_clock(self._anybody(rng), rng.choice((-10.0, 10.0)))

    def _bend_clock(self, rng: Random) -> None:
        self.world.bend_clock(self._anybody(rng), rng.uniform(0.95, 1.05))

    # ------------------------------------------------------------------------------------------------ disks

    def _make_lame(self, rng: Random) -> None:
        host = self.world.hosts[self._anybody(rng)]
        host.fsync_s = (0.5, 3.0)
        self.world.trace.tell(self.world.now, host.name, "has a disk that hardly moves")
        self.world.schedule.after(3.0, setattr, host, "fsync_s", self.world.setup.fsync_s)

    def _fill_disk(self, rng: Random) -> None:
        name = self._anybody(rng)
        self.world.fill_disk(name, full=True)
        self._later(rng.uniform(0.5, 5.0), partial(self.world.fill_disk, name, full=False))

    def _restore(self, rng: Random) -> None:
        """Take a copy now and put it back a little later."""
        host = self.world.hosts[self._anybody(rng)]
        if host.started and self._may_lose():
            self._later(rng.uniform(0.2, 4.0), self._put_back, host, host.disk.backup())

    def _set_back(self, copies: Mapping[str, Backup], _rng: Random, name: str) -> None:
        if self._may_lose():
            self._put_back(self.world.hosts[name], copies[name])

    def _put_back(self, host: Host, backup: Backup) -> None:
        if self.world.now < self.until and not host.lost:
            self.world.restore(host.name, backup)
