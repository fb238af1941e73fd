"""What the records below a cut come to, in bytes that are the same on every replica.

A *cut* names the last record of every author that is covered, and the submitters that electors trust. Its *snapshot* is
all that later records can depend on: accounts, proofs of equivocation, the records of jobs that were open, and what each
submitter's newest jobs came to. Jobs that were decided earlier need no table: their records' places in their authors'
chains are covered, and nothing that comes for such a place counts any more.

Books are kept of *payers*: of the submitters that are trusted, and of whoever they have paid, since that may be spent.
Of everybody else nothing is kept but those places: neither what they paid to whomever, nor their open jobs, which end with
the cut. Keys cost nothing, and what strangers certify among themselves must not make a snapshot large. Nor must whoever has
earned a little: of payers that are not trusted no more is kept than there is room for.

A snapshot follows from its cut and the snapshot before: replicas get the same bytes whether they fold all records at once
or go from one cut to the next, and whichever cuts they stopped at, as long as the payers have been the same. So it holds
nothing that a later record could have changed otherwise: a job's newest certificate is not in it, only its value. Whoever
chooses a cut sees to it that a job's own record is covered with the others that concern it; a record about a job that is
not below the cut is dropped with the cut.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
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
    """What a checkpoint covers, in order of authors, and the submitters that electors trust, in order of their keys.

    `beyond` names records above it that count nevertheless: each decides a job of which other records are covered.
    """

    heads: tuple[CutHead, ...]
    trusted: tuple[st.PeerId, ...]
    beyond: tuple[bytes, ...] = ()

    @classmethod
    def of(
        cls,
        bases: Mapping[st.PeerId, Base],
        trusted: Iterable[st.PeerId] = (),
        beyond: Iterable[bytes] = (),
    ) -> Cut:
        """The cut at these places."""
        heads = (CutHead(author, base.seq, base.hash) for author, base in sorted(bases.items()) if base.seq)
        return cls(tuple(heads), tuple(sorted(set(trusted))), tuple(sorted(set(beyond))))

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


class Apart(Struct, array_like=True, frozen=True):
    """A job that is decided although a record about it, its own or that of its settlement, stands at a place that is not
    covered yet."""

    author: st.PeerId
    seq: int
    job: st.JobId


class Snapshot(Struct, array_like=True, frozen=True):
    """The state at a cut. `settled` is the sum behind the state root, `jobs` counts decided jobs.

    `decided` lists each submitter's newest decided jobs, as many as it may be waiting for; `records` are those below the
    cut that still matter: of open jobs, and one proof against each equivocator. What comes about jobs that are `apart`
    counts no more than if it came for a covered place.
    """

    network: str
    cut: Cut
    settled: bytes
    jobs: int
    accounts: tuple[AccountState, ...]
    decided: tuple[tuple[st.PeerId, tuple[Decided, ...]], ...]
    records: tuple[st.Signed, ...]
    apart: tuple[Apart, ...] = ()

    @property
    def state_root(self) -> bytes:
        """The state root at the cut."""
        return SetHash(self.settled).digest()

    def begin(self, ledger: Ledger) -> None:
        """Let an empty ledger go on from here."""
        ledger.chains.rebase(self.cut.bases)
        ledger.collapse(self.settled, self.opened_accounts(), self.jobs)
        ledger.set_apart(self.jobs_apart)
        for signed in self.records:
            ledger.fold(read_record(signed))

    def open_jobs(self) -> frozenset[st.JobId]:
        """The jobs that it leaves open."""
        records = map(read_record, self.records)
        return frozenset(entry.hash for entry in records if isinstance(entry.body, st.Job))

    def decided_of(self, submitter: st.PeerId) -> tuple[Decided, ...]:
        """What the newest decided jobs of a submitter came to, in order of its chain."""
        return next((decided for peer, decided in self.decided if peer == submitter), ())

    @property
    def payers(self) -> frozenset[st.PeerId]:
        """Whose books it keeps."""
        return _payers(self.opened_accounts(), self.cut.trusted)

    @property
    def jobs_apart(self) -> frozenset[st.JobId]:
        """The jobs that are apart."""
        return frozenset(one.job for one in self.apart)

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
    if list(cut.beyond) != sorted(set(cut.beyond)) or len(cut.beyond) > limit("snapshot_apart_max"):
        raise SnapshotError("a cut that names impossible records beyond it")


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
        job = below.ledger.jobs.get(
            entry.hash if isinstance(entry.body, st.Job) else getattr(entry.body, "job", b"")
        )
        if job is not None and job.final:
            found.append(Apart(entry.author, entry.seq, job.id))
    return tuple(sorted(found, key=lambda one: (one.author, one.seq, one.job)))


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
