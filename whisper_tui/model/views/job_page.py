"""Everything about one job, to be scrolled through."""

from __future__ import annotations

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.impact import seat_weight, tolerance, voted_weight
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import is_forgotten, is_stalled, label_of, name_of, node_of, operator_of
from whisper_tui.model.state import State
from whisper_tui.model.views import jobs as job_views
from whisper_tui.model.views import nodes as node_views
from whisper_tui.model.views.attempt_page import OUTCOMES, attempt_key
from whisper_tui.model.views.base import Frame, Line, Lines, Span, Target, axl, fit, seconds
from whisper_tui.model.views.page import INDENT, field, paragraphs, passages, remarks, section
from whisper_tui.model.views.records import about_job, job_records
from whisper_tui.model.views.waterfall import attempt_end_ms, axis_of, end_ms, waterfall


def job_title(frame: Frame, job_id: str) -> str:
    """`q1.4`, or that it is not known."""
    entry = frame.state.jobs.get(job_id)
    return f"Job {inert(label_of(entry.view, operator_of(frame.state)), 40)}" if entry else "Job"


def job_detail(frame: Frame, job_id: str, width: int) -> Lines:
    """State, question, answer, attempts, committee and what it tolerates, bids, and the passages it cites."""
    entry = frame.state.jobs.get(job_id)
    if entry is None:
        return ((Span("  this job is not kept any more: esc goes back", "dim"),),)
    job = entry.view
    own = job.submitter == operator_of(frame.state)
    query = frame.state.queries.get(job.query) if own else None
    opened = frame.state.answers.get(job.job)
    asked = paragraphs(query.view.text, width) if query else []
    cited = passages(frame, opened.answer, width) if opened else []
    return (
        *_summary(frame, job),
        *section(frame, "Question", asked, width),
        *section(frame, "Answer", answer_of(frame, job, width), width),
        *section(frame, "Attempts", _attempts(frame, job), width),
        *section(frame, "Committee", _committee(frame, job, width), width),
        *section(frame, "Bids", _bids(frame, job), width),
        *section(frame, "Passages cited", cited, width),
        *section(frame, "Records", job_records(frame, job_id, width), width),
    )


def _summary(frame: Frame, job: JobView) -> list[Line]:
    shard = f" over shard {job.shard}" if job.shard is not None else ""
    took_ms = max(0.0, end_ms(job, frame.now_ms) - job.submitted_ms)
    over = job.state in FINAL_STATES
    axis = (job.submitted_ms, max(1.0, took_ms)) if over else axis_of(frame, [job])
    bar = waterfall(frame, job, axis, 40)
    lines = [
        field(
            "state",
            *job_views.state_of(frame.state, job, frame.glyphs),
            Span(f"  {inert(job.reason, 120)}", "warn"),
        ),
        field("work", Span(f"{inert(job.kind, 20)}{shard}")),
        field(
            "submitter",
            Span(inert(name_of(frame.state, job.submitter), 40), "text", Target("node", job.submitter)),
        ),
        field(
            "timeline",
            *bar,
            Span(f"  {took_ms / 1000:.1f}s {'from end to end' if over else 'so far'}", "dim"),
        ),
        field(
            "price", Span(f"{axl(job.price_micro)} AXL"), Span(f"  at most {axl(job.max_price_micro)}", "dim")
        ),
        field("tokens", Span(str(job.tokens or frame.glyphs.nothing))),
        field("key", Span(f"sealed, {job.threshold} of {max(0, len(job.committee) - 1)} shares open it")),
        field("id", Span(job.job[:64] if job.job.isalnum() else inert(job.job, 64), "dim")),
    ]
    if is_forgotten(frame.state, job):
        lines.append(field("gone", Span(_GONE, "dim")))
    return lines


_GONE = "its tokens, the times of its runs and lost bids: memories, and this node was restarted since"


def answer_of(frame: Frame, job: JobView, width: int) -> list[Line]:
    """What the job has come to and who made it, or why nothing can be shown."""
    state = frame.state
    opened = state.answers.get(job.job)
    if opened is not None:
        maker = inert(name_of(state, opened.maker), 40)
        text = paragraphs(opened.answer.text, width, "strong")
        by = field("made by", Span(f"{maker}, {inert(opened.answer.backend, 80)}"))
        return [*text, (), by, *remarks(opened.answer)]
    if job.state == "settled" and job.submitter != state.primary:
        asker = inert(name_of(state, job.submitter), 40)
        return [field("sealed", Span(f"for {asker}, who alone can open it", "dim"))]
    if job.text:
        maker = inert(f"{name_of(state, job.holder)}, {_model(state, job)}", 120)
        written = "as it is written" if job.state not in FINAL_STATES else "as it was written; not opened yet"
        return [*paragraphs(job.text, width), (), field("made by", Span(maker), Span(f"  {written}", "dim"))]
    if job.state == "settled":
        return [field("gone", Span("its result is not stored here any more; the certificate is", "dim"))]
    return []


