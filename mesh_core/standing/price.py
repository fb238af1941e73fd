"""What whoever settles a job is paid."""

from __future__ import annotations

from mesh_core.crypto import Verifier
from mesh_core.identity.statement import StatementError, check, peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st


def price_of(
    verifier: Verifier, network: str, job: LedgerJob, holder: st.PeerId, announcement: st.Announcement | None
) -> int:
    """What `holder` is paid, in micro-AXL: its signed bid in the award, else its announced price, at most the maximum."""
    award = job.award
    for signed in award.bids if award is not None else ():
        if peek(signed, st.Bid).author == holder:
            try:
                return check(verifier, signed, st.Bid, network).price_micro
            except StatementError:
                break
    announced = announcement.price_micro if announcement else 0
    return max(0, min(announced, job.job.max_price_micro))
