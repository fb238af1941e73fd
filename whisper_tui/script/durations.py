"""Durations as people write them: `3s`, `500ms`, `2m`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}

EXPECTED = "a duration such as 3s, 500ms or 2m"


def seconds(text: str) -> float:
    """The duration in seconds. Raises ValueError for anything but a number with a unit."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {EXPECTED}, not {text!r}")
    return float(match[1]) * _SECONDS[match[2]]
