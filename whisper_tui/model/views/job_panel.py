"""One job at a glance: its attempts below each other on one axis, where its time went, and its answer as it grows."""

from __future__ import annotations

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.impact import tolerance, voted_weight
from whisper_tui.model.inert import inert, inert_lines
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import (
    Question,
    is_stalled,
    label_of,
    name_of,
    operator_of,
    question_of,
    votes_needed,
)
from whisper_tui.model.views.attempt_page import OUTCOMES
from whisper_tui.model.views.base import Frame, Line, Lines, Span, fit, seconds, wrap
from whisper_tui.model.views.job_figures import key_badge, queued_ms, ran_ms, tokens_per_s
from whisper_tui.model.views.jobs import progress, state_of
from whisper_tui.model.views.waterfall import attempt_bar, axis_of, end_ms, ran_until_ms

EMPTY = "go to a job: its attempts, its times and its answer are shown here"

ATTEMPTS_MAX = 5
"""Newest attempts shown; the job's page has all."""


def panel_title(frame: Frame, key: str | None) -> str:
    """`Job q1.4`, `Question q1`."""
    entry = frame.state.jobs.get(key or "")
    if entry is not None:
        return f"Job {inert(label_of(entry.view, operator_of(frame.state)), 40)}"
    question = question_of(frame.state, key or "")
    return f"Question {inert(question.label, 40)}" if question else "Job"


def panel_lines(frame: Frame, key: str | None, rows: int, width: int) -> Lines:
    """As much as there is room for; of a text that grows its end."""
    entry = frame.state.jobs.get(key or "")
    if entry is not None:
        return _of_job(frame, entry.view, rows, width)
    question = question_of(frame.state, key or "")
    if question is not None:
        return _of_question(frame, question, rows, width)
    return ((Span(f" {EMPTY}", "dim"),),)


def _of_job(frame: Frame, job: JobView, rows: int, width: int) -> Lines:
    lines = [_standing(frame, job), *_attempts(frame, job, width), _times(frame, job)]
    text = frame.state.answers[job.job].answer.text if job.job in frame.state.answers else job.text
    return (*lines, *_ending(text, rows - len(lines), width))


def _standing(frame: Frame, job: JobView) -> Line:
    """State, key, what it bears, certificate."""
    dot = Span(f" {frame.glyphs.separator} ", "rule")
    line: Line = (
        Span(" "),
        *state_of(frame.state, job, frame.glyphs),
        dot,
        Span(f"{key_badge(job)} key", "dim"),
    )
    if job.state not in FINAL_STATES:
        spare = tolerance(frame.state, job)
        bears = votes_needed(job) if is_stalled(job) or spare < 0 else f"bears {counted(spare, 'more death')}"
        line = (*line, dot, Span(bears, "warn" if spare < 1 else "text"))
    if job.votes:
        voted = f"certificate of {voted_weight(job)} of {job.weight}, {job.quorum} needed"
        line = (*line, dot, Span(f"{frame.glyphs.settled} {voted}", "settled"))
    rate = tokens_per_s(frame.state, job, frame.now_ms)
    if rate is not None:
        line = (*line, dot, Span(f"{counted(job.tokens, 'token')}, {rate:.0f} a second", "dim"))
    return line


def _attempts(frame: Frame, job: JobView, width: int) -> list[Line]:
    axis = axis_of(frame, [job])
    bar = max(12, width - 50)
    first = max(0, len(job.attempts) - ATTEMPTS_MAX)
    lines: list[Line] = []
    for index in range(first, len(job.attempts)):
        attempt = job.attempts[index]
        ran = ran_until_ms(frame.state, job, index, frame.now_ms) - (attempt.started_ms or attempt.leased_ms)
        lines.append(
            (
                Span(f" e{attempt.epoch:<2} ", "strong"),
                Span(f"{fit(inert(name_of(frame.state, attempt.holder), 20), 9)} "),
                *attempt_bar(frame, job, index, axis, bar),
                Span(f" {seconds(ran):>5} {attempt.tokens or frame.glyphs.nothing:>5} tok ", "dim"),
                Span(
                    f"{inert(attempt.outcome, 20)}{': ' if attempt.note else ''}{inert(attempt.note, 80)}",
                    OUTCOMES.get(attempt.outcome, "warn"),
                ),
            )
        )
    return lines or [(Span(" nobody has leased it yet", "dim"),)]


def _times(frame: Frame, job: JobView) -> Line:
    """Where its time went: waiting, running, between holders."""
    now = frame.now_ms
    total = max(0.0, end_ms(job, now) - job.submitted_ms)
    queued, ran = queued_ms(job, now), ran_ms(frame.state, job, now)
    parts = [
        ("queued", queued),
        ("ran", ran),
        ("between", total - (queued or 0.0) - (ran or 0.0)),
        ("total", total),
    ]
    told = [(name, ms) for name, ms in parts if ms is not None]
    return tuple(
        span
        for name, ms in told
        for span in (Span(f" {name} ", "dim"), Span(f"{seconds(max(0.0, ms))} ", "text"))
    )


def _of_question(frame: Frame, question: Question, rows: int, width: int) -> Lines:
    sign, role = progress(frame, question)
    rescued = sum(job.rescued for job in question.jobs)
    settled = sum(job.state == "settled" for job in question.jobs)
    told = f"  {settled} of {len(question.jobs)} jobs settled, {rescued} rescued"
    lines: list[Line] = [(Span(" "), Span(sign, role), Span(told, "dim"))]
    if question.view is None:
        asker = inert(name_of(frame.state, question.jobs[0].submitter), 40)
        return (*lines, (Span(f" sealed for {asker} and whoever answers", "dim"),))
    lines += [(Span(f" {piece}", "strong"),) for piece in wrap(inert(question.view.text, 400), width - 2)[:2]]
    combine = question.jobs[0]
    growing = combine.text if combine.index == 0 else ""
    text = question.view.answer.text if question.view.answer is not None else growing
    return (*lines, *_ending(text, rows - len(lines), width))


def _ending(text: str, rows: int, width: int) -> list[Line]:
    """The last lines of a text: new words come in at its end."""
    pieces = [piece for line in inert_lines(text) for piece in wrap(line, max(10, width - 2))] if text else []
    return [(Span(f" {piece}", "text"),) for piece in (pieces[-rows:] if rows > 0 else ())]
