"""The mesh of one run: started before the first step, ended completely after the last."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from random import Random

from mesh_core.api.reports import Audit
from mesh_core.api.schema import Event
from whisper_tui.actions.actions import Actions
from whisper_tui.clock import RealClock
from whisper_tui.errors import MeshUnreachable
from whisper_tui.model.numbers import counted
from whisper_tui.model.state import initial_state
from whisper_tui.reach import Reach, live_source
from whisper_tui.script.audit import audit
from whisper_tui.script.doing import Stage
from whisper_tui.script.looking import View
from whisper_tui.script.picture import Picture
from whisper_tui.script.progress import Progress
from whisper_tui.script.schema import Script
from whisper_tui.settings import TRUE_WORDS, Settings
from whisper_tui.sources.records import MeshRecords
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.launch import launched, until_ready
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import Wishes, read_place
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import WORKING

RETAINED_RECORDS = 1 << 16
"""Enough for some seven thousand jobs: what a script reports is counted from what stores hold, and a checkpoint would leave
of older jobs only what they came to."""


def wishes_of(script: Script, corpus: str | None, axl_node: str | None, *, light: bool) -> Wishes:
    """The mesh a script asks for, with what the command line said put over it (see `prepare.read_place`)."""
    return Wishes(
        count=script.mesh.nodes,
        fast=script.mesh.fast,
        exec_delay=script.mesh.exec_delay_s,
        corpus=read_place(script.mesh.corpus or None, "corpus") if corpus is None else corpus,
        axl_node=axl_node,
        auto_ports=True,
        light=light or not script.mesh.model,
        retained_records=RETAINED_RECORDS,
    )


class LiveMesh:
    """Processes of this machine, in `run`."""

    def __init__(self, run: RunDir, wishes: Wishes, settings: Settings) -> None:
        self.clock = RealClock()
        self._run = run
        self._wishes = wishes
        self._settings = settings
        self._plan: Plan | None = None
        self._picture: Picture | None = None

    @contextlib.asynccontextmanager
    async def entered(
        self, rng: Random, progress: Progress, heard: Callable[[Event], None]
    ) -> AsyncIterator[Stage]:
        """The mesh for as long as the block runs. BadInput or MeshUnreachable when it does not start."""
        run = self._run
        actions = Actions(run, "script", rng=rng)
        progress.say(f"starting {counted(self._wishes.count or 0, 'provider')} and the operator …")
        try:
            async with launched(run, self._wishes, self._settings, progress.say) as started:
                if not started:
                    raise MeshUnreachable(f"somebody else has started a mesh in {run.root}")
                await until_ready(run)
            plan = self._plan = plans.load(run.plan)
            assert plan is not None, "a mesh that runs has a plan"
            state = initial_state(primary=plan.operator.peer, exec_delay_ms=plan.exec_delay * 1000)
            picture = self._picture = Picture(state, progress.told, heard)
            async with contextlib.aclosing(live_source(run, plan).events()) as events:
                following = asyncio.create_task(picture.follow(events))
                try:
                    # What the supervisor does is told to those who listen: nobody acts before somebody does.
                    await picture.until(lambda state: bool(state.processes))
                    progress.say("they are up")
                    records = MeshRecords(Reach(run).askable)
                    yield Stage(actions, picture, rng, progress.say, self.clock, run, records)
                finally:
                    following.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await following
                    progress.say("ending the mesh, and reading its stores …")
        finally:
            if run.running() is not None:
                await actions.down()

    def view(self, stage: Stage) -> View:
        """What events have told; whether a model answers is known from what was started."""
        assert self._plan is not None, "a stage has a mesh"
        backend = self._plan.backend
        installed = bool(backend.ollama_url or backend.openai_url or backend.llama_cpp_url)
        demanded = os.environ.get("CI", "").lower() in TRUE_WORDS
        return View(
            stage.picture.state,
            model_expected=not self._plan.light and (installed or demanded),
            model_starts=bool(backend.llama_cpp_url),
        )

    async def audit(self) -> Audit:
        """Read the stores of all participants, those who have died too. MeshUnreachable when they cannot be read."""
        return await audit(self._run, *self.participants())

    def participants(self) -> tuple[list[str], list[str]]:
        """Names of those whose mesh process works, or did when the run ended, and of all others."""
        plan = plans.load(self._run.plan) or self._plan
        assert plan is not None and self._picture is not None, (
            "participants are those of a mesh that was started"
        )
        processes = self._picture.state.processes
        live: list[str] = []
        gone: list[str] = []
        for seat in plan.participants:
            process = processes.get((seat.name, "provider"))
            (live if process is not None and process.state in WORKING else gone).append(seat.name)
        return live, gone
