"""Auctions in full: who bid what, how bids were scored, who won and why; and the leases that came of them."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.api.schema import BidView, JobView
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import is_orphaned, label_of, name_of, operator_of
from whisper_tui.model.state import Entry
from whisper_tui.model.views.attempt_page import attempt_key
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, axl, seconds
from whisper_tui.model.views.market import LOW, auctions, held_leases, left_ms, stands_at_ms

COUNTDOWN, LEFT = 8, 16
"""Cells of the bars that run out."""

_EQUAL = 0.000_5
"""Scores that differ by less look the same: they are shown with three decimals."""

_AUCTIONS = (
    Column("JOB", 8),
    Column("AUCTION", 16),
    Column("BIDS", 4, "right"),
    Column("REFUSED", 7, "right"),
    Column("WINNER", 9),
    Column("PRICE", 7, "right"),
    Column("WHY", 20, flex=True),
)
_BIDS = (
    Column("RANK", 4),
    Column("NODE", 9),
    Column("PRICE", 7, "right"),
    Column("SCORE", 6, "right"),
    Column("BEHIND", 6, "right"),
    Column("LOAD", 4, "right"),
    Column("EXPECTS", 7, "right"),
    Column("SCORE IS", 20, flex=True),
)
_LEASES = (
    Column("JOB", 8),
    Column("HOLDER", 9),
    Column("EPOCH", 5, "right"),
    Column("LEFT", 6, "right"),
    Column("", LEFT + 2),
    Column("OF", 5, "right"),
    Column("STANDING", 16, flex=True),
)


def auctions_table(frame: Frame) -> Table:
    """Every auction that is remembered, open ones first, then the newest."""
    found = {job.job: job for job in auctions(frame.state)}
    empty = frame.inviting("no auction yet", "submit", "ask, a question opens one for each of its jobs")
    return Table(_AUCTIONS, tuple(found), lambda key: _auction(frame, found[key]), empty, lambda _: "job")


def auction_near(frame: Frame, chosen: str | None) -> str | None:
    """The auction of the chosen job; where none is chosen, the newest."""
    entry = frame.state.jobs.get(chosen or "")
    if entry is not None and entry.view.auction.state != "none":
        return entry.view.job
    return next((job.job for job in auctions(frame.state)), None)


def bids_title(frame: Frame, job_id: str | None) -> str:
    """`Bids for q1.4`."""
    entry = frame.state.jobs.get(job_id or "")
    return f"Bids for {inert(label_of(entry.view, operator_of(frame.state)), 20)}" if entry else "Bids"


def bids_table(frame: Frame, job_id: str | None) -> Table:
    """The bids of one auction, the best first, refused ones last."""
    entry = frame.state.jobs.get(job_id or "")
    bids = ranked(entry.view) if entry else []
    found = {bid.peer: bid for bid in bids}
    empty = "nobody has bid for it" if entry else "go to an auction: its bids are shown here"
    return Table(
        _BIDS, tuple(found), lambda peer: _bid(frame, found[peer], _best(bids)), empty, lambda _: "node"
    )


def leases_table(frame: Frame) -> Table:
    """Leases that run, those of the newest questions first."""
    found = {attempt_key(entry.view.job, entry.view.epoch): entry for entry in held_leases(frame.state)}
    empty = frame.inviting("nobody holds a lease", "submit", "ask something")
    return Table(_LEASES, tuple(found), lambda key: _lease(frame, found[key]), empty, lambda _: "attempt")


def ranked(job: JobView) -> list[BidView]:
    """Bids that count, the best first, then refused ones."""
    return sorted(job.auction.bids, key=lambda bid: (bool(bid.refused), bid.rank))


def _best(bids: Sequence[BidView]) -> BidView | None:
    return next((bid for bid in bids if not bid.refused), None)


def why(frame: Frame, job: JobView) -> str:
    """Why the winner won, or why nobody did."""
    bids = ranked(job)
    counting = [bid for bid in bids if not bid.refused]
    if not bids:
        return "nobody bid"
    if not counting:
        return f"all refused: {inert(bids[0].refused, 60)}"
    if len(counting) == 1:
        return "the only bid that counts"
    first, second = counting[:2]
    rival = inert(name_of(frame.state, second.peer), 20)
    if second.score - first.score < _EQUAL:
        return f"scores as {rival} does, and has settled more or comes first by id"
    ahead = f"{second.score - first.score:.3f} ahead of {rival}"
    return ": ".join(filter(None, (_parts_apart(first, second), ahead)))


def _parts_apart(first: BidView, second: BidView) -> str:
    """The parts in which two scores differ, what speaks for the first before what speaks against it."""
    names = dict.fromkeys((*first.parts, *second.parts))
    apart = {name: second.parts.get(name, 0.0) - first.parts.get(name, 0.0) for name in names}
    told = sorted(((value, name) for name, value in apart.items() if abs(value) >= _EQUAL), reverse=True)
    return ", ".join(f"{inert(name, 16)} {value:+.3f}" for value, name in told)


def _auction(frame: Frame, job: JobView) -> tuple[Line, ...]:
    glyphs, auction = frame.glyphs, job.auction
    refused = sum(bool(bid.refused) for bid in auction.bids)
    best = _best(ranked(job))
    nothing: Line = (Span(glyphs.nothing, "dim"),)
    is_open = auction.state == "open"
    leads: Role = "text" if is_open else "accent"
    return (
        (Span(inert(label_of(job, operator_of(frame.state)), 20), "strong"),),
        _countdown(frame, job) if is_open else _closed(job),
        (Span(str(len(auction.bids) - refused)),),
        (Span(str(refused), "warn" if refused else "dim"),),
        (Span(inert(name_of(frame.state, best.peer), 20), leads),) if best else nothing,
        (Span(axl(best.price_micro)),) if best else nothing,
        (Span("leads so far: " if is_open and best else "", "dim"), Span(why(frame, job), "dim")),
    )


def _countdown(frame: Frame, job: JobView) -> Line:
    auction, glyphs = job.auction, frame.glyphs
    left = max(0.0, auction.opened_ms + auction.window_ms - frame.now_ms)
    filled = round(min(1.0, left / auction.window_ms) * COUNTDOWN) if auction.window_ms else 0
    return (
        Span(f"{glyphs.auction} ", "auction"),
        Span(f"{seconds(left):>5} ", "accent"),
        Span(glyphs.bar * filled, "lease"),
        Span(glyphs.track * (COUNTDOWN - filled), "rule"),
    )


def _closed(job: JobView) -> Line:
    took = max(0.0, job.auction.closed_ms - job.auction.opened_ms)
    return (Span(f"closed in {took:.0f} ms", "dim"),)


def _bid(frame: Frame, bid: BidView, best: BidView | None) -> tuple[Line, ...]:
    name: Line = (Span(inert(name_of(frame.state, bid.peer), 20), "dim" if bid.refused else "text"),)
    if bid.refused:
        return ((Span(frame.glyphs.dead, "warn"),), name, (Span(inert(bid.refused, 120), "warn"),))
    behind = bid.score - best.score if best is not None else 0.0
    first = best is bid
    return (
        (Span(str(bid.rank), "accent" if first else "dim"),),
        (Span(name[0].text, "accent"),) if first else name,
        (Span(axl(bid.price_micro)),),
        (Span(f"{bid.score:.3f}"),),
        (Span("wins" if first else f"{behind:+.3f}", "accent" if first else "dim"),),
        (Span(f"{bid.load:.1f}", "warn" if bid.load > 1 else "dim"),),
        (Span(f"{bid.expected_ms} ms", "dim"),),
        (Span(" + ".join(f"{inert(part, 16)} {value:.3f}" for part, value in bid.parts.items()), "dim"),),
    )


def _lease(frame: Frame, entry: Entry) -> tuple[Line, ...]:
    job, glyphs = entry.view, frame.glyphs
    gone = is_orphaned(frame.state, job)
    left = left_ms(entry, stands_at_ms(frame, entry))
    share = min(1.0, left / job.lease_ms) if job.lease_ms else 0.0
    filled = round(share * LEFT)
    low = share < LOW
    role: Role = "gap" if gone else "warn" if low else "lease"
    again: Line = (Span(f"{glyphs.rescued} ", "rescued"),) if job.epoch > 1 else ()
    return (
        (Span(inert(label_of(job, operator_of(frame.state)), 20), "strong"),),
        (Span(inert(name_of(frame.state, job.holder), 20), "dead" if gone else "text"),),
        (Span(str(job.epoch)),),
        (Span(seconds(left), role),),
        (
            Span(glyphs.bar * filled, role),
            Span(glyphs.track * (LEFT - filled), "rule"),
            Span(f" {glyphs.warn}" if low else "", "warn"),
        ),
        (Span(seconds(float(job.lease_ms)), "dim"),),
        (*again, *_standing(frame, job, gone=gone)),
    )


def _standing(frame: Frame, job: JobView, *, gone: bool) -> Line:
    """What the holder does, or that it is gone."""
    if gone:
        return (Span(f"{frame.glyphs.dead} holder gone, nobody has taken over yet", "dead"),)
    before = [name_of(frame.state, attempt.holder) for attempt in job.attempts[:-1]]
    after = f" after {inert(', '.join(before), 60)}" if before else ""
    return (Span(f"running, {counted(job.tokens, 'token')}{after}", "dim"),)
