"""What an award must be to mean anything, on every replica alike."""

from __future__ import annotations

from mesh_core.config import limit
from mesh_core.identity.statement import StatementError, peek
from mesh_core.wire import statements as st


def bid_problem(bid: st.Bid, job: st.Job) -> str:
    """Why a bid does not count, empty when it does."""
    if bid.price_micro < 0:
        return "price below zero"
    if bid.price_micro > job.max_price_micro:
        return "over the maximum price"
    if not 0.0 <= bid.load <= 1e6:  # also refuses NaN
        return "impossible load"
    if not 0 <= bid.expected_ms <= 86_400_000:
        return "impossible expected time"
    if len(bid.model) > limit("text_chars_max"):
        return "model name too long"
    return ""


def award_is_sound(job: st.Job, job_id: st.JobId, award: st.Award) -> bool:
    """Whether an award lists possible bids of seats of the committee for this job, each once, and ranks just these.

    The bids' signatures are checked where a price is taken from one: until then they decide nothing but an order.
    """
    if len(award.bids) > limit("bids_max"):
        return False
    try:
        bids = [peek(signed, st.Bid) for signed in award.bids]
    except StatementError:
        return False
    bidders = [bid.author for bid in bids]
    seats = {seat.peer for seat in job.committee}
    return (
        sorted(bidders) == sorted(award.ranking)
        and len(set(bidders)) == len(bidders)
        and seats.issuperset(bidders)
        and all(bid.job == job_id and not bid_problem(bid, job) for bid in bids)
    )
