"""Questions and their jobs: how far each is, who holds it, the words it has come to."""

from __future__ import annotations

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import (
    Question,
    is_forgotten,
    is_orphaned,
    is_stalled,
    label_of,
    name_of,
    operator_of,
    questions,
    votes_needed,
)
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, seconds, tail
from whisper_tui.model.views.waterfall import axis_of, waterfall

TIMELINE_MIN, TIMELINE_MAX = 14, 32
_FIXED = (Column("JOB", 7), Column("STATE", 11), Column("HOLDER", 13), Column("TOKENS", 6, "right"))
_WORDS_MIN = 22
_TEXT_MAX = 400
"""Characters of a text looked at for a line of it."""


def jobs_table(frame: Frame, width: int) -> Table:
    """Newest questions first, each above its jobs. A row's key is the id of what it stands for."""
    fixed = sum(column.width + 1 for column in _FIXED) + 3
    timeline = max(TIMELINE_MIN, min(TIMELINE_MAX, width - fixed - _WORDS_MIN))
    words = max(_WORDS_MIN, width - fixed - timeline)
    job, state, holder, tokens = _FIXED
    columns = (job, state, Column("TIMELINE", timeline), holder, tokens, Column("ANSWER", 10, flex=True))
    found = {question.id: question for question in questions(frame.state)}
    question_of = {job.job: question for question in found.values() for job in question.jobs}
    keys = tuple(key for question in found.values() for key in (question.id, *_ids(question)))
    spanned = width - job.width - state.width - 4

    def row(key: str) -> tuple[Line, ...]:
        if key in found:
            return question_row(frame, found[key], spanned)
        axis = axis_of(frame, question_of[key].jobs)
        view = frame.state.jobs[key].view
        label, state, *rest = cells_of(frame, view, words)
        return ((Span(" "), *label), state, waterfall(frame, view, axis, timeline), *rest)

    def page(key: str) -> str:
        return "question" if key in found else "job"

    return Table(columns, keys, row, no_question(frame), page, lambda key: key in found)


def cells_of(frame: Frame, job: JobView, words: int) -> tuple[Line, Line, Line, Line, Line]:
    """Label, state, holders, tokens, and in at most `words` cells what it has come to."""
    tokens = Span(str(job.tokens), "text") if job.tokens else Span(frame.glyphs.nothing, "dim")
    return (
        (Span(inert(label_of(job, operator_of(frame.state)), 40)),),
        state_of(frame.state, job, frame.glyphs),
        holders(frame.state, job, frame.glyphs),
        (tokens,),
        _words(frame, job, words),
    )


def _ids(question: Question) -> tuple[str, ...]:
    return tuple(job.job for job in question.jobs)


def question_row(frame: Frame, question: Question, width: int) -> tuple[Line, ...]:
    """Label, how far it is, and in `width` cells what it has come to."""
    sign, role = progress(frame, question)
    return ((Span(inert(question.label, 40), "title"),), (Span(sign, role),), _gist(frame, question, width))


def progress(frame: Frame, question: Question) -> tuple[str, Role]:
    """How far a question is, as a sign and a few words, and what that means."""
    glyphs, view = frame.glyphs, question.view
    ends: dict[str, tuple[str, Role]] = {
        "answered": (f"{glyphs.settled} answered", "settled"),
        "failed": (f"{glyphs.warn} failed", "warn"),
        "cancelled": (f"{glyphs.left} cancelled", "dim"),
    }
    if view is not None and view.state in ends:
        return ends[view.state]
    if any(is_stalled(job) for job in question.jobs):
        return f"{glyphs.warn} stalled", "warn"
    if question.jobs[0].index == 0:
        done = question.jobs[0].state in FINAL_STATES
        return (
            (f"{glyphs.settled} combined", "settled") if done else (f"{glyphs.running} combining", "running")
        )
    settled = sum(job.state == "settled" for job in question.jobs)
    return f"{glyphs.running} {settled}/{len(question.jobs)}", "running"


def _gist(frame: Frame, question: Question, width: int) -> Line:
    """The answer, the words it has come to so far, or the question."""
    view, combine = question.view, question.jobs[0]
    if view is None:
        asker = inert(name_of(frame.state, combine.submitter), 40)
        return (Span(f"asked by {asker}; question and answer are sealed for them", "dim"),)
    if view.answer is not None:
        return (Span(_quoted(view.answer.text), "text"),)
    if combine.index == 0 and combine.text and combine.state not in FINAL_STATES:
        return (Span(_growing(combine.text, width), "text"),)
    return (Span(_quoted(view.text), "dim"),)


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


def _words(frame: Frame, job: JobView, width: int) -> Line:
    """The answer, its growing end, or why there is none."""
    state = frame.state
    if job.state in {"failed", "cancelled"}:
        return (Span(inert(job.reason, 120), "warn"),)
    if is_stalled(job):
        return (Span(votes_needed(job), "warn"),)
    opened = state.answers.get(job.job)
    if opened is not None:
        return (Span(_quoted(opened.answer.text), "dim"),)
    if job.state == "settled" and job.submitter != state.primary:
        return (Span(f"sealed for {inert(name_of(state, job.submitter), 40)}", "dim"),)
    if job.text:
        return (Span(_growing(job.text, width) if job.state == "leased" else _quoted(job.text), "dim"),)
    if is_forgotten(state, job):
        return (Span("settled before the restart", "dim"),)
    if job.state == "open" and job.auction.opened_ms:
        left = job.auction.window_ms - (frame.now_ms - job.auction.opened_ms)
        return (Span(f"auction closes in {seconds(max(0.0, left))}", "dim"),)
    return ()


def _quoted(text: str) -> str:
    return f"“{inert(text, _TEXT_MAX).strip()}”"


def _growing(text: str, width: int) -> str:
    """The end of a text that is being written: new words come in at the right."""
    return f"“{tail(inert(text[-_TEXT_MAX:]).strip(), width - 2)}”"


def no_question(frame: Frame) -> str:
    """What is said before the first question."""
    return frame.inviting("no question yet", "submit", "ask one")


def live_line(frame: Frame, width: int, chosen: str | None = None) -> Line:
    """What is being written now, in one line: by the chosen job, else by the first of the newest question of which
    one writes; while nothing is, the newest question and its answer."""
    found = questions(frame.state)
    if not found:
        return (Span(f" {no_question(frame)}", "dim"),)
    entry = frame.state.jobs.get(chosen or "")
    candidates = [*([entry.view] if entry else []), *(job for question in found for job in question.jobs)]
    job = next((job for job in candidates if job.state == "leased" and job.text), None)
    if job is None:
        sign, role = progress(frame, found[0])
        label = Span(f" {inert(found[0].label, 12)} ", "title")
        return (label, Span(f"{sign}  ", role), *_gist(frame, found[0], width))
    holder = inert(name_of(frame.state, job.holder), 20)
    start = (
        Span(f" {inert(label_of(job, operator_of(frame.state)), 20)} ", "strong"),
        Span(f"{frame.glyphs.running} {holder} ", "running"),
        Span(f"{job.tokens:>4} tok ", "dim"),
    )
    return (*start, Span(_growing(job.text, width - sum(len(span.text) for span in start) - 1)))
