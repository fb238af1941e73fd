"""What a job did, as a bar: auction, lease, run, gap, rescue, settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

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


def ran_until_ms(state: State, job: JobView, index: int, now_ms: float) -> float:
    """Until when an attempt ran: a holder that was silenced ran no longer than that."""
    attempt = job.attempts[index]
    ended = attempt_end_ms(job, index, now_ms)
    silent = silenced_ms(state, attempt, ended) if attempt.outcome in _UNFINISHED else None
    return ended if silent is None else silent


def segments(frame: Frame, job: JobView) -> list[Segment]:
    """What the job did, in order: (until, sign, role). A holder that falls silent leaves a gap from then on."""
    leased = job.attempts[0].leased_ms if job.attempts else end_ms(job, frame.now_ms)
    found: list[Segment] = [(job.submitted_ms, " ", "text"), (leased, frame.glyphs.auction, "auction")]
    for index in range(len(job.attempts)):
        found += _of_attempt(frame, job, index)
    return [*found, *_end(frame, job)]


def _of_attempt(frame: Frame, job: JobView, index: int) -> list[Segment]:
    glyphs, attempt = frame.glyphs, job.attempts[index]
    last = index + 1 == len(job.attempts)
    stop = ran_until_ms(frame.state, job, index, frame.now_ms)
    silent = stop < attempt_end_ms(job, index, frame.now_ms)
    found: list[Segment] = [(attempt.leased_ms, glyphs.rescued, "rescued")] if index else []
    found.append((min(stop, attempt.started_ms or stop), glyphs.lease, "lease"))
    if attempt.started_ms:
        found.append((stop, glyphs.running, "rescued" if index else "running"))
    if attempt.outcome in _UNFINISHED and (silent or not last):
        found.append((stop, glyphs.dead, "dead"))
        until = end_ms(job, frame.now_ms) if last else job.attempts[index + 1].leased_ms
        found.append((until, glyphs.gap, "gap"))
    return found


def _end(frame: Frame, job: JobView) -> list[Segment]:
    if job.state not in FINAL_STATES:
        return []
    settled = job.state == "settled"
    sign, role = (frame.glyphs.settled, "settled") if settled else (frame.glyphs.warn, "warn")
    return [(end_ms(job, frame.now_ms), sign, cast("Role", role))]


def waterfall(frame: Frame, job: JobView, axis: tuple[float, float], width: int) -> Line:
    """The job as a bar of `width` cells. What is an instant gets one cell, what lasts gets its share."""
    return _bar(frame, segments(frame, job), axis, width)


def attempt_bar(frame: Frame, job: JobView, index: int, axis: tuple[float, float], width: int) -> Line:
    """One lease of the job at its place on the same axis; the last one with the end of the job."""
    found: list[Segment] = [(job.attempts[index].leased_ms, " ", "text"), *_of_attempt(frame, job, index)]
    if index + 1 == len(job.attempts):
        found += _end(frame, job)
    return _bar(frame, found, axis, width)


def _bar(frame: Frame, found: list[Segment], axis: tuple[float, float], width: int) -> Line:
    start, length = axis
    glyphs = frame.glyphs
    instants = {glyphs.dead, glyphs.rescued, glyphs.settled, glyphs.warn}
    if len(found) > width:  # the end of a long story says more than its beginning
        found = found[-width:]
    bar: list[Span] = []
    used = 0
    for index, (until_ms, sign, role) in enumerate(found):
        room = width - used - sum(later[1] != " " for later in found[index + 1 :])
        # Any number may have been told as a time.
        stop = round(min(max(0.0, (until_ms - start) / length), 1.0) * width)
        size = 1 if sign in instants else max(0 if sign == " " else 1, min(stop - used, room))
        bar.append(Span(sign * size, role))
        used += size
    return fit_line(tuple(bar), width)