def _model(state: State, job: JobView) -> str:
    """What the holder said it would answer with."""
    bid = next((bid for bid in job.auction.bids if bid.peer == job.holder and bid.model), None)
    member = state.members.get(job.holder)
    return bid.model if bid else ", ".join(member.view.models) if member else "model unknown"


def _attempts(frame: Frame, job: JobView) -> list[Line]:
    return [_attempt(frame, job, index) for index in range(len(job.attempts))]


def _attempt(frame: Frame, job: JobView, index: int) -> Line:
    attempt = job.attempts[index]
    began = seconds(attempt.leased_ms - job.submitted_ms, signed=True)
    held_ms = attempt_end_ms(job, index, frame.now_ms) - (attempt.started_ms or attempt.leased_ms)
    return (
        INDENT,
        Span(f"epoch {attempt.epoch:<3}", "strong", Target("attempt", attempt_key(job.job, attempt.epoch))),
        Span(fit(inert(name_of(frame.state, attempt.holder), 20), 11)),
        Span(f"{fit(inert(attempt.outcome, 20), 9)} ", OUTCOMES.get(attempt.outcome, "warn")),
        Span(
            f"leased {began:>8}  held {held_ms / 1000:>6.2f}s  {attempt.tokens or frame.glyphs.nothing:>5} tokens  ",
            "dim",
        ),
        Span(inert(attempt.note, 80), "dim"),
    )


def _committee(frame: Frame, job: JobView, width: int) -> list[Line]:
    glyphs, state = frame.glyphs, frame.state
    votes = frozenset(job.votes)
    spans: list[list[Span]] = [[INDENT]]
    used = 2
    for peer in job.committee:
        node = node_of(state, peer)
        (word,) = node_views.state_of(state, node, glyphs)
        voted = glyphs.settled if peer in votes else " "
        weight = seat_weight(job, peer)
        text = f"{word.text[0]} {inert(node.name, 20)}{f' x{weight}' if weight != 1 else ''} "
        if used + len(text) + 3 > width:
            spans.append([INDENT])
            used = 2
        spans[-1] += [
            Span(text, word.role if word.role != "alive" else "text", Target("node", peer)),
            Span(f"{voted}  ", "settled"),
        ]
        used += len(text) + 3
    return [
        *(tuple(line) for line in spans),
        field(
            "quorum", Span(f"weight {job.quorum} of {job.weight}"), Span(f"  {_tolerates(state, job)}", "dim")
        ),
        field("certificate", Span(_certificate(job, glyphs.settled), "text", _settlement(frame, job))),
    ]


def _tolerates(state: State, job: JobView) -> str:
    spare = tolerance(state, job)
    lies = "nobody in it may lie" if job.fault_bound == 0 else f"votes of weight {job.fault_bound} may lie"
    if is_stalled(job) or spare < 0:
        return f"stalled: needs {counted(max(1, -spare), 'more vote')}; {lies}"
    return f"{spare} more may die; {lies}"


def _certificate(job: JobView, sign: str) -> str:
    return f"{sign} votes of weight {voted_weight(job)}" if job.votes else "none yet"


def _settlement(frame: Frame, job: JobView) -> Target | None:
    """The record that holds the certificate, once it is known."""
    found = (record for record in about_job(frame, job.job) if record.kind == "settle")
    return next((Target("record", record.hash) for record in found), None)


def _bids(frame: Frame, job: JobView) -> list[Line]:
    lines: list[Line] = []
    for bid in sorted(job.auction.bids, key=lambda bid: (bool(bid.refused), bid.rank)):
        name = fit(inert(name_of(frame.state, bid.peer), 20), 11)
        if bid.refused:
            lines.append(
                (
                    INDENT,
                    Span(f"{frame.glyphs.dead}  {name}", "dim", Target("node", bid.peer)),
                    Span(inert(bid.refused, 80), "warn"),
                )
            )
            continue
        parts = " + ".join(f"{inert(part, 16)} {value:.3f}" for part, value in bid.parts.items())
        lines.append(
            (
                INDENT,
                Span(f"{bid.rank:<3}{name}", "accent" if bid.rank == 1 else "text", Target("node", bid.peer)),
                Span(f"{axl(bid.price_micro)} AXL   score {bid.score:.3f} "),
                Span(f"= {parts}   {bid.load:.1f} busy, expects {bid.expected_ms} ms", "dim"),
            )
        )
    return lines
