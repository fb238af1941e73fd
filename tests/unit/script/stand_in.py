"""A mesh that plays by the console's story book, in place of processes: for tests of what scripts make of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from mesh_core.api.backends import BackendSettings
from mesh_core.api.reports import Audit, Replica, Secrecy
from mesh_core.api.schema import Counters, Event
from tests.unit.console.feeder import START_MS, Feeder, peer_of
from whisper_tui.clock import Clock, RealClock
from whisper_tui.model.state import State, initial_state
from whisper_tui.script.doing import Stage
from whisper_tui.script.looking import View
from whisper_tui.script.mesh import LiveMesh
from whisper_tui.script.picture import Picture
from whisper_tui.script.progress import Progress
from whisper_tui.settings import Settings
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ActionMoment, Outcome

PROVIDERS = [f"node{number}" for number in range(1, 7)]


def plan(**backend: str) -> Plan:
    """Six providers and the operator."""
    seats = [Seat(name, "provider", peer_of(name), 0, 0, 0) for name in PROVIDERS]
    seats.append(Seat("operator", "operator", peer_of("operator"), 0, 0, 0))
    return Plan(count=6, backend=BackendSettings(**backend), participants=seats)


def proof(**changes: Any) -> Audit:
    """Stores of a mesh that settled seven jobs as it should."""
    replicas = [Replica(name, peer_of(name), True, 30, 7, "ab") for name in [*PROVIDERS, "operator"]]
    found = Audit(Counters(7, 7, 0, 0, 10, 3), replicas, [], Secrecy(7, 0, 7), {}, 0, 0)
    counters = {name: changes.pop(name) for name in list(changes) if hasattr(found.counters, name)}
    return msgspec.structs.replace(
        found, counters=msgspec.structs.replace(found.counters, **counters), **changes
    )


class StandInActions:
    """Carries out actions on a feeder, and has the mesh do what it would: `then` is called after each."""

    def __init__(self, feeder: Feeder, tell: Callable[[], None]) -> None:
        self.feeder = feeder
        self.done: list[tuple[str, list[str]]] = []
        self.then: dict[str, Callable[[], None]] = {}
        self.refusal: Exception | None = None
        self._tell = tell

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        label = f"q{len(self.feeder.queries) + 1}"
        self._note("submit", [text])
        self.feeder.submit(text, label)
        self._after("submit")
        return label

    async def kill(self, names: list[str], only: str | None = None) -> Outcome:
        outcome = self._note("kill", names)
        self.feeder.kill(*names)
        return self._after("kill") or outcome

    async def pause(self, names: list[str]) -> Outcome:
        return self._acted("pause", names)

    async def revive(self, names: list[str]) -> Outcome:
        outcome = self._note("revive", names)
        for name in names:
            self.feeder.revive(name)
        self._after("revive")
        return outcome

    async def partition(self, a: list[str], b: list[str]) -> Outcome:
        return self._acted("partition", b)

    async def heal(self) -> Outcome:
        return self._acted("heal", [])

    def _acted(self, action: str, names: list[str]) -> Outcome:
        outcome = self._note(action, names)
        self.feeder.action(action, names, f"whisper-tui {action}")
        self._after(action)
        return outcome

    def _note(self, action: str, names: list[str]) -> Outcome:
        if self.refusal is not None:
            raise self.refusal
        self.done.append((action, names))
        self.feeder.wait(1)
        at_ms = START_MS + self.feeder.now_ms
        return Outcome(ActionMoment(action, names, "script", at_ms, f"whisper-tui {action}"), [])

    def _after(self, action: str) -> None:
        if action in self.then:
            self.then[action]()
        self._tell()


class WatchedPicture(Picture):
    """Says when somebody waits."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.awaited = asyncio.Event()

    async def until(self, holds: Callable[[State], bool]) -> None:
        if not holds(self.state):
            self.awaited.set()
        await super().until(holds)


class StandIn:
    """The mesh, and what its stores prove."""

    def __init__(self, folder: Path) -> None:
        self.run = RunDir(folder)
        self.feeder = Feeder()
        self.feeder.start()
        self.proof = proof()
        self.plan = plan()
        self.ended = False
        self.audits = 0
        self.actions = StandInActions(self.feeder, self.tell)
        self._heard: Callable[[Event], None] = lambda event: None
        self.picture = WatchedPicture(
            initial_state(primary=peer_of("operator")),
            lambda state, entry: None,
            self._hear,
        )
        self.clock: Clock = RealClock()
        self._told = 0

    def _hear(self, event: Event) -> None:
        self._heard(event)

    def tell(self) -> None:
        """Let the picture have everything that has happened."""
        for event in self.feeder.events[self._told :]:
            self.picture.take(event)
        self._told = len(self.feeder.events)

    def stage(self, rng: Random | None = None) -> Stage:
        """For verbs."""
        self.tell()
        return Stage(self.actions, self.picture, rng or Random(1), lambda text: None, self.clock, self.run)

    @contextlib.asynccontextmanager
    async def entered(
        self, rng: Random, progress: Progress, heard: Callable[[Event], None]
    ) -> AsyncIterator[Stage]:
        """As a ground for scripts."""
        self._heard = heard
        try:
            yield self.stage(rng)
        finally:
            self.ended = True

    def view(self, stage: Stage) -> View:
        """What live meshes show."""
        mesh = LiveMesh(self.run, Wishes(), Settings({}, None, None))
        mesh._plan = self.plan
        return mesh.view(stage)

    async def audit(self) -> Audit:
        """What somebody has put there."""
        self.audits += 1
        return self.proof
