"""What a mesh made of all questions of a run: how much per second, and how long people waited."""

from __future__ import annotations

import math

from msgspec import Struct

from whisper_tui.model.state import State


class LoadReport(Struct, frozen=True):
    """What became of all questions of a run, and of their jobs. Waiting is from a question's submission to its answer."""

    questions: int
    answered: int
    jobs: int
    took_ms: float
    jobs_per_s: float
    p50_ms: float
    p99_ms: float
    longest_ms: float


def report_of(state: State) -> LoadReport | None:
    """What the questions of a run came to; None while none is answered."""
    views = [entry.view for entry in state.queries.values()]
    answered = [view for view in views if view.state == "answered"]
    if not answered:
        return None
    waits = sorted(view.finished_ms - view.submitted_ms for view in answered)
    took_ms = max(view.finished_ms for view in answered) - min(view.submitted_ms for view in views)
    jobs = sum(len(view.jobs) + bool(view.combine) for view in answered)
    return LoadReport(
        questions=len(views),
        answered=len(answered),
        jobs=jobs,
        took_ms=round(took_ms, 1),
        jobs_per_s=round(jobs / max(took_ms, 1.0) * 1000, 1),
        p50_ms=round(_percentile(waits, 0.5), 1),
        p99_ms=round(_percentile(waits, 0.99), 1),
        longest_ms=round(waits[-1], 1),
    )


def _percentile(ascending: list[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    return ascending[math.ceil(share * len(ascending)) - 1]
