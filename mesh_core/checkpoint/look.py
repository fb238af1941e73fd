"""When a node looks again at what electors say: one timer, at the earliest time that anybody asks for."""

from __future__ import annotations

from mesh_core.timers import Timers

LOOK = ("checkpoint", "look")
"""The timer's name."""

RETRY_S = 1.0
"""What is missing is looked for again after this long."""


def look_at(timers: Timers, when: float) -> None:
    """Look at `when` at the latest."""
    due = timers.deadline(LOOK)
    if due is None or when < due:
        timers.set(LOOK, when)
