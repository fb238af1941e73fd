"""Which numbers are times of our days."""

from __future__ import annotations

LATEST_MS = 32_503_680_000_000.0
"""The year 3000: what is later cannot be told in every time zone, or at all."""


def is_time(ms: float) -> bool:
    """Whether so many milliseconds since 1970 can be told as a day and a time."""
    return 0 < ms < LATEST_MS
