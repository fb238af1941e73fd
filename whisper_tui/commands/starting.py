"""A mesh that has just been started: whoever types at once waits a little instead of hearing that nobody answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress

from mesh_core.api.client import ControlError, ControlUnavailable
from whisper_tui.commands.output import Progress
from whisper_tui.errors import MeshUnreachable
from whisper_tui.reach import Reach
from whisper_tui.supervisor.launch import until_unlocked
from whisper_tui.supervisor.rundir import Locked, lock

STARTING_S = 10.0
"""How long after its start a mesh may be on its way; later, who does not answer is down."""


async def until_started(reach: Reach) -> None:
    """Return once those whose processes run have come up and met, at the latest when the mesh is STARTING_S old.

    MeshUnreachable when nothing runs there; what else is amiss is told by whatever is asked next.
    """
    with Progress() as progress:
        progress.say("still starting …")
        await _until_launched(reach)
        status = await reach.status()
        left_s = STARTING_S - (time.time() - status.started_ms / 1000)
        if left_s <= 0 or status.sides:
            return
        with suppress(TimeoutError, MeshUnreachable, ControlError, ControlUnavailable):
            async with asyncio.timeout(left_s), aclosing(reach.supervisor.events()) as events:
                async for event in events:
                    if event.kind == "ready":
                        break
                await reach.until_met()


async def _until_launched(reach: Reach) -> None:
    """Wait while somebody prepares the run directory: the supervisor comes after that."""
    path = reach.run.up_lock_file
    if reach.run.running() is not None or not path.exists():
        return
    try:
        with lock(path, shared=True):
            return
    except Locked:
        try:
            await until_unlocked(path, STARTING_S)
        except TimeoutError:
            raise MeshUnreachable(
                f"the mesh in {reach.run.root} is still starting", "try again in a moment"
            ) from None
