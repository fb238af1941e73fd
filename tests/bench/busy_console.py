"""A console in the terminal that this program is started in, on a mesh that works all the time and never was."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

from mesh_core.api.schema import Event
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Deeds
from tests.unit.console.test_slow_link import work
from whisper_tui.app import ConsoleOptions, run_console
from whisper_tui.config.in_force import in_force
from whisper_tui.config.schema import Configuration

QUARTER_S = 0.25


class Busy:
    """Events of six jobs a second, from the auction to the settlement."""

    def __init__(self, mesh: Feeder) -> None:
        self.mesh = mesh

    async def events(self) -> AsyncIterator[Event]:
        taken = 0
        for number in itertools.count():
            for event in self.mesh.events[taken:]:
                yield event
            taken = len(self.mesh.events)
            await asyncio.sleep(QUARTER_S)
            self.mesh.wait(QUARTER_S * 1000)
            work(self.mesh, number)


if __name__ == "__main__":
    hz = int(in_force(Configuration(), encoding="utf-8")["refresh_hz"].value)
    shown = ConsoleOptions(primary=peer_of("operator"), hz=hz)
    asyncio.run(run_console(Busy(rescue_story(until="started")), Deeds(), options=shown))
