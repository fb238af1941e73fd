"""The console on a screen that nobody sees: keys are pressed by a program, what is shown is drawn on a canvas."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final

import rich.console
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from whisper_tui.app import Console, ConsoleOptions, EventSource
from whisper_tui.browsing import Records
from whisper_tui.clock import Clock
from whisper_tui.errors import ActionError
from whisper_tui.intents import Actions
from whisper_tui.screens.dialog import DEAF_FOR_S, Dialog
from whisper_tui.terminal.canvas import Canvas

TITLE: Final = "whisper"
"""Above pictures."""

LOOKED_AT_S: Final = DEAF_FOR_S + 0.01
"""How long a dialog is looked at before it is answered."""


class HeadlessTerminal(HeadlessDriver):
    """Takes what a terminal would be sent."""

    @property
    def is_headless(self) -> bool:
        """Textual writes nothing to a driver that says yes."""
        return False

    def write(self, data: str) -> None:
        """Draw."""
        assert isinstance(self._app, HeadlessConsole)
        self._app.canvas.feed(data)


class HeadlessConsole(Console):
    """The console with all its colours, whatever the terminal of this program can show."""

    CSS_PATH = str(Path(inspect.getfile(Console)).with_name("app.tcss"))

    def __init__(
        self,
        source: EventSource,
        actions: Actions,
        options: ConsoleOptions,
        records: Records | None,
        canvas: Canvas,
        *,
        draws_by_itself: bool,
    ) -> None:
        super().__init__(source, actions, options, records)
        self.canvas = canvas
        self._draws_by_itself = draws_by_itself
        self.console = rich.console.Console(
            color_system="truecolor",
            file=StringIO(),
            force_terminal=True,
            legacy_windows=False,
            safe_box=False,
            highlight=False,
        )

    def tick(self) -> None:
        """A frame, where time passes by itself."""
        if self._draws_by_itself:
            super().tick()

    def go_to(self, at_ms: float) -> None:
        """In a replay, show that moment."""
        if self._travel.is_replay:
            self._travel.to(at_ms)

    def draw_now(self) -> None:
        """A frame of what is known by now, unless it would be the one before."""
        super().tick()

    def get_driver_class(self) -> type[Driver]:
        """The one that draws on the canvas."""
        return HeadlessTerminal


class Keyboard:
    """Presses keys of a console as a person does, who looks at the screen before the next key."""

    def __init__(self, console: HeadlessConsole, pilot: Pilot[Any], clock: Clock, pace_s: float) -> None:
        self._console = console
        self._pilot = pilot
        self._clock = clock
        self._shown_at = clock.now()
        self._pace_s = pace_s

    async def press(self, keys: Sequence[str], *, pace: float = 1.0) -> None:
        """One key after the other, `pace` times the usual time apart. ActionError once the console has been left."""
        for key in keys:
            await self._clock.sleep(self._pace_s * pace)
            await self._until_heard()
            self._check_there()
            await self._pilot.press(key)
        await self.settle()

    async def settle(self) -> None:
        """Have everything drawn that is known by now. What was shown last stays after the console has been left."""
        if not self._console.is_running:
            return
        await self._pilot.pause()
        if self._clock.now() != self._shown_at:  # until then a replay stays where keys have led it
            self._shown_at = self._clock.now()
            self._console.go_to(self._clock.wall_ms())
        self._console.draw_now()
        await self._pilot.pause()

    def svg(self) -> str:
        """A picture of the screen. ActionError once the console has been left."""
        self._check_there()
        return self._console.export_screenshot(title=TITLE)

    def _check_there(self) -> None:
        if not self._console.is_running:
            raise ActionError("the console has been left")

    async def _until_heard(self) -> None:
        """A dialog ignores keys at first: they were meant for what was there before."""
        screen = self._console.screen if self._console.screen_stack else None
        if isinstance(screen, Dialog) and not screen.listens():
            await self._clock.sleep(LOOKED_AT_S)


@asynccontextmanager
async def showing(
    source: EventSource,
    actions: Actions,
    options: ConsoleOptions,
    records: Records | None,
    canvas: Canvas,
    clock: Clock,
    pace_s: float,
) -> AsyncIterator[Keyboard]:
    """A console for as long as the block runs. ActionError at its end when the console could not handle something."""
    console = HeadlessConsole(source, actions, options, records, canvas, draws_by_itself=clock.runs_by_itself)
    size = (canvas.width, canvas.height)
    try:
        async with console.run_test(headless=False, size=size) as pilot:
            yield Keyboard(console, pilot, clock, pace_s)
    except Exception as error:
        if not console.return_code:
            raise
        raise ActionError(f"the console failed: {type(error).__name__}: {error}") from error
