"""A balance: the settled jobs that it comes from, each of which leads to its certificate."""

from __future__ import annotations

from collections.abc import Iterator

from mesh_core.api.schema import JobView
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import label_of, name_of, operator_of
from whisper_tui.model.views.base import Frame, Line, Lines, Span, Target, axl, fit
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.page import INDENT, field, section


def account_title(frame: Frame, peer: str) -> str:
    """`Balance of node4`."""
    return f"Balance of {inert(name_of(frame.state, peer), 20)}"


def account_detail(frame: Frame, peer: str, width: int) -> Lines:
    """The balance, what jobs that are still known come to, and each of them, the newest first."""
    member = frame.state.members.get(peer)
    booked = sorted(_booked(frame, peer), key=lambda one: one[1].settled_ms, reverse=True)
    known = sum(micro for micro, _ in booked)
    lines = [field("from these", Span(f"{known / 1_000_000:+.4f} AXL"))]
    if member is not None:
        balance = member.view.balance_micro
        lines.insert(0, field("balance", Span(f"{axl(balance)} AXL", "strong")))
        if balance != known:
            told = "  jobs that are not kept one by one any more"
            lines.append(
                field("from others", Span(f"{(balance - known) / 1_000_000:+.4f} AXL"), Span(told, "dim"))
            )
    jobs = [_line(frame, micro, job) for micro, job in booked]
    return (*lines, *section(frame, "Settled jobs", jobs, width))


def _booked(frame: Frame, peer: str) -> Iterator[tuple[int, JobView]]:
    """What settled jobs bring to a peer, in micro-AXL: what it is paid as holder less what it pays as submitter."""
    for entry in frame.state.jobs.values():
        job = entry.view
        payee = _payee(frame, job)
        if job.state == "settled" and not job.contradiction and peer in (payee, job.submitter):
            yield job.price_micro * ((peer == payee) - (peer == job.submitter)), job


def _payee(frame: Frame, job: JobView) -> str:
    """Who is paid for a settled job: the maker of its result, who need not be the last to have held it."""
    fate = frame.state.fates.get(job.job)
    return next((holder for _, holder, _ in fate.values), job.holder) if fate is not None else job.holder


def _line(frame: Frame, micro: int, job: JobView) -> Line:
    state = frame.state
    label = fit(inert(label_of(job, operator_of(state)), 20), 8)
    return (
        INDENT,
        Span(label, "strong", Target("job", job.job)),
        Span(f"{micro / 1_000_000:+.4f}  "),
        Span(
            f"{inert(name_of(state, job.submitter), 20)} to {inert(name_of(state, _payee(frame, job)), 20)}",
            "dim",
        ),
        Span(f"  settled {clock(job.settled_ms).strip()}", "dim"),
    )
