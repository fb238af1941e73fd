"""What the records below a cut come to, in bytes that are the same on every replica.

A *cut* names the last record of every author that is covered, and the submitters that electors trust. Its *snapshot* is
all that later records can depend on: accounts, proofs of equivocation, the records of jobs that were open, and what each
submitter's newest jobs came to. Jobs that were decided earlier need no table: their records' places in their authors'
chains are covered, and nothing that comes for such a place counts any more.

Books are kept of *payers*: of the submitters that are trusted, and of whoever they have paid, since that may be spent.
Of everybody else nothing is kept but those places: neither what they paid to whomever, nor their open jobs, which end with
the cut. Keys cost nothing, and what strangers certify among themselves must not make a snapshot large.

A snapshot follows from its cut and the snapshot before: replicas get the same bytes whether they fold all records at once
or go from one cut to the next, and whichever cuts they stopped at, as long as the payers have been the same. So it holds
nothing that a later record could have changed otherwise: a job's newest certificate is not in it, only its value. Whoever
chooses a cut sees to it that a job's own record is covered with the others that concern it; a record about a job that is
not below the cut is dropped with the cut.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from itertools import accumulate

import msgspec
from msgspec import Struct

from mesh_core.config import limit
from mesh_core.identity.statement import encode
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Account, Ledger
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry, read_record
from mesh_core.ledger.set_hash import SetHash
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED


class CutHead(Struct, array_like=True, frozen=True):
    """The last record of one author that a cut covers."""

    author: st.PeerId
    seq: int
    hash: bytes


class Cut(Struct, array_like=True, frozen=True):
    """What a checkpoint covers, in order of authors, and the submitters that electors trust, in order of their keys."""

    heads: tuple[CutHead, ...]
    trusted: tuple[st.PeerId, ...]

    @classmethod
    def of(cls, bases: Mapping[st.PeerId, Base], trusted: Iterable[st.PeerId] = ()) -> Cut:
        """The cut at these places."""
        heads = (CutHead(author, base.seq, base.hash) for author, base in sorted(bases.items()) if base.seq)
        return cls(tuple(heads), tuple(sorted(set(trusted))))

    @property
    def bases(self) -> dict[st.PeerId, Base]:
        """The places by author."""
        return {head.author: Base(head.seq, head.hash) for head in self.heads}

    @property
    def records(self) -> int:
        """How many records lie below it."""
        return sum(head.seq for head in self.heads)


class AccountState(Struct, array_like=True, frozen=True):
    """An account. Micro-AXL as text: a sum of prices may outgrow an integer of msgpack."""

    peer: st.PeerId
    spent_micro: str
    earned_micro: tuple[tuple[st.PeerId, str], ...]
    settled: int


class Decided(Struct, array_like=True, frozen=True):
    """What a job came to: the place of its record in the submitter's chain, its id, its value (None: frozen)."""

    seq: int
    job: st.JobId
    value: st.Value | None


class Snapshot(Struct, array_like=True, frozen=True):
    """The state at a cut. `settled` is the sum behind the state root, `jobs` counts decided jobs.

    `decided` lists each submitter's newest decided jobs, as many as it may be waiting for; `records` are those below the
    cut that still matter: of open jobs, and one proof against each equivocator.
    """

    network: str
    cut: Cut
    settled: bytes
    jobs: int
    accounts: tuple[AccountState, ...]
    decided: tuple[tuple[st.PeerId, tuple[Decided, ...]], ...]
    records: tuple[st.Signed, ...]

    @property
    def state_root(self) -> bytes:
        """The state root at the cut."""
        return SetHash(self.settled).digest()

    def begin(self, ledger: Ledger) -> None:
        """Let an empty ledger go on from here."""
        ledger.chains.rebase(self.cut.bases)
        ledger.collapse(self.settled, self.opened_accounts(), self.jobs)
        for signed in self.records:
            ledger.fold(read_record(signed))

    def decided_of(self, submitter: st.PeerId) -> tuple[Decided, ...]:
        """What the newest decided jobs of a submitter came to, in order of its chain."""
        return next((decided for peer, decided in self.decided if peer == submitter), ())

    @property
    def payers(self) -> frozenset[st.PeerId]:
        """Whose books it keeps."""
        return _payers(self.opened_accounts(), self.cut.trusted)

    def results(self) -> frozenset[bytes]:
        """The results of all jobs it lists."""
        return frozenset(one.value.result_hash for _, decided in self.decided for one in decided if one.value)

    def opened_accounts(self) -> dict[st.PeerId, Account]:
        """The accounts as a ledger keeps them."""
        return {one.peer: _account(one) for one in self.accounts}


class SnapshotError(ValueError):
    """Bytes that should be a cut or a snapshot are none."""


_cuts: msgspec.msgpack.Decoder[Cut] = msgspec.msgpack.Decoder(Cut)
_snapshots: msgspec.msgpack.Decoder[Snapshot] = msgspec.msgpack.Decoder(Snapshot)


def read_cut(data: bytes) -> Cut:
    """Decode a cut from outside. Raises SnapshotError."""
    if len(data) > limit("cut_bytes_max"):
        raise SnapshotError("a cut that is too large")
    try:
        cut = _cuts.decode(data)
    except MALFORMED as error:
        raise SnapshotError(f"not a cut: {error}") from error
    _require_sound(cut)
    if encoded(cut) != data:
        raise SnapshotError("not the bytes of a cut")
    return cut


