"""On which line of a TOML file something is said: the parser does not tell, and people want to know."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of every table and key that has one of its own."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _path(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_path(key[1])), number)
    return found


def line_of(found: dict[tuple[str, ...], int], path: Sequence[str]) -> int:
    """The line of what stands at `path`, else of the nearest thing around it; 1 when there is none."""
    for size in range(len(path), 0, -1):
        if line := found.get(tuple(path[:size])):
            return line
    return 1


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(next(part for part in parts if part) for parts in _PART.findall(dotted) if any(parts))
