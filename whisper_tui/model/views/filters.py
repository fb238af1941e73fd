"""Filters, as they are typed: over text, and over rows with named cells.

Every word must match; `!word` must not. A word is a regular expression if it is one. Over rows `state=dead` looks into the
column whose title begins so (`=` finds, `!=` does not), and `lag>2`, `<`, `>=`, `<=` compare numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Match = Callable[[str], bool]
Row = Mapping[str, str]
"""What a row says, by the titles of its columns in lower case."""

_IN_COLUMN = re.compile(r"(!?)([\w-]+)(!=|>=|<=|=|>|<)(.+)")
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "%": 0.01}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s?(ms|s|m|h|d|%)?")


def matcher(pattern: str) -> Match:
    """A filter over text."""
    tests = [_test(word) for word in pattern.split()]
    return lambda text: all(test(text) for test in tests)


def row_matcher(pattern: str) -> Callable[[Row], bool]:
    """A filter over rows."""
    tests = [_row_test(word) for word in pattern.split()]
    return lambda row: all(test(row) for test in tests)


def number_of(text: str) -> float | None:
    """The number that a cell begins with, durations in seconds; None when it begins with none."""
    found = _NUMBER.match(text)
    return float(found[1]) * _UNITS[found[2] or ""] if found else None


def _test(word: str) -> Match:
    if word == "!":  # the rest of it is still to come
        return lambda _: True
    wanted = not word.startswith("!")
    found = _found(word if wanted else word[1:])
    return lambda text: found(text) == wanted


def _found(word: str) -> Match:
    try:
        search = re.compile(word, re.IGNORECASE).search
    except re.error:
        search = re.compile(re.escape(word), re.IGNORECASE).search
    return lambda text: search(text) is not None


def _row_test(word: str) -> Callable[[Row], bool]:
    anywhere = _test(word)
    parts = _IN_COLUMN.fullmatch(word)
    if parts is None:
        return lambda row: anywhere(" ".join(row.values()))
    negated, name, operator, value = parts.groups()
    holds = _holds(operator, value)

    def test(row: Row) -> bool:
        title = next((title for title in row if title.startswith(name.lower())), None)
        if title is None:  # no such column: it was meant as text
            return anywhere(" ".join(row.values()))
        return holds(row[title]) != bool(negated)

    return test


def _holds(operator: str, value: str) -> Match:
    found = _found(value)
    if operator == "=":
        return found
    if operator == "!=":
        return lambda cell: not found(cell)
    limit = number_of(value)

    def compared(cell: str) -> bool:
        number = number_of(cell)
        if number is None or limit is None:
            return False
        if operator == ">":
            return number > limit
        if operator == "<":
            return number < limit
        return number >= limit if operator == ">=" else number <= limit

    return compared
