"""Auctions and leases: who bids, who holds what, and for how long still."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.api.schema import FINAL_STATES, BidView, JobView
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import is_orphaned, label_of, name_of, operator_of
from whisper_tui.model.state import Entry, State
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, axl, fit, line_cells, seconds
from whisper_tui.model.views.waterfall import silenced_ms

BAR = 6
LOW = 0.25
"""A lease with less than this share of its time left is marked."""


def auction_lines(frame: Frame, rows: int, width: int) -> Lines:
    """The newest auctions, one line each."""
    found = auctions(frame.state)[:rows]
    return tuple(_auction(frame, job, width) for job in found) or (NO_AUCTION,)


NO_AUCTION: Line = (Span("no auction yet: a question opens one for each of its jobs", "dim"),)


def auctions(state: State) -> list[JobView]:
    """Jobs with an auction, the newest first: open ones before closed ones."""
    found = [entry.view for entry in state.jobs.values() if entry.view.auction.state != "none"]
    return sorted(found, key=lambda job: (job.auction.state != "open", -job.auction.opened_ms, job.index))


def _label(frame: Frame, job: JobView) -> str:
    return inert(label_of(job, operator_of(frame.state)), 20)


def _auction(frame: Frame, job: JobView, width: int) -> Line:
    """Whole bids only, the best first; those for which there is no room are counted."""
    auction, glyphs = job.auction, frame.glyphs
    if auction.state == "open":
        left = max(0.0, auction.opened_ms + auction.window_ms - frame.now_ms)
        told = Span(f"{glyphs.auction} closes in {seconds(left)} ", "auction")
    else:
        took = max(0.0, auction.closed_ms - auction.opened_ms)
        told = Span(f"closed in {took:.0f} ms ", "dim")
    line: Line = (Span(f"{fit(_label(frame, job), 6)} ", "strong"), told)
    bids = sorted(auction.bids, key=lambda bid: (bool(bid.refused), bid.rank))
    if not bids:
        return (*line, Span(" no bid" if auction.state == "closed" else " no bid yet", "dim"))
    for at, bid in enumerate(bids):
        longer = (*line, *_bid(frame, bid, won=auction.state == "closed"))
        rest = _uncounted(bids[at + 1 :], glyphs)
        if line_cells(longer) + line_cells(rest) > width:
            return (*line, *_uncounted(bids[at:], glyphs))
        line = longer
    return line


def _bid(frame: Frame, bid: BidView, *, won: bool) -> Line:
    name = inert(name_of(frame.state, bid.peer), 20)
    if bid.refused:
        return (Span(f" {frame.glyphs.dead} {name} {inert(bid.refused, 40)} ", "warn"),)
    role: Role = "accent" if won and bid.rank == 1 else "text"
    return (Span(f" {bid.rank} ", "dim"), Span(f"{name} {axl(bid.price_micro)} ", role))


def _uncounted(bids: Sequence[BidView], glyphs: Glyphs) -> Line:
    """How many bids are not shown, and how many of them were refused."""
    refused = sum(bool(bid.refused) for bid in bids)
    told = [f"+{len(bids) - refused}"] if len(bids) > refused else []
    told += [f"{glyphs.dead}{refused}"] if refused else []
    return (Span(f" {' '.join(told)}", "warn" if refused else "dim"),) if told else ()


def lease_lines(frame: Frame, rows: int) -> Lines:
    """Leases that run: those in need first, then rescued ones, then the others, the newest questions first; an order that
    renewals in time do not change."""
    if frame.state.stopped:
        return ((Span("the mesh was stopped: nothing is being worked on", "dim"),),)
    held = sorted(
        held_leases(frame.state), key=lambda entry: (not _in_need(frame, entry), entry.view.epoch <= 1)
    )
    lines = tuple(_lease(frame, entry) for entry in held[:rows])
    return lines or ((Span("nobody holds a lease: nothing is being worked on", "dim"),),)


def leases_beyond(frame: Frame, rows: int) -> int:
    """How many leases there are besides the first `rows`."""
    return 0 if frame.state.stopped else max(0, len(held_leases(frame.state)) - rows)


def held_leases(state: State) -> list[Entry]:
    """Jobs that somebody holds, those of the newest questions first."""
    held = [
        entry
        for entry in state.jobs.values()
        if entry.view.epoch > 0 and entry.view.holder and entry.view.state not in FINAL_STATES
    ]
    return sorted(held, key=lambda entry: (-entry.view.submitted_ms, entry.view.index))


def stands_at_ms(frame: Frame, entry: Entry) -> float:
    """When the lease's bar stands: now, or when its holder fell silent."""
    if not entry.view.attempts:
        return frame.now_ms
    silent = silenced_ms(frame.state, entry.view.attempts[-1], frame.now_ms)
    return frame.now_ms if silent is None else silent


def left_ms(entry: Entry, now_ms: float) -> float:
    """What is left of a lease: what its node last said, less the time since."""
    return max(0.0, entry.view.lease_left_ms - max(0.0, now_ms - entry.seen_ms))


def _in_need(frame: Frame, entry: Entry) -> bool:
    """Whether its holder is gone, or it ends soon."""
    return is_orphaned(frame.state, entry.view) or _share_left(frame, entry) < LOW


def _share_left(frame: Frame, entry: Entry) -> float:
    left = left_ms(entry, stands_at_ms(frame, entry))
    return left / entry.view.lease_ms if entry.view.lease_ms else 0.0


def _lease(frame: Frame, entry: Entry) -> Line:
    job, glyphs = entry.view, frame.glyphs
    left = left_ms(entry, stands_at_ms(frame, entry))
    share = _share_left(frame, entry)
    filled = round(min(1.0, share) * BAR)
    gone = is_orphaned(frame.state, job)
    role: Role = "gap" if gone else "warn" if share < LOW else "lease"
    mark = Span(glyphs.dead, "dead") if gone else Span(glyphs.warn if share < LOW else " ", role)
    return (
        Span(f"{fit(_label(frame, job), 5)} ", "strong"),
        Span(f"{fit(inert(name_of(frame.state, job.holder), 20), 8)} "),
        Span(f"e{job.epoch:<2}", "dim"),
        Span(f"{glyphs.rescued if job.epoch > 1 else ' '} ", "rescued"),
        Span(glyphs.bar * filled, role),
        Span(glyphs.track * (BAR - filled), "rule"),
        Span(f" {left / 1000:4.1f}s", role),
        mark,
    )
