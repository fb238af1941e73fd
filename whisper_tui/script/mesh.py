"""The mesh of one run: started before the first step, ended completely after the last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from random import Random

from mesh_core.api.schema import Event
from whisper_tui.actions.actions import Actions
from whisper_tui.errors import MeshUnreachable
from whisper_tui.model.state import LogEntry, State, initial_state
from whisper_tui.reach import live_source
from whisper_tui.script.doing import Stage
from whisper_tui.script.picture import Picture
from whisper_tui.script.schema import Script
from whisper_tui.settings import Settings
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


@dataclass(frozen=True)
class Mesh:
    """A running mesh. `plan` is what it was started as; participants may have been added since."""

    stage: Stage
    plan: Plan

    @property
    def picture(self) -> Picture:
        """What its events tell."""
        return self.stage.picture

    def participants(self) -> tuple[list[str], list[str]]:
        """Names of those whose mesh process works, and of all others."""
        plan = plans.load(self.stage.run.plan) or self.plan
        processes = self.picture.state.processes
        live: list[str] = []
        gone: list[str] = []
        for seat in plan.participants:
            process = processes.get((seat.name, "provider"))
            (live if process is not None and process.state in WORKING else gone).append(seat.name)
        return live, gone


@contextlib.asynccontextmanager
async def running(
    run: RunDir,
    wishes: Wishes,
    settings: Settings,
    rng: Random,
    say: Callable[[str], None],
    told: Callable[[State, LogEntry], None],
    heard: Callable[[Event], None] = lambda event: None,
) -> AsyncIterator[Mesh]:
    """A fresh mesh in `run` for as long as the block runs. BadInput or MeshUnreachable when it does not start."""
    actions = Actions(run, "script", rng=rng)
    try:
        async with launched(run, wishes, settings, say) as started:
            if not started:
                raise MeshUnreachable(f"somebody else has started a mesh in {run.root}")
            await until_ready(run)
        plan = plans.load(run.plan)
        assert plan is not None, "a mesh that runs has a plan"
        picture = Picture(
            initial_state(primary=plan.operator.peer, exec_delay_ms=plan.exec_delay * 1000), told, heard
        )
        async with contextlib.aclosing(live_source(run, plan).events()) as events:
            following = asyncio.create_task(picture.follow(events))
            try:
                # What the supervisor does is told to those who listen: nobody acts before somebody does.
                await picture.until(lambda state: bool(state.processes))
                yield Mesh(Stage(run, actions, picture, rng, say), plan)
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
    finally:
        if run.running() is not None:
            await actions.down()
