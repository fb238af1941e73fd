"""From records to a snapshot: everything below a cut is folded, and what later records can depend on is taken from it.

It is the same on every replica: the same bytes come out whichever records were folded first. Where something is limited,
it is limited by a rule over what is below the cut, and nobody's own view counts.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from mesh_core.checkpoint.snapshot import AccountState, Apart, Cut, Decided, Snapshot, payers_of
from mesh_core.config import limit
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Account, Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry, read_record
from mesh_core.wire import statements as st


@dataclass(frozen=True, slots=True)
class Below:
    """The records below a cut, folded, and those `beyond` it that count."""

    ledger: Ledger
    beyond: tuple[Entry, ...]


def snapshot_at(ledger: Ledger, base: Snapshot | None, cut: Cut) -> Snapshot | None:
    """The snapshot at `cut`, from the one at the ledger's own base and the records it holds above that.

    None when the cut is behind the ledger's base, or when records below it are not held.
    """
    below = folded(ledger, base, cut.bases, cut.beyond)
    return taken(below, base, cut) if below is not None else None


def is_held(ledger: Ledger, cut: Cut) -> bool:
    """Whether all records are held that a cut covers beyond the ledger's base, and that it names."""
    chains = ledger.chains
    covered = all(chains.path(head.author, Base(head.seq, head.hash)) is not None for head in cut.heads)
    return covered and all(name in chains for name in cut.beyond)


def folded(
    ledger: Ledger, base: Snapshot | None, bases: Mapping[st.PeerId, Base], beyond: Iterable[bytes] = ()
) -> Below | None:
    """All records at or below `bases`, and those `beyond`, folded on top of the snapshot at the ledger's own base; None when
    some are missing."""
    if base is not None and any(head.author not in bases for head in base.cut.heads):
        return None
    above: list[Entry] = []
    for author, to in bases.items():
        path = ledger.chains.path(author, to)
        if path is None:
            return None
        above += path
    named = tuple(entry for entry in map(ledger.chains.get, beyond) if entry is not None)
    if len(named) < len(tuple(beyond)):
        return None
    below = [read_record(signed) for signed in base.records] if base is not None else []
    scratch = Ledger(ledger.verifier, ledger.network, proven=ledger.accepted())
    if base is not None:
        scratch.load_accounts(base.settled, base.opened_accounts())
        scratch.set_apart(base.jobs_apart)
    for entry in (*below, *above, *named):
        scratch.fold(entry)
    return Below(scratch, named)


def submitters(scratch: Ledger, base: Snapshot | None) -> set[st.PeerId]:
    """Everybody of whom a snapshot would tell something as of a submitter."""
    found = {job.submitter for job in scratch.jobs.values()}
    found |= {payer for account in scratch.accounts.values() for payer in account.earned_micro}
    return found | {peer for peer, _ in (base.decided if base is not None else ())}


def taken(below: Below, base: Snapshot | None, cut: Cut) -> Snapshot:
    """The snapshot at `cut` of what has been folded up to there, which is changed by it."""
    scratch = below.ledger
    found = [job for job in scratch.jobs.values() if job.final]
    payers = payers_of(scratch.accounts, cut.trusted)
    _gather(scratch.accounts, payers.difference(cut.trusted))
    scratch.keep_books_of(payers)
    return Snapshot(
        scratch.network,
        cut,
        scratch.settled_sum(),
        (base.jobs if base is not None else 0) + len(found),
        tuple(_state(peer, account) for peer, account in sorted(scratch.accounts.items())),
        _newest(base.decided if base is not None else (), found, payers, frozenset(cut.trusted)),
        tuple(entry.signed for entry in _still_matter(scratch, payers, frozenset(cut.trusted))),
        _apart(below, base, cut),
    )


def _apart(below: Below, base: Snapshot | None, cut: Cut) -> tuple[Apart, ...]:
    """The jobs that are decided by what stands beyond the cut, and those of before whose place it does not cover either."""
    bases = cut.bases
    found = (
        [one for one in base.apart if one.seq > bases.get(one.author, Base()).seq] if base is not None else []
    )
    for entry in below.beyond:
        job = below.ledger.jobs.get(entry.about)
        if job is not None and job.final:
            found.append(Apart(entry.author, entry.seq, job.id))
    return tuple(sorted(found, key=lambda one: (one.author, one.seq, one.job)))


