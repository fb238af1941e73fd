"""What a submitter's own node looks at before it takes a question: room, credit, and who could make up a committee."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mesh_core.config import MICRO_PER_AXL, limit
from mesh_core.context import Context
from mesh_core.effects import JobOptions, PeerId, SubmitQuery
from mesh_core.ledger.fold import Ledger
from mesh_core.market.auction import Auctioneer
from mesh_core.market.pace import Pace
from mesh_core.market.query import Query
from mesh_core.membership.membership import Membership
from mesh_core.quorum.committee import fitting_submitter, weights_problem
from mesh_core.standing.balance import Credit
from mesh_core.standing.succession import choose_providers


class Refusal(Exception):
    """A request cannot be taken; the text says why and what would help."""


@dataclass(eq=False)
class Intake:
    """Judges what is asked of this node, which has `_queries` by their ids. `pace` is told whenever a job of it ends."""

    _context: Context
    _ledger: Ledger
    _membership: Membership
    _auctioneer: Auctioneer
    _credit: Credit
    _queries: Mapping[bytes, Query]
    pace: Pace = field(default_factory=Pace)

    def check(self, request: SubmitQuery) -> None:
        """Raise Refusal with the first thing that stands against a question."""
        if not request.text.strip():
            raise Refusal("the question is empty")
        if len(request.text) > limit("question_chars_max"):
            raise Refusal(f"the question is longer than {limit('question_chars_max')} characters")
        if not request.shards:
            raise Refusal("there is no corpus to answer from")
        if len(request.shards) > limit("own_jobs_max"):
            raise Refusal(
                f"{len(request.shards)} shards are more than the {limit('own_jobs_max')} jobs a node may have open"
            )
        open_jobs = len(self._auctioneer.auctions)
        too_many = open_jobs + len(request.shards) - limit("own_jobs_max")
        if too_many > 0:
            raise Refusal(f"busy: {open_jobs} jobs are open here, {self._try_again(too_many)}")
        if request.label and any(query.state.label == request.label for query in self._queries.values()):
            raise Refusal(f"there is a query called {request.label} already")
        self._check_credit((len(request.shards) + 1) * request.options.max_price_micro)

    def _check_credit(self, needed_micro: int) -> None:
        """Raise Refusal when the committees, who trust this node as far as it does itself, could not take a question's
        jobs. Nothing is checked where this node's own limit is not known."""
        me = self._context.me
        if not self._credit.is_granted(me):
            return
        combines = (
            query.options for query in self._queries.values() if not (query.finished or query.state.combine)
        )
        reserved_micro = self._ledger.open_jobs.reserved_micro(me, limit("sequence_max"))
        reserved_micro += sum(options.max_price_micro for options in combines)
        free_micro = self._credit.funds_micro(me) - reserved_micro
        if needed_micro <= free_micro:
            return
        what = f"this may cost {_axl(needed_micro)} and {_axl(max(0, free_micro))} of credit are free"
        if reserved_micro:
            mean_micro = reserved_micro / max(1, len(self._auctioneer.auctions))
            jobs = math.ceil((needed_micro - free_micro) / max(1, mean_micro))
            raise Refusal(f"busy: {what}; {_axl(reserved_micro)} are reserved, {self._try_again(jobs)}")
        raise Refusal(f"{what}: ask with a lower maximum price, or have the providers raise the limit")

    def _try_again(self, jobs: int) -> str:
        """When so many of this node's jobs will have ended, as far as their pace tells."""
        wait_s = self.pace.wait_s(self._context.now, jobs)
        return "try again when some are done" if wait_s is None else f"try again in about {wait_s} s"

    def next_label(self) -> str:
        """The first of q1, q2, … that no query has."""
        taken = {query.state.label for query in self._queries.values()}
        number = len(taken) + 1
        while f"q{number}" in taken:
            number += 1
        return f"q{number}"

    def committee(self, query_id: bytes, options: JobOptions) -> list[PeerId]:
        """The providers of a query's committees. Raises Refusal when they cannot give what `options` ask."""
        live = self._live_providers()
        if not live:
            raise Refusal("no provider that is alive is known here")
        providers = choose_providers(query_id, live, limit("committee_providers"))
        if options.preferred and options.preferred not in providers:
            if options.preferred not in live:
                raise Refusal("the provider that is asked for is not known here, or not alive")
            providers = sorted([*providers[:-1], options.preferred])
        problem = weights_problem(len(providers), options.submitter_weight, options.fault_bound)
        if problem:
            raise Refusal(problem)
        return providers

    def fitting(self, query_id: bytes, options: JobOptions) -> tuple[list[PeerId], JobOptions]:
        """Providers for a later job of a query, and its options. There may be fewer now than when it was submitted: the
        submitter's weight is then what still makes a committee. Raises Refusal when none does."""
        live = self._live_providers()
        if options.preferred not in live:
            options = replace(options, preferred=b"")
        seats = min(len(live), limit("committee_providers"))
        weight = fitting_submitter(seats, options.submitter_weight, options.fault_bound)
        options = replace(options, submitter_weight=weight)
        return self.committee(query_id, options), options

    def _live_providers(self) -> list[PeerId]:
        return [peer for peer in self._membership.live() if self._is_provider(peer)]

    def _is_provider(self, peer: PeerId) -> bool:
        """Whether a member takes part in committees; one that has never answered may be an invention."""
        member = self._membership.members[peer]
        return member.announcement.role == "provider" and member.proven_since is not None


def _axl(micro: int) -> str:
    """An amount for people, all its digits."""
    whole, parts = divmod(micro, MICRO_PER_AXL)
    return f"{whole}.{parts:06d}".rstrip("0").rstrip(".") + " AXL"
