"""Which moment is shown, where it is not now."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from whisper_tui.model.views.base import Line, Span


class Moment(Struct, frozen=True):
    """A position among recorded events. `replay`: there is no now to go back to."""

    replay: bool
    at_ms: float
    position: int
    first: int
    last: int
    playing: bool = False


def moment_line(moment: Moment, play: str) -> Line:
    """`REPLAY 12:00:03.2  412/5210`: the time of day there, and how many of the events have happened."""
    word = "REPLAY" if moment.replay else "PAST"
    day = datetime.fromtimestamp(moment.at_ms / 1000).astimezone()
    time = f"{day:%H:%M:%S}.{day.microsecond // 100_000}"
    playing = f" {play}" if moment.playing else ""
    where = f" {moment.position - moment.first}/{moment.last - moment.first}{playing}"
    return (Span(f"{word} {time}", "accent"), Span(where, "dim"))
