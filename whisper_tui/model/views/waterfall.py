"""What a job did, as a bar: auction, lease, run, gap, rescue, settled."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.api.schema import FINAL_STATES, AttemptView, JobView
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Frame, Line, Role, Span, fit_line

AXIS_S = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200, 86_400)
"""Lengths an axis may have: it grows in steps, so that bars do not creep at every tick."""

Segment = tuple[float, str, Role]

_UNFINISHED = frozenset({"running", "lost"})
"""Outcomes of an attempt whose holder may have fallen silent."""


def axis_of(frame: Frame, jobs: Sequence[JobView]) -> tuple[float, float]:
    """(start, length) in ms of the time axis that all these jobs fit on."""
    start = min(job.submitted_ms for job in jobs)
    end = max(end_ms(job, frame.now_ms) for job in jobs)
    length = next((step for step in AXIS_S if step * 1000 >= end - start), AXIS_S[-1]) * 1000
    return start, float(length)


def end_ms(job: JobView, now_ms: float) -> float:
    """When the job ended, or now."""
    if job.state not in FINAL_STATES:
        return now_ms
    ended = max((attempt.ended_ms for attempt in job.attempts), default=0.0)
    return job.settled_ms or ended or job.accepted_ms or job.submitted_ms


def silenced_ms(state: State, attempt: AttemptView, end_ms: float) -> float | None:
    """When the attempt's holder was killed, paused or cut off while it ran, as far as the operator did it."""
    for incident in state.incidents:
        if attempt.holder in incident.victims and attempt.leased_ms <= incident.at_ms <= end_ms:
            return incident.at_ms
    return None


def attempt_end_ms(job: JobView, index: int, now_ms: float) -> float:
    """When an attempt was over: as reported, else when the next one began, else when the job ended or now."""
    if job.attempts[index].ended_ms:
        return job.attempts[index].ended_ms
    return job.attempts[index + 1].leased_ms if index + 1 < len(job.attempts) else end_ms(job, now_ms)


def segments(frame: Frame, job: JobView) -> list[Segment]:
    """What the job did, in order: (until, sign, role). A holder that falls silent leaves a gap from then on."""
    glyphs = frame.glyphs
    end = end_ms(job, frame.now_ms)
    leased = job.attempts[0].leased_ms if job.attempts else end
    found: list[Segment] = [(job.submitted_ms, " ", "text"), (leased, glyphs.auction, "auction")]
    for index, attempt in enumerate(job.attempts):
        last = index + 1 == len(job.attempts)
        ended = attempt_end_ms(job, index, frame.now_ms)
        silent = silenced_ms(frame.state, attempt, ended) if attempt.outcome in _UNFINISHED else None
        stop = silent if silent is not None else ended
        if index:
            found.append((attempt.leased_ms, glyphs.rescued, "rescued"))
        found.append((min(stop, attempt.started_ms or stop), glyphs.lease, "lease"))
        if attempt.started_ms:
            found.append((stop, glyphs.running, "rescued" if index else "running"))
        if attempt.outcome in _UNFINISHED and (silent is not None or not last):
            found.append((stop, glyphs.dead, "dead"))
            found.append((end if last else job.attempts[index + 1].leased_ms, glyphs.gap, "gap"))
    if job.state in FINAL_STATES:
        settled = job.state == "settled"
        found.append((end, glyphs.settled if settled else glyphs.warn, "settled" if settled else "warn"))
    return found


def waterfall(frame: Frame, job: JobView, axis: tuple[float, float], width: int) -> Line:
    """The job as a bar of `width` cells. What is an instant gets one cell, what lasts gets its share."""
    start, length = axis
    glyphs = frame.glyphs
    instants = {glyphs.dead, glyphs.rescued, glyphs.settled, glyphs.warn}
    found = segments(frame, job)
    if len(found) > width:  # the end of a long story says more than its beginning
        found = found[-width:]
    bar: list[Span] = []
    used = 0
    for index, (until_ms, sign, role) in enumerate(found):
        room = width - used - sum(later[1] != " " for later in found[index + 1 :])
        stop = round((until_ms - start) / length * width)
        size = 1 if sign in instants else max(0 if sign == " " else 1, min(stop - used, room))
        bar.append(Span(sign * size, role))
        used += size
    return fit_line(tuple(bar), width)
