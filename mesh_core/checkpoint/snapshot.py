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

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from mesh_core.config import limit
from mesh_core.identity.statement import encode
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Account, Ledger
from mesh_core.ledger.record import read_record
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
        return payers_of(self.opened_accounts(), self.cut.trusted)

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


def payers_of(accounts: Mapping[st.PeerId, Account], trusted: Iterable[st.PeerId]) -> frozenset[st.PeerId]:
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


def encoded(snapshot: Snapshot | Cut) -> bytes:
    """The bytes that name it by their hash."""
    return encode(snapshot)


def _account(state: AccountState) -> Account:
    earned = {payer: int(micro) for payer, micro in state.earned_micro}
    spent = int(state.spent_micro)
    return Account(sum(earned.values()) - spent, spent, earned, state.settled)
