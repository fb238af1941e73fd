"""The console of a run, on a screen of its own: its keys, what it shows, and what is kept of that.

Textual takes its time to be imported, so that it is only where a script has a console.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_tui.errors import ActionError
from whisper_tui.script import captures, keys
from whisper_tui.script.doing import Stage
from whisper_tui.script.schema import Script
from whisper_tui.script.stepping import SteppedClock
from whisper_tui.sources.relay import Relay
from whisper_tui.terminal.canvas import Canvas, Watcher
from whisper_tui.terminal.cast import CastFile
from whisper_tui.terminal.frames import FramesFolder

if TYPE_CHECKING:
    from whisper_tui.terminal.headless import Keyboard

TYPING_PACE = 0.25
"""People type quicker than they choose."""


@dataclass(frozen=True)
class Filming:
    """What is kept of the console: everything as a cast, every frame as text, and the pictures that steps ask for. What has
    no place to go is not kept."""

    cast: Path | None = None
    frames: Path | None = None
    captures: Path | None = None

    @property
    def needs_the_console(self) -> bool:
        """Whether something is kept without a step that asks for it."""
        return self.cast is not None or self.frames is not None


class Screen:
    """A console that runs."""

    def __init__(self, canvas: Canvas, keyboard: Keyboard, relay: Relay, folder: Path | None) -> None:
        self._canvas = canvas
        self._keyboard = keyboard
        self._relay = relay
        self._folder = folder

    async def press(self, pressed: tuple[str, ...]) -> None:
        """Press keys, once everything known by now can be seen."""
        await self.settle()
        await self._keyboard.press(pressed)

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.settle()
        await self._keyboard.press(keys.of_text(text), pace=TYPING_PACE)

    async def capture(self, name: str) -> bool:
        """Keep a picture of what is known by now; False when there is no folder for pictures."""
        await self.settle()
        if self._folder is None:
            return False
        content = self._keyboard.svg() if name.endswith(".svg") else self.text() + "\n"
        captures.keep(self._folder / name, content)
        return True

    async def settle(self) -> None:
        """Have everything drawn that has been told by now."""
        await self._relay.caught_up()
        await self._keyboard.settle()

    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The same, line by line."""
        return self._canvas.lines()


class _Waker:
    """Has those look again who wait for something to be shown."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def frame(self, changes: str, lines: list[str]) -> None:
        """Something else is shown."""
        self._wake()


@asynccontextmanager
async def opened(script: Script, filming: Filming, stage: Stage, relay: Relay) -> AsyncIterator[Screen]:
    """The console of a run for as long as the block runs, fed by `relay`."""
    from whisper_tui.app import ConsoleOptions  # noqa: PLC0415 - Textual
    from whisper_tui.terminal.headless import showing  # noqa: PLC0415 - Textual

    wish, clock, state = script.console, stage.clock, stage.picture.state
    watchers: list[Watcher] = [_Waker(stage.picture.wake)]
    async with AsyncExitStack() as stack:
        if filming.cast is not None:
            try:
                file = filming.cast.open("wb")
            except OSError as error:
                raise ActionError(f"{filming.cast} cannot be written: {error.strerror}") from error
            title = f"whisper: {script.name}"
            cast = CastFile(
                file, wish.columns, wish.rows, title, began_s=clock.wall_ms() / 1000, monotonic=clock.now
            )
            watchers.append(stack.enter_context(cast))
        if filming.frames is not None:
            watchers.append(FramesFolder(filming.frames))
        canvas = Canvas(wish.columns, wish.rows, watchers, asyncio.get_running_loop().call_soon)
        options = ConsoleOptions(
            primary=state.primary,
            exec_delay_ms=state.exec_delay_ms,
            ascii=wish.ascii,
            replay=stage.replay,
            at_ms=clock.wall_ms() if stage.replay is not None else None,
            only_reading=stage.replay is not None,
            simulated=not clock.runs_by_itself and stage.replay is None,
            wall_ms=clock.wall_ms,
            monotonic=clock.now,
            exports=filming.captures,
        )
        keyboard = await stack.enter_async_context(
            showing(relay, stage.actions, options, stage.records, canvas, clock, wish.pace_s)
        )
        screen = Screen(canvas, keyboard, relay, filming.captures)
        if isinstance(clock, SteppedClock):
            await stack.enter_async_context(clock.drawing(screen.settle))
        yield screen
