"""Jobs in figures: what each waited, ran and took, how fast it speaks, what opens it, how much it still bears."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.impact import answers, tolerance_of
from whisper_tui.model.selectors import Question, is_stalled, questions
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Column, Frame, Line, Span, Table, seconds
from whisper_tui.model.views.jobs import cells_of, no_question, question_row
from whisper_tui.model.views.waterfall import axis_of, end_ms, ran_until_ms, waterfall

TIMELINE_MIN, TIMELINE_MAX = 16, 60
_WORDS_MIN = 16

_FIGURES = (
    Column("TOK/S", 5, "right"),
    Column("QUEUED", 6, "right"),
    Column("RAN", 5, "right"),
    Column("TOTAL", 5, "right"),
    Column("KEY", 6, "right"),
    Column("BEARS", 5, "right"),
)


def jobs_in_figures(frame: Frame, width: int) -> Table:
    """Newest questions first, each above its jobs. A row's key is the id of what it stands for."""
    start = (Column("JOB", 7), Column("STATE", 11))
    rest = (Column("HOLDER", 13), Column("TOKENS", 6, "right"), *_FIGURES)
    fixed = sum(column.width + 1 for column in (*start, *rest)) + 3
    timeline = max(TIMELINE_MIN, min(TIMELINE_MAX, width - fixed - _WORDS_MIN))
    columns = (*start, Column("TIMELINE", timeline), *rest, Column("ANSWER", _WORDS_MIN, flex=True))
    words = max(_WORDS_MIN, width - fixed - timeline)
    found = {question.id: question for question in questions(frame.state)}
    question_of = {job.job: question for question in found.values() for job in question.jobs}
    keys = tuple(key for one in found.values() for key in (one.id, *(job.job for job in one.jobs)))
    axes = _axes(frame)
    votes = cache(partial(answers, frame.state))

    def row(key: str) -> tuple[Line, ...]:
        if key in found:
            return question_row(frame, found[key], width - 24)
        job = frame.state.jobs[key].view
        label, state, holder, tokens, answer = cells_of(frame, job, words)
        bar = waterfall(frame, job, axes(question_of[key]), timeline)
        return ((Span(" "), *label), state, bar, holder, tokens, *_figures(frame, job, votes), answer)

    def page(key: str) -> str:
        return "question" if key in found else "job"

    return Table(columns, keys, row, no_question(frame), page, lambda key: key in found)


def _axes(frame: Frame) -> Callable[[Question], tuple[float, float]]:
    """The time axis of a question, made once for all its jobs."""
    made: dict[str, tuple[float, float]] = {}

    def axis(question: Question) -> tuple[float, float]:
        if question.id not in made:
            made[question.id] = axis_of(frame, question.jobs)
        return made[question.id]

    return axis


def _figures(frame: Frame, job: JobView, votes: Callable[[str], bool]) -> tuple[Line, ...]:
    nothing = frame.glyphs.nothing
    rate = tokens_per_s(frame.state, job, frame.now_ms)
    return (
        (Span(f"{rate:.0f}" if rate is not None else nothing, "dim"),),
        (Span(seconds(queued_ms(job, frame.now_ms), nothing=nothing), "dim"),),
        (Span(seconds(ran_ms(frame.state, job, frame.now_ms), nothing=nothing), "dim"),),
        (Span(seconds(max(0.0, end_ms(job, frame.now_ms) - job.submitted_ms)), "dim"),),
        (Span(key_badge(job), "dim"),),
        _bears(frame, job, votes),
    )


def queued_ms(job: JobView, now_ms: float) -> float | None:
    """From the question to the first lease, or until now."""
    if job.attempts:
        return max(0.0, job.attempts[0].leased_ms - job.submitted_ms)
    return max(0.0, now_ms - job.submitted_ms) if job.state not in FINAL_STATES else None


def ran_ms(state: State, job: JobView, now_ms: float) -> float | None:
    """All its runs together; None before the first."""
    runs = [
        max(0.0, ran_until_ms(state, job, index, now_ms) - attempt.started_ms)
        for index, attempt in enumerate(job.attempts)
        if attempt.started_ms
    ]
    return sum(runs) if runs else None


def tokens_per_s(state: State, job: JobView, now_ms: float) -> float | None:
    """How fast the last run produced text; None where there is none, or no time of it."""
    if not job.attempts or not job.attempts[-1].started_ms or not job.tokens:
        return None
    took_ms = ran_until_ms(state, job, len(job.attempts) - 1, now_ms) - job.attempts[-1].started_ms
    return job.tokens / took_ms * 1000 if took_ms > 0 else None


def key_badge(job: JobView) -> str:
    """`4-of-6`: how many of the shares open the payload."""
    return f"{job.threshold}-of-{max(0, len(job.committee) - 1)}"


def _bears(frame: Frame, job: JobView, votes: Callable[[str], bool]) -> Line:
    """How many more of its committee may fall silent."""
    if job.state in FINAL_STATES:
        return (Span(frame.glyphs.nothing, "dim"),)
    spare = tolerance_of(job, votes)
    return (Span(str(spare), "warn" if spare < 1 or is_stalled(job) else "text"),)