def _gather(accounts: Mapping[st.PeerId, Account], earners: Collection[st.PeerId]) -> None:
    """Keep of what each of `earners`, who have no credit of their own, has paid the largest accounts only, and book the
    others as paid to itself: it has spent as much as before, and invented committees do not make a snapshot large."""
    paid: dict[st.PeerId, list[tuple[int, st.PeerId]]] = {}
    for payee, account in accounts.items():
        for payer, micro in account.earned_micro.items():
            if payer in earners and payer != payee:
                paid.setdefault(payer, []).append((micro, payee))
    room = limit("snapshot_payees_max") // max(1, len(paid))
    for payer, payees in paid.items():
        for micro, payee in sorted(payees, reverse=True)[room:]:
            del accounts[payee].earned_micro[payer]
            own = accounts[payer].earned_micro
            own[payer] = own.get(payer, 0) + micro


def _newest(
    before: Iterable[tuple[st.PeerId, tuple[Decided, ...]]],
    found: Iterable[LedgerJob],
    payers: Container[st.PeerId],
    trusted: Collection[st.PeerId],
) -> tuple[tuple[st.PeerId, tuple[Decided, ...]], ...]:
    """Each payer's newest decided jobs: the newest of those of before and those found now. Half of the room is for those
    who are trusted, however many others there are."""
    decided: dict[st.PeerId, list[Decided]] = {
        peer: list(theirs) for peer, theirs in before if peer in payers
    }
    for job in found:
        if job.submitter in payers:
            one = Decided(job.entry.seq, job.id, None if job.frozen else job.value)
            decided.setdefault(job.submitter, []).append(one)
    sharing = {kind: sum((peer in trusted) == kind for peer in decided) for kind in (True, False)}
    shares = sum(count > 0 for count in sharing.values())
    newest = []
    for peer, theirs in sorted(decided.items()):
        room = limit("snapshot_decided_max") // shares // sharing[peer in trusted]
        ordered = sorted(theirs, key=lambda one: (one.seq, one.job))
        newest.append((peer, tuple(ordered[-min(limit("own_jobs_max"), room) :])))
    return tuple(newest)


def _still_matter(
    scratch: Ledger, payers: Collection[st.PeerId], trusted: Collection[st.PeerId]
) -> Iterable[Entry]:
    kept = _within_room(scratch, payers)
    for job in scratch.open_jobs.values():
        if job.submitter in trusted:
            kept += _records_of(job)
    earners = {peer: _paid_by(trusted, scratch.account(peer)) for peer in payers if peer not in trusted}
    left = limit("earners_bytes_max")
    for peer in sorted(earners, key=lambda peer: (-earners[peer], peer)):
        records, size = _of_earner(scratch, peer, min(left, limit("earner_bytes_max")))
        kept += records
        left -= size
    return sorted(kept, key=lambda entry: entry.hash)


def _of_earner(scratch: Ledger, peer: st.PeerId, room: int) -> tuple[list[Entry], int]:
    """Of the open jobs of a submitter without credit the first ones, as many as nodes take in; no more than there is room
    for, since it may have made them as large as it likes. What is left of them ends with the cut."""
    kept: list[Entry] = []
    taken_in, used = 0, 0
    for job in sorted(scratch.open_jobs.of(peer), key=lambda job: (job.entry.seq, job.id)):
        records = _records_of(job)
        size = sum(len(entry.signed) for entry in records)
        if taken_in < limit("earner_jobs_max") and used + size <= room:
            kept += records
            taken_in, used = taken_in + 1, used + size
    return kept, used


def _records_of(job: LedgerJob) -> list[Entry]:
    return [job.entry, *job.awards.values(), *(entry for _, entry in job.leases.values())]


def _paid_by(payers: Container[st.PeerId], account: Account) -> int:
    return sum(micro for payer, micro in account.earned_micro.items() if payer in payers)


def _within_room(scratch: Ledger, payers: Container[st.PeerId]) -> list[Entry]:
    """Proofs against those who have an account, the smallest first, as many as there is room for: who lies also chooses how
    large the proof is. Payers come before those whom only they have paid."""
    against = [peer for peer in scratch.proofs if peer in payers or peer in scratch.accounts]
    proofs = scratch.proofs
    against.sort(key=lambda peer: (peer not in payers, len(proofs[peer].signed), proofs[peer].hash))
    sizes = accumulate(len(proofs[peer].signed) for peer in against)
    room = limit("snapshot_proofs_bytes_max")
    return [proofs[peer] for peer, size in zip(against, sizes, strict=True) if size <= room]


def _state(peer: st.PeerId, account: Account) -> AccountState:
    earned = tuple((payer, str(micro)) for payer, micro in sorted(account.earned_micro.items()))
    return AccountState(peer, str(account.spent_micro), earned, account.settled)
