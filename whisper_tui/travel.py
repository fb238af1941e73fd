"""Going through time: where the display stands among the events of a timeline, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Callable

from whisper_tui.model.state import State
from whisper_tui.model.views.moment import Moment
from whisper_tui.recording.timeline import Timeline

IDLE_MS = 2_000.0
"""While playing, a longer time in which nothing happens is cut to this."""


class Travel:
    """A position, or None for now. A replay has no now: its end is as far as it goes.

    `timeline` is asked for whenever somebody goes somewhere: in a live console it has grown since. Whoever goes answers False
    where that leads nowhere; Damaged where a recording cannot be read.
    """

    def __init__(
        self, timeline: Callable[[], Timeline], *, replay: bool, monotonic: Callable[[], float]
    ) -> None:
        self._timeline = timeline
        self._replay = replay
        self._monotonic = monotonic
        self._position: int | None = None
        self._state: State | None = None
        self._last = 0
        self._playing: tuple[float, float] | None = None
        if replay:
            self.live()

    @property
    def is_away(self) -> bool:
        """Whether what is shown is not now."""
        return self._position is not None

    @property
    def is_replay(self) -> bool:
        """Whether there is no now."""
        return self._replay

    @property
    def state(self) -> State | None:
        """What was known at the moment that is shown; None for now."""
        return self._state

    @property
    def now_ms(self) -> float:
        """The time that is shown; 0 for now."""
        if self._state is None:
            return 0.0
        return max(self._state.now_ms, self._played_ms())

    def moment(self) -> Moment | None:
        """What the header says; None for now."""
        if self._position is None:
            return None
        first = self._timeline().first
        return Moment(
            self._replay,
            self.now_ms,
            max(self._position, first),
            first,
            self._last,
            self._playing is not None,
        )

    @property
    def is_playing(self) -> bool:
        """Whether time passes."""
        return self._playing is not None

    def back(self) -> bool:
        """To the moment at which the entry of the log before this was new."""
        timeline = self._timeline()
        return self._go(timeline, timeline.told_before(self._here(timeline)))

    def forward(self) -> bool:
        """To the moment of the next entry of the log; from the last one to now."""
        timeline = self._timeline()
        here = self._here(timeline)
        return self._position is None or self._go(timeline, timeline.told_after(here))

    def incident_before(self) -> bool:
        """To the beginning of the incident before; False when there is none."""
        timeline = self._timeline()
        return self._go_if(timeline, timeline.incident_before(self._here(timeline)))

    def incident_after(self) -> bool:
        """To the beginning of the next incident; False when there is none."""
        timeline = self._timeline()
        return self._go_if(timeline, timeline.incident_after(self._here(timeline)))

    def to(self, at_ms: float) -> bool:
        """To what was known at that time."""
        timeline = self._timeline()
        return self._go(timeline, timeline.position_at(at_ms))

    def live(self) -> bool:
        """To now, or to the end of a replay."""
        timeline = self._timeline()
        return self._go(timeline, timeline.last)

    def play_or_pause(self) -> bool:
        """Let time pass as it did then; from the beginning when it stands at the end."""
        if self._playing is not None:
            self._playing = None
            return True
        timeline = self._timeline()
        if self._here(timeline) >= timeline.last:
            self._go(timeline, timeline.first)
        self._playing = (self._monotonic(), self.now_ms or timeline.began_ms)
        return True

    def tick(self) -> bool:
        """Go on while playing."""
        began, position = self._playing, self._position
        if began is None or position is None:
            return True
        timeline = self._timeline()
        if position >= timeline.last:
            self._playing = None
            return True
        reached = max(position, timeline.position_at(self._played_ms()))
        if reached == position:
            idle_ms = timeline.at(position + 1).now_ms - self._played_ms() - IDLE_MS
            self._playing = (began[0], began[1] + max(0.0, idle_ms))
            return True
        self._go(timeline, reached)
        self._playing = began
        return True

    def _played_ms(self) -> float:
        if self._playing is None:
            return 0.0
        since, from_ms = self._playing
        return from_ms + (self._monotonic() - since) * 1000

    def _here(self, timeline: Timeline) -> int:
        return timeline.last if self._position is None else self._position

    def _go_if(self, timeline: Timeline, position: int | None) -> bool:
        return position is not None and self._go(timeline, position)

    def _go(self, timeline: Timeline, position: int) -> bool:
        self._playing = None
        self._last = timeline.last
        if position >= self._last and not self._replay:
            self._position = self._state = None
        else:
            self._position, self._state = position, timeline.at(position)
        return True
