"""The log: what happened, when, and how long after the last incident began."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from whisper_tui.model.sentences import MINOR, OF_AN_END, command_of, sentence, sign_of
from whisper_tui.model.state import LogEntry, State
from whisper_tui.model.times import is_time
from whisper_tui.model.views.base import Frame, Line, Span, between, line_cells, seconds

AFTER_INCIDENT_MS = 60_000.0
"""Entries this long after an incident's beginning say how long after."""

NO_TIME = f"{'?':<12}"


def clock(at_ms: float) -> str:
    """Wall-clock time with milliseconds, in the operator's time zone; `?` for a number that is no time of our days."""
    if not is_time(at_ms):
        return NO_TIME
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]


def event_lines(frame: Frame, rows: int, width: int) -> tuple[Line, ...]:
    """The newest entries worth telling, the newest at the bottom."""
    found: list[LogEntry] = []
    end = _end(frame.state)
    for entry in reversed(frame.state.log):
        if len(found) >= rows:
            break
        if entry.kind not in MINOR and not (entry.number > end and entry.kind in OF_AN_END):
            found.append(entry)
    if not found:
        return ((Span(f" {nothing_yet(frame)}", "dim"),),)
    return in_time(frame, found, width)


def nothing_yet(frame: Frame) -> str:
    """What is said before the first event."""
    return frame.inviting("nothing has happened since this console came", "submit", "ask")


def _end(state: State) -> float:
    """Number of the entry that took down a mesh that was stopped; of one that runs none has come so far."""
    ends = (entry.number for entry in reversed(state.log) if entry.data.get("action") == "down")
    return next(ends, math.inf) if state.stopped else math.inf


def in_time(frame: Frame, entries: Iterable[LogEntry], width: int) -> tuple[Line, ...]:
    """Entries as lines, in the order of their times: reports of several nodes overtake each other on the way."""
    return tuple(
        log_line(frame, entry, width)
        for entry in sorted(entries, key=lambda entry: (entry.at_ms, entry.number))
    )


def log_line(frame: Frame, entry: LogEntry, width: int) -> Line:
    """One entry in exactly `width` cells."""
    sign, tone = sign_of(entry, frame.glyphs)
    text = sentence(frame.state, entry, frame.glyphs)
    left: Line = (
        Span(f" {clock(entry.at_ms)} ", "dim"),
        Span(f"{sign} ", tone),
        Span(text, "dim" if tone == "dim" else "text"),
    )
    after = _after(frame, entry)
    right = (Span(f"  {after} ", "dim"),) if after else ()
    command = Span(f"  {frame.typed(command_of(entry))}", "dim")
    if line_cells((*left, command, *right)) <= width:  # a command that is cut cannot be typed
        left = (*left, command)
    return between(left, right, width)


def _after(frame: Frame, entry: LogEntry) -> str:
    for incident in reversed(frame.state.incidents):
        if incident.at_ms <= entry.at_ms:
            passed = entry.at_ms - incident.at_ms
            return seconds(passed, signed=True) if 0 < passed <= AFTER_INCIDENT_MS else ""
    return ""
