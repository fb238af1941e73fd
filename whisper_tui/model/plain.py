"""What happens as lines of text: one sentence for each event, with its time, for whoever cannot or does not want to look at
a screen, and the same as JSON for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import name_of, node_counts, open_jobs
from whisper_tui.model.sentences import command_of, sentence, sign_of
from whisper_tui.model.state import SUPERVISOR, LogEntry, State
from whisper_tui.model.times import is_time

NAME_AWAITED_MS = 1_000.0


def news(before: State, after: State) -> tuple[LogEntry, ...]:
    """Entries that the log of `after` has and that of `before` had not."""
    new = after.log_number - before.log_number
    return after.log[len(after.log) - new :] if new else ()


class Teller:
    """Tells what is new, once. Some hear of a job before the operator's node names it: that waits a moment for the name."""

    def __init__(self) -> None:
        self._held: tuple[LogEntry, ...] = ()

    def news(self, before: State, after: State) -> list[LogEntry]:
        """Entries worth telling now."""
        told: list[LogEntry] = []
        held: list[LogEntry] = []
        for entry in (*self._held, *news(before, after)):
            waits = is_nameless(after, entry) and after.now_ms - entry.at_ms < NAME_AWAITED_MS
            (held if waits else told).append(entry)
        self._held = tuple(held)
        return told


def is_nameless(state: State, entry: LogEntry) -> bool:
    """Whether it is about a job that nobody has shown yet."""
    return "job" in entry.data and str(entry.data["job"]) not in state.jobs


def line(state: State, entry: LogEntry, glyphs: Glyphs) -> str:
    """`2026-01-01 12:00:03.214 ✖ node4 confirmed dead, …`, inert, with the command that does the same if there is one."""
    sign, _ = sign_of(entry, glyphs)
    command = command_of(entry)
    told = f"{sentence(state, entry, glyphs)}  ({command})" if command else sentence(state, entry, glyphs)
    return f"{moment(entry.at_ms)} {sign} {told}"


def fields(state: State, entry: LogEntry, glyphs: Glyphs) -> dict[str, Any]:
    """The same for a program: time in milliseconds since 1970, kind, sentence, who told it, and what was told."""
    return {
        "at_ms": entry.at_ms,
        "kind": entry.kind,
        "sentence": sentence(state, entry, glyphs),
        "told_by": [peer if peer == SUPERVISOR else name_of(state, peer) for peer in entry.observers],
        "data": dict(entry.data),
    }


def moment(at_ms: float) -> str:
    """Date and time to the millisecond, in the operator's time zone; `?` for a number that is no time of our days."""
    if not is_time(at_ms):
        return f"{'?':<23}"
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}"


def standing(state: State) -> str:
    """How things stand, in one sentence."""
    counts = node_counts(state)
    jobs = counted(len(open_jobs(state)), "open job")
    return f"{counts.up} of {counted(counts.total, 'provider')} up, {jobs}"
