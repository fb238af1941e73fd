"""A console without a terminal: fed by hand, its clock standing still, its actions written down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from mesh_core.api.schema import Event
from tests.unit.console.feeder import START_MS, Feeder, peer_of
from whisper_tui.app import Console, ConsoleOptions
from whisper_tui.browsing import Records
from whisper_tui.errors import ActionError
from whisper_tui.terminal.picture import Picture

NOWHERE = Path(os.devnull) / "exports"
"""A folder that cannot be: a test that writes says where to."""


class Fed:
    """A source that yields what a mesh has told and goes on when it tells more."""

    def __init__(self, mesh: Feeder) -> None:
        self.mesh = mesh
        self.more = asyncio.Event()

    async def events(self) -> AsyncIterator[Event]:
        taken = 0
        while True:
            while taken < len(self.mesh.events):
                taken += 1
                yield self.mesh.events[taken - 1]
            self.more.clear()
            await self.more.wait()


class Deeds:
    """Actions that only remember what was asked of them; `refusal` refuses the next ones."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.refusal = ""

    def _note(self, *deed: Any) -> None:
        if self.refusal:
            raise ActionError(self.refusal)
        self.done.append(deed)

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        self._note("submit", text, max_price_micro)
        return "q2"

    async def cancel(self, job: str) -> object:
        self._note("cancel", job)
        return None

    async def kill(self, names: Sequence[str]) -> object:
        self._note("kill", *names)
        return None

    async def pause(self, names: Sequence[str]) -> object:
        self._note("pause", *names)
        return None

    async def revive(self, names: Sequence[str]) -> object:
        self._note("revive", *names)
        return None

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> object:
        self._note("partition", tuple(a), tuple(b))
        return None

    async def heal(self) -> object:
        self._note("heal")
        return None

    async def add(self) -> object:
        self._note("add")
        return None


class Clock:
    """Both clocks of a console; they move when they are told to."""

    def __init__(self, mesh: Feeder) -> None:
        self.mesh = mesh
        self.seconds = 100.0

    def wall_ms(self) -> float:
        return START_MS + self.mesh.now_ms

    def monotonic(self) -> float:
        return self.seconds


class Bench:
    """A console under test with everything around it."""

    def __init__(self, mesh: Feeder, records: Records | None = None, **options: Any) -> None:
        self.mesh = mesh
        self.clock = Clock(mesh)
        self.deeds = Deeds()
        self.source = Fed(mesh)
        shown = ConsoleOptions(
            primary=peer_of("operator"),
            wall_ms=self.clock.wall_ms,
            monotonic=self.clock.monotonic,
            hz=4,
            **{"exports": NOWHERE, **options},
        )
        self.console = Console(self.source, self.deeds, shown, records)

    async def settle(self, pilot: Pilot[Any]) -> None:
        """Let everything told be taken in and drawn."""
        self.source.more.set()
        for _ in range(3):
            await pilot.pause()
            self.console.tick()
        await pilot.pause()

    async def press(self, pilot: Pilot[Any], *keys: str) -> None:
        """Press keys like a person, who looks at the screen first and at every dialog before answering it."""
        await self.settle(pilot)
        for key in keys:
            self.clock.seconds += 1
            await pilot.press(key)
            await pilot.pause()
        await self.settle(pilot)

    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The same, line by line."""
        return [strip.text.rstrip() for strip in self.console.screen._compositor.render_strips()]


class CountingDriver(HeadlessDriver):
    """Keeps what a terminal would have been sent, and the picture it would show."""

    picture = Picture(0, 0)
    written: ClassVar[list[str]] = []

    def start_application_mode(self) -> None:
        CountingDriver.picture = Picture(*(self._size or (80, 24)))
        CountingDriver.written.clear()
        super().start_application_mode()

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        CountingDriver.picture.feed(data)

    @staticmethod
    def sent() -> int:
        """Bytes since the last time this was asked, as one frame."""
        CountingDriver.written.append(CountingDriver.picture.changes())
        return len(CountingDriver.written[-1].encode())
