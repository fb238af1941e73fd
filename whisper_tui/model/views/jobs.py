"""Jobs as waterfalls: auction, lease, run, gap, rescue, settled, on one time axis per question."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.api.schema import FINAL_STATES, AttemptView, JobView, QueryView
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import is_orphaned, is_stalled, name_of
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, fit_line, seconds

TIMELINE_MIN = 16
AXIS_S = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200, 86_400)
"""Lengths an axis may have: it grows in steps, so that bars do not creep at every tick."""

Segment = tuple[float, str, Role]

_UNFINISHED = frozenset({"running", "lost"})
"""Outcomes of an attempt whose holder may have fallen silent."""


def jobs_table(frame: Frame, width: int) -> Table:
    """Newest questions first, the jobs of each in order."""
    timeline = max(TIMELINE_MIN, min(32, width - 58))
    columns = (
        Column("JOB", 7),
        Column("STATE", 11),
        Column("TIMELINE", timeline),
        Column("HOLDER", 13),
        Column("TOKENS", 6, "right"),
        Column("ANSWER", 10, flex=True),
    )
    question = {job.job: jobs for jobs in _by_question(frame.state) for job in jobs}

    def row(job: str) -> tuple[Line, ...]:
        return _row(frame, frame.state.jobs[job].view, axis_of(frame, question[job]), timeline)

    return Table(columns, tuple(question), row, "no job yet: press s to ask something")


def _by_question(state: State) -> list[list[JobView]]:
    questions: dict[str, list[JobView]] = {}
    for entry in state.jobs.values():
        questions.setdefault(entry.view.query, []).append(entry.view)
    newest = sorted(questions.values(), key=lambda jobs: max(job.submitted_ms for job in jobs), reverse=True)
    return [sorted(jobs, key=lambda job: (job.index == 0, job.index)) for jobs in newest]


def _row(frame: Frame, job: JobView, axis: tuple[float, float], width: int) -> tuple[Line, ...]:
    glyphs = frame.glyphs
    return (
        (Span(inert(job.label, 40), "strong"),),
        state_of(frame.state, job, glyphs),
        waterfall(frame, job, axis, width),
        holders(frame.state, job, glyphs),
        (Span(str(job.tokens) if job.tokens else glyphs.nothing, "text" if job.tokens else "dim"),),
        _last_words(frame, job),
    )


def state_of(state: State, job: JobView, glyphs: Glyphs) -> Line:
    """Sign and word for where a job is."""
    if is_stalled(job):
        return (Span(f"{glyphs.warn} stalled", "warn"),)
    signs: dict[str, tuple[str, str, Role]] = {
        "pending": (glyphs.left, "pending", "dim"),
        "open": (glyphs.auction, "auction", "auction"),
        "awarded": (glyphs.lease, "awarded", "lease"),
        "leased": (glyphs.running, "running", "running"),
        "settled": (glyphs.settled, "settled", "settled"),
        "cancelled": (glyphs.left, "cancelled", "dim"),
        "failed": (glyphs.warn, "failed", "warn"),
    }
    sign, word, role = signs.get(job.state, (glyphs.left, job.state, "dim"))
    if is_orphaned(state, job):
        return (Span(f"{glyphs.dead} orphaned", "dead"),)
    if job.state == "leased" and len(job.attempts) > 1:
        sign, role = glyphs.rescued, "rescued"
    return (Span(f"{sign} {word}", role),)


def holders(state: State, job: JobView, glyphs: Glyphs) -> Line:
    """Who held the job, `node4→node2`: the one before the last and the last."""
    names = [name_of(state, attempt.holder) for attempt in job.attempts]
    if not names:
        return (Span(inert(name_of(state, job.holder), 20) if job.holder else glyphs.nothing, "dim"),)
    last = Span(inert(names[-1], 20))
    return (Span(f"{inert(names[-2], 20)}{glyphs.to}", "dim"), last) if len(names) > 1 else (last,)


def _last_words(frame: Frame, job: JobView) -> Line:
    if job.state in {"failed", "cancelled"}:
        return (Span(inert(job.reason, 120), "warn"),)
    if is_stalled(job):
        return (Span(f"needs {job.quorum - job.live_weight} more votes", "warn"),)
    if job.text:
        return (
            Span(f"“{inert(job.text[-240:] if job.state == 'leased' else job.text, 240).strip()}”", "dim"),
        )
    if job.state == "open":
        left = job.auction.window_ms - (frame.now_ms - job.auction.opened_ms)
        return (Span(f"auction closes in {seconds(max(0.0, left))}", "dim"),) if job.auction.opened_ms else ()
    return ()


# ------------------------------------------------------------------------------------------------ waterfall


def axis_of(frame: Frame, jobs: Sequence[JobView]) -> tuple[float, float]:
    """(start, length) in ms of the time axis that all these jobs fit on."""
    start = min(job.submitted_ms for job in jobs)
    end = max(_end_ms(job, frame.now_ms) for job in jobs)
    length = next((step for step in AXIS_S if step * 1000 >= end - start), AXIS_S[-1]) * 1000
    return start, float(length)


def _end_ms(job: JobView, now_ms: float) -> float:
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
    return job.attempts[index + 1].leased_ms if index + 1 < len(job.attempts) else _end_ms(job, now_ms)


def segments(frame: Frame, job: JobView) -> list[Segment]:
    """What the job did, in order: (until, sign, role). A holder that falls silent leaves a gap from then on."""
    glyphs = frame.glyphs
    end = _end_ms(job, frame.now_ms)
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
    optional = {" ", glyphs.gap}
    found = segments(frame, job)
    bar: list[Span] = []
    used = 0
    for index, (until_ms, sign, role) in enumerate(found):
        room = width - used - sum(later[1] not in optional for later in found[index + 1 :])
        stop = round((until_ms - start) / length * width)
        size = 1 if sign in instants else max(0 if sign in optional else 1, min(stop - used, room))
        bar.append(Span(sign * size, role))
        used += size
    return fit_line(tuple(bar), width)


# ------------------------------------------------------------------------------------------------ questions


def questions(frame: Frame, rows: int) -> tuple[Line, ...]:
    """The newest questions, one line each: how far, and the question or its answer."""
    views = sorted(
        (entry.view for entry in frame.state.queries.values()), key=lambda view: -view.submitted_ms
    )
    return tuple(_question(frame, view) for view in views[:rows])


def _question(frame: Frame, query: QueryView) -> Line:
    glyphs = frame.glyphs
    signs: dict[str, tuple[str, Role]] = {
        "answered": (glyphs.settled, "settled"),
        "failed": (glyphs.warn, "warn"),
        "cancelled": (glyphs.left, "dim"),
    }
    sign, role = signs.get(query.state, (glyphs.running, "running"))
    told = query.answer.text if query.answer else query.text
    quote = Span(f"“{inert(told, 400).strip()}”", "text" if query.answer else "dim")
    done = f"{query.settled}/{query.total}"
    return (
        Span(f" {inert(query.label, 12):<5}", "strong"),
        Span(f"{sign} {done:>5}  ", role),
        quote,
    )
