"""Money: integer micro-AXL, double entry, derived from certificates; the sum over all peers is always zero."""

from __future__ import annotations

from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.ledger.fold import Ledger


class Credit:
    """Whether submitters can pay for what they ask, as this node's replica sees it."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        self._context = context
        self._ledger = ledger

    def available_micro(self, submitter: PeerId) -> int:
        """Credit limit plus balance minus what open jobs reserve. Unknown keys have a limit of 0."""
        return (
            self._context.config.credit.get(submitter, 0)
            + self._ledger.account(submitter).balance_micro
            - self._ledger.reserved_micro.get(submitter, 0)
        )
