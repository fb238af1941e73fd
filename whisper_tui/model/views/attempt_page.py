"""One lease of a job: who holds or held it, how it came about, what became of it, and what proves that."""

from __future__ import annotations

from mesh_core.api.schema import FINAL_STATES, AttemptView, JobView, RecordView
from whisper_tui.model.evidence import WAITING, Ask
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import label_of, name_of, operator_of
from whisper_tui.model.views import records
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, Target, seconds
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.market import left_ms
from whisper_tui.model.views.page import INDENT, field, paragraphs, section
from whisper_tui.model.views.waterfall import attempt_end_ms

OUTCOMES: dict[str, Role] = {"running": "running", "settled": "settled", "adopted": "settled", "lost": "dead"}
"""How the ends of leases are shown; other ends are warnings."""


def attempt_key(job: str, epoch: int) -> str:
    """The id of the page about one lease of a job."""
    return f"{job} {epoch}"


def attempt_title(frame: Frame, key: str) -> str:
    """`Lease q1.4 e2`."""
    job, epoch = _parts(key)
    entry = frame.state.jobs.get(job)
    label = inert(label_of(entry.view, operator_of(frame.state)), 20) if entry else ""
    return f"Lease {label} e{epoch}"


def attempt_asks(frame: Frame, key: str) -> tuple[Ask, ...]:
    """The records about the job; the certificate of the lease, once it is among them."""
    job, epoch = _parts(key)
    certificate = _certificate(frame, job, epoch)
    found = (Ask("record", certificate.hash),) if certificate is not None else ()
    return (Ask("job", job), *found)


def attempt_detail(frame: Frame, key: str, width: int) -> Lines:
    """Holder, times, end, the promises it rests on, what was written under it, and the job's records."""
    job_id, epoch = _parts(key)
    entry = frame.state.jobs.get(job_id)
    if entry is None:
        return ((Span("  this job is not kept any more: esc goes back", "dim"),),)
    job = entry.view
    at = next((at for at, attempt in enumerate(job.attempts) if attempt.epoch == epoch), None)
    if at is None:
        return ((Span("  this lease is not remembered any more: esc goes back", "dim"),),)
    attempt = job.attempts[at]
    written = job.text if epoch == job.epoch else ""
    return (
        *_summary(frame, job, at),
        *section(frame, "Time", _times(frame, job, at), width),
        *section(frame, "Promised by", _promises(frame, job_id, epoch), width),
        *section(frame, "Next in line", _next_in_line(frame, job, attempt), width),
        *section(frame, "Written under it", paragraphs(written, width) if written else [], width),
        *section(frame, "Records of the job", records.job_records(frame, job_id, width), width),
    )


def _parts(key: str) -> tuple[str, int]:
    job, _, epoch = key.partition(" ")
    return job, int(epoch)


def _summary(frame: Frame, job: JobView, at: int) -> list[Line]:
    state, attempt = frame.state, job.attempts[at]
    label = inert(label_of(job, operator_of(state)), 40)
    lines = [
        field("job", Span(label, "strong", Target("job", job.job))),
        field("epoch", Span(str(attempt.epoch)), Span("  its ballot number", "dim")),
        field(
            "holder",
            Span(inert(name_of(state, attempt.holder), 40), "strong", Target("node", attempt.holder)),
        ),
        field(
            "outcome",
            Span(inert(attempt.outcome, 20), OUTCOMES.get(attempt.outcome, "warn")),
            Span(f"  {inert(attempt.note, 120)}", "dim"),
        ),
        field("tokens", Span(str(attempt.tokens or frame.glyphs.nothing))),
    ]
    if at:
        before = job.attempts[at - 1]
        told = f"epoch {before.epoch} of {inert(name_of(state, before.holder), 40)}"
        target = Target("attempt", attempt_key(job.job, before.epoch))
        lines.insert(
            3, field("after", Span(told, "text", target), Span(f"  {inert(before.outcome, 20)}", "dim"))
        )
    return lines


def _times(frame: Frame, job: JobView, at: int) -> list[Line]:
    attempt = job.attempts[at]
    lines = [_at("leased", job, attempt.leased_ms), _at("started", job, attempt.started_ms)]
    if attempt.ended_ms:
        lines.append(_at("ended", job, attempt.ended_ms))
    held_ms = attempt_end_ms(job, at, frame.now_ms) - attempt.leased_ms
    lines.append(field("held for", Span(f"{max(0.0, held_ms) / 1000:.2f}s")))
    if attempt.epoch == job.epoch and job.state not in FINAL_STATES and not attempt.ended_ms:
        left = left_ms(frame.state.jobs[job.job], frame.now_ms)
        of = Span(f"  of {seconds(job.lease_ms)}, unless it is renewed", "dim")
        lines.append(field("left", Span(seconds(left), "lease" if left else "warn"), of))
    return lines


def _at(name: str, job: JobView, at_ms: float) -> Line:
    if not at_ms:
        return field(name, Span("not known", "dim"))
    after = seconds(at_ms - job.submitted_ms, signed=True)
    return field(name, Span(clock(at_ms).strip()), Span(f"  {after} after the job", "dim"))


def _promises(frame: Frame, job: str, epoch: int) -> list[Line]:
    """Who promised the epoch to its holder, as the certificate shows; whether each signature holds."""
    certificate = _certificate(frame, job, epoch)
    if certificate is None:
        return [(INDENT, Span("no lease certificate of this epoch is held here", "dim"))]
    target = Target("record", certificate.hash)
    lines = [field("certificate", Span(f"lease record {certificate.seq}", "accent", target))]
    checked = frame.evidence.get(Ask("record", certificate.hash), WAITING).record
    for promise in checked.statements if checked else ():
        good = not promise.problem
        sign = Span(f"{frame.glyphs.settled if good else frame.glyphs.dead} ", "settled" if good else "dead")
        if good:
            name = inert(name_of(frame.state, promise.author), 40)
            lines.append((INDENT, sign, Span(name, "text", Target("node", promise.author))))
        else:
            lines.append((INDENT, sign, Span(inert(promise.problem, 120), "warn")))
    return lines


def _certificate(frame: Frame, job: str, epoch: int) -> RecordView | None:
    """The lease record of an epoch."""
    known = records.about_job(frame, job)
    return next((record for record in known if (record.kind, record.epoch) == ("lease", epoch)), None)


def _next_in_line(frame: Frame, job: JobView, attempt: AttemptView) -> list[Line]:
    """Who may take the job over when this holder falls silent, in the order of the auction's ranking."""
    if attempt.epoch != job.epoch or job.state in FINAL_STATES:
        return []
    return [
        (INDENT, Span(inert(name_of(frame.state, peer), 40), "text", Target("node", peer)))
        for peer in job.auction.ranking
        if peer != attempt.holder
    ]
