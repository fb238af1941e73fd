"""A question with its combined answer, to be scrolled through."""

from __future__ import annotations

from mesh_core.api.schema import JobView
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Question, name_of, question_of
from whisper_tui.model.views import jobs as job_views
from whisper_tui.model.views.base import Frame, Line, Lines, Span, Target, axl, fit_line, seconds
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.job_page import answer_of
from whisper_tui.model.views.page import INDENT, field, paragraphs, passages, remarks, section


def question_title(frame: Frame, query: str) -> str:
    """`Question q1`."""
    question = question_of(frame.state, query)
    return f"Question {inert(question.label, 40)}" if question else "Question"


def question_detail(frame: Frame, query: str, width: int) -> Lines:
    """How far it is, its text, the combined answer, its jobs, and the passages the answer cites."""
    question = question_of(frame.state, query)
    if question is None:
        return ((Span("  this question is not kept any more: esc goes back", "dim"),),)
    view = question.view
    cited = passages(frame, view.answer, width) if view and view.answer else []
    return (
        *_summary(frame, question),
        *section(
            frame, "Question", paragraphs(view.text, width) if view else _sealed(frame, question), width
        ),
        *section(frame, "Combined answer", _answer(frame, question, width), width),
        *section(frame, "Jobs", [_part(frame, job, width) for job in question.jobs], width),
        *section(frame, "Passages cited", cited, width),
    )


def _sealed(frame: Frame, question: Question) -> list[Line]:
    asker = inert(name_of(frame.state, question.jobs[0].submitter), 40)
    return [field("sealed", Span(f"for {asker} and whoever answers", "dim"))]


def _summary(frame: Frame, question: Question) -> list[Line]:
    jobs, view = question.jobs, question.view
    sign, role = job_views.progress(frame, question)
    asked = min(job.submitted_ms for job in jobs)
    ended = view.finished_ms if view else 0.0
    took = f"  after {seconds(ended - asked)}" if ended else ""
    settled = sum(job.state == "settled" for job in jobs)
    rescued = sum(job.rescued for job in jobs)
    asker = inert(name_of(frame.state, jobs[0].submitter), 40)
    return [
        field("state", Span(sign, role), Span(took, "dim")),
        field("asked", Span(f"{clock(asked).strip()} by {asker}")),
        field("jobs", Span(f"{settled} of {len(jobs)} settled, {rescued} of them rescued")),
        field("price", Span(f"{axl(sum(job.price_micro for job in jobs))} AXL")),
        field("id", Span(inert(jobs[0].query, 64), "dim")),
    ]


def _answer(frame: Frame, question: Question, width: int) -> list[Line]:
    view, combine = question.view, question.jobs[0]
    if view is None:
        return []
    if view.answer is None:
        found = answer_of(frame, combine, width) if combine.index == 0 else []
        return found or [_none_yet(question)]
    opened = frame.state.answers.get(view.combine)
    maker = f"{inert(name_of(frame.state, opened.maker), 40)}, " if opened else ""
    made_by = field("made by", Span(f"{maker}{inert(view.answer.backend, 80)}"))
    return [*paragraphs(view.answer.text, width, "strong"), (), made_by, *remarks(view.answer)]


def _none_yet(question: Question) -> Line:
    view = question.view
    if view is not None and view.state != "running":
        why = next((job.reason for job in question.jobs if job.reason), "no part of it was answered")
        return field("none", Span(inert(why, 200), "warn"))
    return field("none yet", Span("it is made from the answers of all parts, once they are settled", "dim"))


def _part(frame: Frame, job: JobView, width: int) -> Line:
    label, state, holder, tokens, words = job_views.cells_of(frame, job, max(10, width - 48))
    spaced = ((label, 8), (state, 12), (holder, 14))
    cells = [span for cell, size in spaced for span in fit_line(cell, size)]
    start = [INDENT, cells[0]._replace(target=Target("job", job.job)), *cells[1:]]
    return (*start, *fit_line(tokens, 6, "right"), Span("  "), *words)