def read_snapshot(data: bytes) -> Snapshot:
    """Decode a snapshot whose hash has been checked. Raises SnapshotError."""
    try:
        snapshot = _snapshots.decode(data)
        snapshot.opened_accounts()
    except (*MALFORMED, ValueError) as error:
        raise SnapshotError(f"not a snapshot: {error}") from error
    _require_sound(snapshot.cut)
    return snapshot


def _require_sound(cut: Cut) -> None:
    authors = [head.author for head in cut.heads]
    if authors != sorted(set(authors)) or not all(
        len(head.author) == 32 and len(head.hash) == 32 and 1 <= head.seq <= limit("sequence_max")
        for head in cut.heads
    ):
        raise SnapshotError("a cut with impossible heads")
    if list(cut.trusted) != sorted(set(cut.trusted)) or len(cut.trusted) > limit("trusted_max"):
        raise SnapshotError("a cut that trusts an impossible list of submitters")


def snapshot_at(ledger: Ledger, base: Snapshot | None, cut: Cut) -> Snapshot | None:
    """The snapshot at `cut`, from the one at the ledger's own base and the records it holds above that.

    None when the cut is behind the ledger's base, or when records below it are not held.
    """
    scratch = folded(ledger, base, cut.bases)
    return taken(scratch, base, cut) if scratch is not None else None


def folded(ledger: Ledger, base: Snapshot | None, bases: Mapping[st.PeerId, Base]) -> Ledger | None:
    """All records at or below `bases`, folded on top of the snapshot at the ledger's own base; None when some are missing."""
    if base is not None and any(head.author not in bases for head in base.cut.heads):
        return None
    above: list[Entry] = []
    for author, to in bases.items():
        path = ledger.chains.path(author, to)
        if path is None:
            return None
        above += path
    below = [read_record(signed) for signed in base.records] if base is not None else []
    scratch = Ledger(ledger.verifier, ledger.network, proven=ledger.accepted())
    if base is not None:
        scratch.load_accounts(base.settled, base.opened_accounts())
    for entry in (*below, *above):
        scratch.fold(entry)
    return scratch


def submitters(scratch: Ledger, base: Snapshot | None) -> set[st.PeerId]:
    """Everybody of whom a snapshot would tell something as of a submitter."""
    found = {job.submitter for job in scratch.jobs.values()}
    found |= {payer for account in scratch.accounts.values() for payer in account.earned_micro}
    return found | {peer for peer, _ in (base.decided if base is not None else ())}


def taken(scratch: Ledger, base: Snapshot | None, cut: Cut) -> Snapshot:
    """The snapshot at `cut` of what has been folded up to there, which is changed by it."""
    found = [job for job in scratch.jobs.values() if job.final]
    payers = _payers(scratch.accounts, cut.trusted)
    _gather(scratch.accounts, payers.difference(cut.trusted))
    scratch.keep_books_of(payers)
    return Snapshot(
        scratch.network,
        cut,
        scratch.settled_sum(),
        (base.jobs if base is not None else 0) + len(found),
        tuple(_state(peer, account) for peer, account in sorted(scratch.accounts.items())),
        _newest(base.decided if base is not None else (), found, payers, frozenset(cut.trusted)),
        tuple(entry.signed for entry in _still_matter(scratch, payers)),
    )


def _payers(accounts: Mapping[st.PeerId, Account], trusted: Iterable[st.PeerId]) -> frozenset[st.PeerId]:
    """Who may spend: the submitters that are trusted, and whoever one of them has paid.

    It ends there: what the others have been paid is worth nothing, for their payers have no credit of their own.
    """
    trusted = frozenset(trusted)
    paid = (
        peer
        for peer, account in accounts.items()
        if any(payer in trusted and micro > 0 for payer, micro in account.earned_micro.items())
    )
    return trusted.union(paid)


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


def _still_matter(scratch: Ledger, payers: Container[st.PeerId]) -> Iterable[Entry]:
    kept = _within_room(scratch, payers)
    for job in scratch.open_jobs.values():
        if job.submitter in payers:
            kept += [job.entry, *job.awards.values(), *(entry for _, entry in job.leases.values())]
    return sorted(kept, key=lambda entry: entry.hash)


def _within_room(scratch: Ledger, payers: Container[st.PeerId]) -> list[Entry]:
    """Proofs against those who have an account, the smallest first, as many as there is room for: who lies also chooses how
    large the proof is. Payers come before those whom only they have paid."""
    against = [peer for peer in scratch.proofs if peer in payers or peer in scratch.accounts]
    proofs = scratch.proofs
    against.sort(key=lambda peer: (peer not in payers, len(proofs[peer].signed), proofs[peer].hash))
    sizes = accumulate(len(proofs[peer].signed) for peer in against)
    room = limit("snapshot_proofs_bytes_max")
    return [proofs[peer] for peer, size in zip(against, sizes, strict=True) if size <= room]


def encoded(snapshot: Snapshot | Cut) -> bytes:
    """The bytes that name it by their hash."""
    return encode(snapshot)


def _state(peer: st.PeerId, account: Account) -> AccountState:
    earned = tuple((payer, str(micro)) for payer, micro in sorted(account.earned_micro.items()))
    return AccountState(peer, str(account.spent_micro), earned, account.settled)


def _account(state: AccountState) -> Account:
    earned = {payer: int(micro) for payer, micro in state.earned_micro}
    spent = int(state.spent_micro)
    return Account(sum(earned.values()) - spent, spent, earned, state.settled)
