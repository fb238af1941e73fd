"""A simulated mesh as a source of events: the real nodes' decisions under a virtual clock, no process started.

What its participants tell are the views of their control APIs; what a supervisor would tell of processes, streams and
actions is told here. Times are those of the virtual clock, which begins at the same moment in every run: whoever shows or
reports them says that they are not measured.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mesh_core.api.hub import SEQ_PER_BOOT, VIEW_PERIOD_S
from mesh_core.api.schema import Event
from mesh_core.config import DEFAULT, FAST
from mesh_core.effects import JobOptions
from mesh_core.simulation.clock import WALL_EPOCH_MS
from mesh_core.simulation.host import Host
from mesh_core.simulation.reporting import Reporter, answer
from mesh_core.simulation.setup import Setup
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Refusal, World
from whisper_tui.errors import ActionError
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.schema import (
    SUPERVISOR,
    ActionMoment,
    Outcome,
    ProcessState,
    ProcessView,
)

CLOCK = "virtual"
"""What is said of times that come from here."""

PROGRESS_STEPS = 12
"""How often an execution tells more of its text."""

_Part = Literal["provider", "axl"]


class Simulated(Struct, frozen=True):
    """What a simulated mesh is made of: the same seed is the same mesh. Every execution takes `exec_delay_s` and a little
    more."""

    providers: int = 6
    seed: str = "whisper"
    fast: bool = True
    exec_delay_s: float = 0.0


class SimulatedMesh:
    """A mesh of `providers` and an operator. Time passes only while somebody calls `advance`.

    Commands happen at the present moment of the virtual clock; what they cause is told by the next `advance`. They raise
    ActionError with one line when they cannot be carried out. Names are those of participants (`node3`).
    """

    def __init__(self, made_of: Simulated) -> None:
        self._made_of = made_of
        self._world = World(
            Setup(
                seed=made_of.seed,
                providers=made_of.providers,
                shards=made_of.providers,
                timing=FAST if made_of.fast else DEFAULT,
                appetite=Appetite(
                    shortest_s=made_of.exec_delay_s + 0.2,
                    longest_s=made_of.exec_delay_s + 0.9,
                    progress_steps=PROGRESS_STEPS,
                ),
                result=answer,
            )
        )
        self._reporter = Reporter(self._world)
        self._told: list[Event] = []
        self._seq = 0
        self._boots: dict[str, int] = {}
        self._processes: dict[tuple[str, str], ProcessState] = {}
        self._sides: list[list[str]] = []
        self._questions = 0
        self._world.start()

    @property
    def primary(self) -> str:
        """The operator's peer id."""
        return self._world.hosts[OPERATOR].peer.hex()

    @property
    def exec_delay_ms(self) -> float:
        """The configured delay of executions."""
        return self._made_of.exec_delay_s * 1000

    @property
    def now_s(self) -> float:
        """Virtual seconds since the mesh began."""
        return self._world.now

    @property
    def now_ms(self) -> float:
        """What the virtual wall clock shows, in milliseconds since 1970."""
        return WALL_EPOCH_MS + self._world.now * 1000

    @property
    def plan(self) -> Plan:
        """Who takes part. Nobody listens anywhere: all ports are 0."""
        seats = [
            Seat(name, "operator" if name == OPERATOR else "provider", host.peer.hex(), 0, 0, 0)
            for name, host in self._world.hosts.items()
        ]
        return Plan(
            fast=self._made_of.fast,
            count=len(seats) - 1,
            exec_delay=self._made_of.exec_delay_s,
            light=True,
            shards_total=self._made_of.providers,
            participants=seats,
        )

    def processes(self) -> list[ProcessView]:
        """Both processes of every participant."""
        return [view for host in self._world.hosts.values() for view in self._views_of(host)]

    # --------------------------------------------------------------------------------------------- time

    def advance(self, seconds: float) -> list[Event]:
        """Let virtual time pass; everything told since the last call."""
        end = self._world.now + seconds
        while self._world.now < end:
            self._world.run_until(min(end, self._world.now + VIEW_PERIOD_S))
            self._look()
        self._look()
        told, self._told = self._told, []
        return told

    async def events(
        self, sleep: Callable[[float], Any], *, pace: float = 1.0, step_s: float = VIEW_PERIOD_S
    ) -> AsyncGenerator[Event, None]:
        """All events, for ever, `pace` virtual seconds to a real one. `sleep` is `asyncio.sleep`, or a test's."""
        while True:
            for event in self.advance(step_s):
                yield event
            await sleep(step_s / pace)

    # ----------------------------------------------------------------------------------------- commands

    def submit(self, text: str, *, max_price_micro: int | None = None) -> str:
        """Ask as the operator; the question's label."""
        label = f"q{self._questions + 1}"
        options = JobOptions() if max_price_micro is None else JobOptions(max_price_micro=max_price_micro)
        try:
            query = self._world.submit(OPERATOR, text, range(self._made_of.providers), options, label)
        except Refusal as refusal:
            raise ActionError(str(refusal)) from refusal
        if query is None:
            raise ActionError("the operator's node does not run")
        self._questions += 1
        return label

    def cancel(self, job: str) -> None:
        """Ask that the job with this id end as cancelled."""
        self._world.cancel(OPERATOR, bytes.fromhex(job))

    def kill(self, names: Sequence[str], *, by: str = "") -> Outcome:
        """Both processes of each end at once; their disks stay."""
        hosts = self._named(names, lambda host: host.up, "is down already")
        action = self._tell("kill", hosts, by)
        for host in hosts:
            self._world.crash(host.name)
        return self._outcome(action, hosts)

    def pause(self, names: Sequence[str], *, by: str = "") -> Outcome:
        """Both processes of each stand still."""
        hosts = self._named(names, lambda host: host.up and not host.paused, "does not run")
        action = self._tell("pause", hosts, by)
        for host in hosts:
            self._world.pause(host.name)
        return self._outcome(action, hosts)

    def revive(self, names: Sequence[str], *, by: str = "") -> Outcome:
        """Start again what is gone, wake what stands still."""
        hosts = self._named(names, lambda host: not host.up or host.paused, "runs: nothing to revive")
        action = self._tell("revive", hosts, by)
        for host in hosts:
            self._world.recover(host.name)
            self._hide(host.name)
        return self._outcome(action, hosts)

    def add(self, *, by: str = "") -> Outcome:
        """One more provider, under a key that nobody knows."""
        name = f"node{len(self._world.hosts)}"
        self._world.join(name)
        hosts = [self._world.hosts[name]]
        return self._outcome(self._tell("add", hosts, by), hosts)

    def partition(self, b: Sequence[str], *, by: str = "") -> Outcome:
        """Cut these off from all others."""
        side_b = self._named(b, lambda _: True, "")
        names = [host.name for host in side_b]
        side_a = [name for name in self._world.hosts if name not in names]
        if not side_a:
            raise ActionError("a partition needs somebody on either side")
        action = self._tell("partition", side_b, by)
        self._sides = [side_a, names]
        for name in self._world.hosts:
            self._hide(name)
        return self._outcome(action, list(self._world.hosts.values()))

    def heal(self, *, by: str = "") -> Outcome:
        """End the partition."""
        if not self._sides:
            raise ActionError("there is no partition to heal")
        cut_off = self._named(self._sides[1], lambda _: True, "")
        action = self._tell("heal", cut_off, by)
        self._sides = []
        for name in self._world.hosts:
            self._hide(name)
        return self._outcome(action, list(self._world.hosts.values()))

    # ------------------------------------------------------------------------------------------ helpers

    def _hide(self, name: str) -> None:
        """Tell a host whom it must not see; one that is down hears of it when it is revived."""
        hidden = [other for side in self._sides if name not in side for other in side]
        if self._world.hosts[name].up:
            self._world.hide(name, hidden)

    def _named(self, names: Sequence[str], fits: Callable[[Host], bool], why_not: str) -> list[Host]:
        unknown = [name for name in names if name not in self._world.hosts]
        if unknown or not names:
            raise ActionError(f"no participant is called {unknown[0]}" if unknown else "nobody was named")
        hosts = [self._world.hosts[name] for name in dict.fromkeys(names)]
        chosen = [host for host in hosts if fits(host)]
        if not chosen:
            raise ActionError("; ".join(f"{host.name} {why_not}" for host in hosts))
        return chosen

    def _tell(self, action: str, hosts: Sequence[Host], by: str) -> ActionMoment:
        names = [host.name for host in hosts]
        words = names if action not in ("heal", "add") else []
        moment = ActionMoment(action, names, by, self.now_ms, command_line(action, *words))
        self._say("action", msgspec.to_builtins(moment))
        return moment

    def _outcome(self, action: ActionMoment, hosts: Sequence[Host]) -> Outcome:
        views = [view for host in hosts for view in self._views_of(host)]
        return Outcome(action, views, sides=self._sides)

    def _say(self, kind: str, data: dict[str, Any]) -> None:
        self._seq += 1
        self._told.append(Event(self._seq, self.now_ms, SUPERVISOR, kind, data))

    def _look(self) -> None:
        """Tell what processes and streams have become, then what participants have said since."""
        for host in self._world.hosts.values():
            for view in self._views_of(host):
                if self._processes.get((view.name, view.part)) != view.state:
                    self._processes[view.name, view.part] = view.state
                    self._say("process", msgspec.to_builtins(view))
                    if view.part == "provider" and view.state == "killed":
                        self._say("source", self._stream(host, "stale"))
        for event in self._reporter.take():
            boot = event.seq // SEQ_PER_BOOT
            if self._boots.get(event.node) != boot:
                self._boots[event.node] = boot
                host = self._world.by_peer[bytes.fromhex(event.node)]
                self._say("source", {**self._stream(host, "live"), "fresh": True})
            self._told.append(event)

    def _views_of(self, host: Host) -> list[ProcessView]:
        return [self._view(host, "axl", host.axl_up), self._view(host, "provider", host.up)]

    def _view(self, host: Host, part: _Part, runs: bool) -> ProcessView:
        state: ProcessState = (
            "running" if runs else "starting" if host.booting or not host.started else "killed"
        )
        if runs and host.paused:
            state = "paused"
        return ProcessView(host.name, part, host.peer.hex(), state=state, since_ms=self.now_ms)

    def _stream(self, host: Host, state: str) -> dict[str, Any]:
        return {"node": host.name, "peer": host.peer.hex(), "state": state, "fresh": False, "retry_ms": 0}
