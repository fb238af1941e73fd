"""A recording as the ground of a script: what happened then, as far as somebody waits for it. Nothing can be done to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import NoReturn

from mesh_core.api.schema import Event
from whisper_tui.errors import ActionError, TimedOut
from whisper_tui.model.numbers import counted
from whisper_tui.recording.opening import Recording, open_recording
from whisper_tui.script.doing import Stage
from whisper_tui.script.looking import View
from whisper_tui.script.progress import Progress
from whisper_tui.script.stepping import SteppedClock, SteppedPicture


class RecordedSteps:
    """Events of a recording, one at a time, at the times at which they were told."""

    def __init__(self, recording: Recording) -> None:
        self._events: Iterator[Event] = recording.events()
        self._next: Event | None = next(self._events, None)
        self._began_ms = self._now_ms = recording.timeline.began_ms

    @property
    def now_s(self) -> float:
        """Seconds since the beginning of the recording."""
        return (self._now_ms - self._began_ms) / 1000

    @property
    def now_ms(self) -> float:
        """What the clock on the wall showed then."""
        return self._now_ms

    def step(self, end_s: float) -> list[Event]:
        """The next event, if it was told by then. TimedOut when there is none any more."""
        event, end_ms = self._next, self._began_ms + end_s * 1000
        if event is None:
            raise TimedOut(f"the recording ends here, after {self.now_s:.1f} s")
        if event.at_ms > end_ms:
            self._now_ms = end_ms
            return []
        self._now_ms = max(self._now_ms, event.at_ms)
        self._next = next(self._events, None)
        return [event]


class Past:
    """Actions on what has been: all are refused."""

    async def submit(self, text: str, max_price_micro: int | None = None) -> NoReturn:
        """Refused."""
        self._refuse()

    async def cancel(self, job: str) -> NoReturn:
        """Refused."""
        self._refuse()

    async def kill(self, names: Sequence[str], only: object = None) -> NoReturn:
        """Refused."""
        self._refuse()

    async def pause(self, names: Sequence[str]) -> NoReturn:
        """Refused."""
        self._refuse()

    async def revive(self, names: Sequence[str]) -> NoReturn:
        """Refused."""
        self._refuse()

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> NoReturn:
        """Refused."""
        self._refuse()

    async def heal(self) -> NoReturn:
        """Refused."""
        self._refuse()

    async def add(self) -> NoReturn:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ActionError("this is a recording: nothing can be done to it any more")


class RecordedGround:
    """What was recorded at `path`. BadInput when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._recording = open_recording(path)
        self.clock = SteppedClock(RecordedSteps(self._recording))

    @asynccontextmanager
    async def entered(
        self, rng: Random, progress: Progress, heard: Callable[[Event], None]
    ) -> AsyncIterator[Stage]:
        """The mesh as it was at the beginning."""
        progress.keep_time(self.clock.now)
        about = self._recording.about
        progress.say(f"replaying {counted(about.providers, 'provider')} from {self._recording.path}")
        picture = SteppedPicture(self._recording.initial, progress.told, heard, self.clock)
        timeline = self._recording.timeline
        yield Stage(Past(), picture, rng, progress.say, self.clock, replay=timeline)

    def view(self, stage: Stage) -> View:
        """What had been told by then."""
        return View(stage.picture.state, model_expected=False, model_starts=False)

    async def audit(self) -> None:
        """There are no stores any more."""
