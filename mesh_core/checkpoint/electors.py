"""Electors: who says what old records come to, how many of them must agree, and who elects after them.

The first are named by configuration, the same everywhere. Each checkpoint names those who elect the next: the set
changes with a decision of the set before it and in no other way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mesh_core.checkpoint.snapshot import Snapshot
from mesh_core.config import limit
from mesh_core.crypto import Verifier
from mesh_core.effects import PeerId
from mesh_core.identity.statement import StatementError
from mesh_core.ledger.record import check_record
from mesh_core.quorum.committee import bearable, quorum_of
from mesh_core.wire import statements as st

_FEW = 4
"""The smallest set that bears a liar is not made smaller because somebody is silent; who has been found to lie goes."""

Certificate = tuple[st.Signed, ...]


def quorum(electors: int) -> int:
    """How many of so many must agree: two quorums share an elector that does not lie."""
    return quorum_of(electors, bearable(electors))


def certified(
    crypto: Verifier,
    network: str,
    electors: Collection[PeerId],
    certificate: Certificate,
    *,
    precommit: bool = True,
) -> st.Checkpoint | None:
    """What a quorum of `electors` has precommitted in one round, or prevoted, None when these records do not show exactly that.

    Each is a vote of another elector for the same: whoever passes a certificate on answers for all that is in it.
    """
    if not 0 < len(certificate) <= len(electors):
        return None
    try:
        entries = [check_record(crypto, signed, network) for signed in certificate]
    except StatementError:
        return None
    body, authors = entries[0].body, {entry.author for entry in entries}
    if not isinstance(body, st.Checkpoint) or body.precommit != precommit:
        return None
    sound = len(authors) == len(entries) and authors <= set(electors)
    agree = all(entry.body == body for entry in entries)
    return body if sound and agree and len(authors) >= quorum(len(electors)) else None


def eligible(snapshot: Snapshot) -> dict[PeerId, int]:
    """Who may become an elector: whoever has been paid, below the cut, by a submitter that the electors trust; with the
    number of jobs it has run."""
    trusted = set(snapshot.cut.trusted)
    return {
        account.peer: account.settled
        for account in snapshot.accounts
        if account.settled > 0
        and any(payer in trusted and int(micro) > 0 for payer, micro in account.earned_micro)
    }


def successors(
    electors: Collection[PeerId],
    live: Collection[PeerId],
    liars: Collection[PeerId],
    workers: dict[PeerId, int],
) -> tuple[PeerId, ...]:
    """Who should elect next, as one elector sees it: those who are there stay, workers take the other seats, and silent
    ones keep theirs only where there would be too few."""
    honest = [peer for peer in electors if peer not in liars]
    staying = [peer for peer in honest if peer in live]
    new = [peer for peer in workers if peer in live and peer not in electors and peer not in liars]
    new.sort(key=lambda peer: (-workers[peer], peer))
    seated = [*staying, *new][: limit("committee_max")]
    missing = max(0, _least(honest) - len(seated))
    silent = sorted(peer for peer in honest if peer not in live)
    return tuple(sorted([*seated, *silent[:missing]]))


def acceptable(
    named: tuple[PeerId, ...],
    electors: Collection[PeerId],
    live: Collection[PeerId],
    liars: Collection[PeerId],
    workers: dict[PeerId, int],
) -> bool:
    """Whether an elector agrees that `named` elect next: nobody is added who has not worked or is not there, nobody
    is taken out who is there and has not been found to lie."""
    added = [peer for peer in named if peer not in electors]
    removed = [peer for peer in electors if peer not in named]
    honest = [peer for peer in electors if peer not in liars]
    return (
        named == tuple(sorted(set(named)))
        and _least(honest) <= len(named) <= limit("committee_max")
        and all(peer in workers and peer in live and peer not in liars for peer in added)
        and all(peer not in live or peer in liars for peer in removed)
    )


def _least(honest: Collection[PeerId]) -> int:
    return max(1, min(_FEW, len(honest)))


def rotated(electors: Iterable[PeerId], turn: int) -> list[PeerId]:
    """The electors in the order in which they propose in a round."""
    ordered = sorted(electors)
    first = turn % max(1, len(ordered))
    return [*ordered[first:], *ordered[:first]]
