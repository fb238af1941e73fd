"""Money: integer micro-AXL, double entry, derived from certificates; the sum over all peers is always zero."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.job import LedgerJob


@dataclass(eq=False)
class Credit:
    """Whether submitters can pay for what they ask, as this node's replica sees it."""

    _context: Context
    _ledger: Ledger

    def covers(self, job: LedgerJob) -> bool:
        """Whether the submitter's funds cover this job and all of its open jobs before it in its chain.

        Later jobs do not count: who asks for too much waits with the last of it, not with everything.
        """
        funds_micro = self.funds_micro(job.submitter)
        reserved_micro = self._ledger.open_jobs.reserved_micro(job.submitter, job.entry.seq)
        return funds_micro > 0 and reserved_micro <= funds_micro

    def is_granted(self, peer: PeerId) -> bool:
        """Whether this node is ready to trust a peer with money at all."""
        return self._context.config.grants(peer)

    def is_backed(self, peer: PeerId) -> bool:
        """Whether a peer could pay: it is trusted with money, or was paid by somebody who is, and could."""
        return self.is_granted(peer) or self._backed_micro(peer) > 0

    def funds_micro(self, submitter: PeerId) -> int:
        """Credit limit, minus what was spent, plus what was earned as far as its payers could pay it."""
        return (
            self._limit(submitter)
            - self._ledger.account(submitter).spent_micro
            + self._backed_micro(submitter)
        )

    def _backed_micro(self, payee: PeerId) -> int:
        """What was earned from submitters with a limit of their own, each as far as the limit covers all it has paid.

        A committee of invented keys may certify any payment among themselves: unknown keys have a limit of 0, and all
        that a known one pays buys no more than its limit, however much that is and to how many.
        """
        earned = self._ledger.account(payee).earned_micro
        return sum(self._covered_micro(payer, micro) for payer, micro in earned.items())

    def _covered_micro(self, payer: PeerId, micro: int) -> int:
        limit_micro, spent_micro = self._limit(payer), self._ledger.account(payer).spent_micro
        return micro * limit_micro // max(limit_micro, spent_micro, 1)

    def _limit(self, peer: PeerId) -> int:
        return self._context.config.credit.get(peer, 0)
