"""The whole log, a page at a time: filtered once, drawn only where it is looked at."""

from __future__ import annotations

from whisper_tui.model.sentences import command_of, reporters, sentence
from whisper_tui.model.state import LogEntry, State
from whisper_tui.model.views.base import Frame, Lines, Span
from whisper_tui.model.views.events import clock, in_time, nothing_yet
from whisper_tui.model.views.filters import Match, matcher


class LogReader:
    """A position in the log and a filter over it. `anchor` is the last entry shown, None to follow the newest."""

    def __init__(self) -> None:
        self.pattern = ""
        self.anchor: int | None = None
        self._matches: Match = matcher("")
        self._found: list[int] = []
        self._seen = 0

    def filter(self, pattern: str) -> None:
        """Show only entries that match from now on."""
        self.pattern = pattern
        self._matches = matcher(pattern)
        self._found, self._seen = [], 0

    def page(self, frame: Frame, rows: int, width: int) -> Lines:
        """The lines that end with the anchor, or with the newest entry."""
        entries = self._entries(frame)
        if not entries:
            told = "nothing matches: esc shows everything" if self.pattern else nothing_yet(frame)
            return ((Span(f"  {told}", "dim"),),)
        end = self._end(entries, rows)
        return in_time(frame, entries[max(0, end - rows) : end], width)

    def all(self, frame: Frame, width: int) -> Lines:
        """All lines that match, however many there is room for."""
        return in_time(frame, self._entries(frame), width)

    def scroll(self, state: State, by: int, rows: int) -> None:
        """Move by so many entries; down to the newest means following it."""
        entries = self._known(state)
        end = self._end(entries, rows) + by
        if end >= len(entries):
            self.anchor = None
        elif entries:
            self.anchor = entries[max(min(rows, len(entries)) - 1, end - 1)].number

    def count(self, state: State) -> tuple[int, int]:
        """(entries that match, all entries)."""
        return len(self._known(state)), len(state.log)

    def _end(self, entries: list[LogEntry], rows: int) -> int:
        if self.anchor is None:
            return len(entries)
        at = next((index for index, entry in enumerate(entries) if entry.number >= self.anchor), len(entries))
        return max(min(rows, len(entries)), min(at + 1, len(entries)))

    def _entries(self, frame: Frame) -> list[LogEntry]:
        if self.pattern:
            for entry in frame.state.log:
                if entry.number > self._seen and self._matches(_searchable(frame, entry)):
                    self._found.append(entry.number)
            self._seen = frame.state.log_number
        return self._known(frame.state)

    def _known(self, state: State) -> list[LogEntry]:
        if not self.pattern:
            return list(state.log)
        oldest = state.log[0].number if state.log else 0
        self._found = [number for number in self._found if number >= oldest]
        return [state.log[number - oldest] for number in self._found]


def _searchable(frame: Frame, entry: LogEntry) -> str:
    """What a filter is tried on: time, kind, sentence and reporters."""
    told = sentence(frame.state, entry, frame.glyphs)
    by = reporters(frame.state, entry)
    return f"{clock(entry.at_ms)} {entry.kind} {told} {command_of(entry)} {by}"
