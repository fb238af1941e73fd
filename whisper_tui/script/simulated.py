"""A simulated mesh as the ground of a script: the real nodes' decisions under a virtual clock, no process started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from mesh_core.api.schema import Event
from whisper_tui.actions.simulated import SimulatedActions
from whisper_tui.model.numbers import counted
from whisper_tui.model.state import initial_state
from whisper_tui.script.doing import Stage
from whisper_tui.script.looking import View
from whisper_tui.script.progress import Progress
from whisper_tui.script.schema import MeshWish
from whisper_tui.script.stepping import SteppedClock, SteppedPicture
from whisper_tui.sources.simulation import Simulated, SimulatedMesh

STEP_S = 0.05
"""What is waited for is looked at so often."""

STARTED_S = 1.0
"""By then all nodes have started."""


class SimulatedSteps:
    """The simulator, a step at a time."""

    def __init__(self, mesh: SimulatedMesh) -> None:
        self._mesh = mesh

    @property
    def now_s(self) -> float:
        """Virtual seconds since the mesh began."""
        return self._mesh.now_s

    @property
    def now_ms(self) -> float:
        """What the virtual wall clock shows."""
        return self._mesh.now_ms

    def step(self, end_s: float) -> list[Event]:
        """What happens in the next moment."""
        return self._mesh.advance(max(0.0, min(STEP_S, end_s - self.now_s)))


class SimulatedGround:
    """A mesh whose every chance comes from the run's seed: the same script with the same seed is the same run."""

    def __init__(self, wish: MeshWish, seed: str) -> None:
        made_of = Simulated(wish.nodes, seed, wish.fast, wish.exec_delay_s)
        self._mesh = SimulatedMesh(made_of)
        self.clock = SteppedClock(SimulatedSteps(self._mesh))

    @asynccontextmanager
    async def entered(
        self, rng: Random, progress: Progress, heard: Callable[[Event], None]
    ) -> AsyncIterator[Stage]:
        """The mesh from its beginning. There is nothing to end."""
        progress.keep_time(self.clock.now)
        state = initial_state(primary=self._mesh.primary, exec_delay_ms=self._mesh.exec_delay_ms)
        picture = SteppedPicture(state, progress.told, heard, self.clock)
        actions = SimulatedActions(self._mesh, lambda: picture.state, "script", rng)
        providers = counted(self._mesh.plan.count, "provider")
        progress.say(f"simulating {providers} and the operator; all times are virtual")
        await self.clock.sleep(STARTED_S)
        yield Stage(actions, picture, rng, progress.say, self.clock)

    def view(self, stage: Stage) -> View:
        """What events have told. Nothing is written by a model."""
        return View(stage.picture.state, model_expected=False, model_starts=False)

    async def audit(self) -> None:
        """Its disks are memory: nobody reads them from outside."""
