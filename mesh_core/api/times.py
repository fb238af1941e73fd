"""Times that others wrote down, as views tell them: whoever signs a record writes any number it likes into it."""

from __future__ import annotations

AHEAD_MS = 3_600_000.0
"""How far the clocks of honest participants may be apart."""


def told_ms(written_ms: int, now_ms: float) -> float:
    """A time that somebody wrote down, 0 for one that cannot be: before 1970, or further ahead of this node's clock
    `now_ms` than clocks are apart. What claims to be from the future would be the newest of all for ever."""
    return float(written_ms) if 0 <= written_ms <= now_ms + AHEAD_MS else 0.0
