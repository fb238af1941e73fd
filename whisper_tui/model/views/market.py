"""Auctions and leases: who bids, who holds what, and for how long still."""

from __future__ import annotations

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import name_of
from whisper_tui.model.state import Entry, State
from whisper_tui.model.views.base import Frame, Line, Role, Span, axl, fit, seconds

BAR = 6
LOW = 0.25
"""A lease with less than this share of its time left is marked."""


def auction_lines(frame: Frame, rows: int) -> tuple[Line, ...]:
    """The newest auctions, one line each."""
    return tuple(_auction(frame, job) for job in _auctions(frame.state)[:rows])


def _auctions(state: State) -> list[JobView]:
    """Jobs with an auction, the newest first: open ones before closed ones."""
    found = [entry.view for entry in state.jobs.values() if entry.view.auction.state != "none"]
    return sorted(found, key=lambda job: (job.auction.state != "open", -job.auction.opened_ms, job.index))


def _auction(frame: Frame, job: JobView) -> Line:
    auction, glyphs = job.auction, frame.glyphs
    if auction.state == "open":
        left = max(0.0, auction.opened_ms + auction.window_ms - frame.now_ms)
        told = Span(f"{glyphs.auction} closes in {seconds(left)}, {len(auction.bids)} bids  ", "auction")
    else:
        took = max(0.0, auction.closed_ms - auction.opened_ms)
        told = Span(f"all in after {took:.0f} ms  ", "dim")
    line: list[Span] = [Span(f"{fit(inert(job.label, 20), 6)} ", "strong"), told]
    for bid in sorted(auction.bids, key=lambda bid: (bool(bid.refused), bid.rank))[:4]:
        name, price = inert(name_of(frame.state, bid.peer), 20), axl(bid.price_micro)
        if bid.refused:
            line.append(Span(f" {glyphs.dead} {name} {inert(bid.refused, 40)} ", "warn"))
            continue
        won = bid.rank == 1 and auction.state == "closed"
        line.append(Span(f" {bid.rank} ", "dim"))
        line.append(Span(f"{name} {price} ", "accent" if won else "text"))
    return tuple(line)


def lease_lines(frame: Frame, rows: int) -> tuple[Line, ...]:
    """Leases that run, newest questions first; an order that renewals do not change."""
    held = [
        entry
        for entry in frame.state.jobs.values()
        if entry.view.epoch > 0 and entry.view.holder and entry.view.state not in FINAL_STATES
    ]
    held.sort(key=lambda entry: (-entry.view.submitted_ms, entry.view.index))
    return tuple(_lease(frame, entry) for entry in held[:rows])


def left_ms(entry: Entry, now_ms: float) -> float:
    """What is left of a lease: what its node last said, less the time since."""
    return max(0.0, entry.view.lease_left_ms - max(0.0, now_ms - entry.seen_ms))


def _lease(frame: Frame, entry: Entry) -> Line:
    job, glyphs = entry.view, frame.glyphs
    left = left_ms(entry, frame.now_ms)
    share = left / job.lease_ms if job.lease_ms else 0.0
    filled = round(min(1.0, share) * BAR)
    role: Role = "warn" if share < LOW else "lease"
    return (
        Span(f"{fit(inert(job.label, 20), 5)} ", "strong"),
        Span(f"{fit(inert(name_of(frame.state, job.holder), 20), 8)} "),
        Span(f"e{job.epoch:<2}", "dim"),
        Span(f"{glyphs.rescued if job.epoch > 1 else ' '} ", "rescued"),
        Span(glyphs.bar * filled, role),
        Span(glyphs.track * (BAR - filled), "rule"),
        Span(f" {left / 1000:4.1f}s{glyphs.warn if share < LOW else ' '}", role),
    )
