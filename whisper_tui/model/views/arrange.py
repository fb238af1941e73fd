"""Which rows of a table are shown, and in which order: the operator's filter, sort and hold over what a view offers."""

from __future__ import annotations

import re
import time
from typing import Any

from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views.base import Column, Table
from whisper_tui.model.views.filters import number_of, row_matcher

MANY = 300
"""Rows from which on filtering and sorting is not done at every frame."""

PAUSE = 5.0
"""After filtering and sorting many rows, so many times as long passes before it is done again."""

_PIECES = re.compile(r"(\d+)")


def told(table: Table, key: str) -> dict[str, str]:
    """What a row says, by the titles of its columns in lower case."""
    row = table.row(key)
    return {
        column.title.lower(): "".join(span.text for span in cell).strip()
        for column, cell in zip(table.columns, row, strict=False)
    }


class Arrangement:
    """A filter, a sort and whether the order is held. It is asked again for every table that a view makes."""

    def __init__(self) -> None:
        self.pattern = ""
        self.sorted_by = ""
        """Title of a column; empty for the view's own order."""
        self.descending = False
        self.held = False
        self.total = 0
        """Rows there were before the filter."""
        self._keys: tuple[str, ...] = ()
        self._again_at = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether rows are shown as the view has them."""
        return not (self.pattern or self.sorted_by or self.held)

    def filter(self, pattern: str) -> None:
        """Show only rows that match from now on."""
        self.pattern = pattern
        self._again_at = 0.0

    def sort(self, by: str) -> None:
        """Sort by the column with this title; once more by the same one turns the order round."""
        self.descending = self.sorted_by == by and not self.descending
        self.sorted_by = by
        self.held = False
        self._again_at = 0.0

    def sort_on(self, columns: tuple[Column, ...], by: int = 1) -> None:
        """Sort by the next column; after the last one in the view's own order again."""
        titles = ["", *(column.title for column in columns if column.title)]
        here = titles.index(self.sorted_by) if self.sorted_by in titles else 0
        self.sorted_by, self.descending, self.held = titles[(here + by) % len(titles)], False, False
        self._again_at = 0.0

    def turn(self) -> None:
        """The other way round."""
        self.descending = not self.descending
        self.held = False
        self._again_at = 0.0

    def hold(self) -> None:
        """Keep rows where they are, or let them move again."""
        self.held = not self.held
        self._again_at = 0.0

    def keys(self, table: Table) -> tuple[str, ...]:
        """The rows to show, in order."""
        self.total = len(table.keys)
        if self.is_plain:
            self._keys = table.keys
            return table.keys
        if len(table.keys) < MANY:
            self._keys = self._arranged(table)
            return self._keys
        now = time.perf_counter()
        if now < self._again_at:
            return self._kept(table.keys)
        self._keys = self._arranged(table)
        done = time.perf_counter()
        self._again_at = done + PAUSE * (done - now)
        return self._keys

    def note(self, glyphs: Glyphs, shown: int) -> str:
        """What is done to the rows, in a few words; empty when nothing is."""
        words = []
        if self.pattern:
            words.append(f"/{self.pattern} {shown} of {self.total}")
        if self.sorted_by:
            words.append(f"by {self.sorted_by} {glyphs.falling if self.descending else glyphs.rising}")
        elif self.descending:
            words.append("last first")
        if self.held:
            words.append("order held")
        return f" {glyphs.separator} ".join(words)

    def _arranged(self, table: Table) -> tuple[str, ...]:
        keys = table.keys
        if self.pattern:
            matches = row_matcher(self.pattern)
            keys = tuple(key for key in keys if matches(told(table, key)))
        if self.sorted_by and not self.held:
            keys = self._sorted(table, keys)
        if self.held:
            return self._kept(keys)
        return keys[::-1] if self.descending and not self.sorted_by else keys

    def _sorted(self, table: Table, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Rows without a value come last, whichever way round; headings over other rows would tell nothing any more."""
        titles = [column.title for column in table.columns]
        if self.sorted_by not in titles:  # a view may offer other columns in another size
            return keys
        at = titles.index(self.sorted_by)
        values = {key: rank(_cell(table, key, at)) for key in keys if not table.heads(key)}
        known = [key for key, value in values.items() if value is not None]
        known.sort(key=lambda key: values[key] or (), reverse=self.descending)
        return (*known, *(key for key, value in values.items() if value is None))

    def _kept(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """`keys` where they were; new ones at the end."""
        present = set(keys)
        kept = [key for key in self._keys if key in present]
        known = set(kept)
        return (*kept, *(key for key in keys if key not in known))


def _cell(table: Table, key: str, at: int) -> str:
    row = table.row(key)
    return "".join(span.text for span in row[at]).strip() if at < len(row) else ""


def rank(text: str) -> tuple[Any, ...] | None:
    """What a cell is sorted by: numbers as numbers before words, `node2` before `node10`; None when it says nothing."""
    number = number_of(text)
    if number is not None:
        return (0, number)
    words = re.sub(r"^\W+", "", text).casefold()
    if not words:
        return None
    return (1, *((0, int(piece)) if piece.isdecimal() else (1, piece) for piece in _PIECES.split(words)))
