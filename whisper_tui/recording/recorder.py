"""The recorder follows a running mesh as a console does, and writes down what it hears.

It answers to nobody: a mesh does not notice whether it keeps up, and a disk that refuses is asked again later. What it did
not hear or could not write is missing; what follows begins with all that is known then.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, suppress
from pathlib import Path

import whisper_tui
from mesh_core.api.schema import Event
from whisper_tui.errors import UserError
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.reach import live_source
from whisper_tui.recording.folder import Folder
from whisper_tui.recording.opening import open_recording
from whisper_tui.recording.tape import About, Tape
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir

FLUSH_S = 1.0
"""How long what happened may wait to be written. Nothing is done while nothing happens."""

VIEW_PERIOD_MS = 250
"""How far apart views are: as often as a console draws. Participants make them for whoever watches, so that fewer of them
are what recording costs the mesh; moments are all recorded."""

REFUSED_S = 10.0
"""How long a disk that refuses to write is left alone."""


class Recorder:
    """Writes what it is told to a tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._refused_until = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is going to be done until something happens."""
        return self._due is None

    def take(self, event: Event) -> None:
        """One more event."""
        after = reduce(self._tape.state, event)
        if self._loop.time() < self._refused_until:
            self._tape.miss(after)
            return
        try:
            self._tape.take(event, after)
        except OSError as error:
            self._refuse(error)
        if self._due is None and self._tape.has_news:
            self._due = self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        try:
            self._tape.flush()
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        self._refused_until = self._loop.time() + REFUSED_S
        sys.stderr.write(f"recording: {error.strerror}: what happens is not kept until there is room\n")
        sys.stderr.flush()


async def record(run: RunDir, began_ms: float) -> None:
    """Record until cancelled. UserError when no mesh runs in `run`."""
    plan = plans.load(run.plan)
    if plan is None:
        raise run.nobody()
    store = Folder(run.recordings, began_ms)
    state, first = _go_on_from(store.folder, plan)
    recorder = Recorder(Tape(store, about(plan, began_ms), state, first))
    try:
        async with aclosing(live_source(run, plan, VIEW_PERIOD_MS).events()) as events:
            async for event in events:
                recorder.take(event)
    finally:
        recorder.flush()
        store.close()


def about(plan: Plan, began_ms: float) -> About:
    """What a recording says of its mesh."""
    return About(
        run=began_ms,
        network=plan.network,
        primary=plan.operator.peer,
        exec_delay_ms=plan.exec_delay * 1000,
        providers=plan.count,
        fast=plan.fast,
        program=whisper_tui.__version__,
    )


def _go_on_from(folder: Path, plan: Plan) -> tuple[State, int]:
    """What an earlier recorder of this run knew in the end, and how many events it had kept."""
    with suppress(UserError):
        if folder.is_dir():
            timeline = open_recording(folder).timeline
            return timeline.at(timeline.last), timeline.last
    return initial_state(primary=plan.operator.peer, exec_delay_ms=plan.exec_delay * 1000), 0
