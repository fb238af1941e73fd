"""The state a set of records folds to.

The fold is a pure function of the set: records may come in any order, twice, over any path. What needs the job to
be judged (certificates, awards) waits for it. It never consults membership, so that equal sets give equal states.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh_core.config import limit
from mesh_core.crypto import Verifier
from mesh_core.identity.statement import KINDS, VOTES, StatementError, check, encode
from mesh_core.ledger.award import award_is_sound
from mesh_core.ledger.budget import SETTLEMENT, Budget
from mesh_core.ledger.chain import Base, Chains, covers
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.open_jobs import OpenJobs
from mesh_core.ledger.record import Entry, check_record
from mesh_core.ledger.set_hash import SetHash
from mesh_core.quorum.certificate import CertificateError, check_lease, check_settlement
from mesh_core.quorum.committee import weight_of
from mesh_core.wire import statements as st

_VOTES = {KINDS[vote]: vote for vote in VOTES}

_OF_RECORDS = ("record", "award", "checkpoint")


def _unheard(*_: object) -> None:
    """Nobody hears of a fold that only looks back."""


@dataclass(slots=True)
class Hooks:
    """Who is told when the fold moves, nobody unless named. Each is called at most once per record; `on_conflict` (kind and the two signed
    records) and `on_equivocator` once per author."""

    on_record: Callable[[Entry], None] = _unheard
    on_job: Callable[[LedgerJob], None] = _unheard
    on_award: Callable[[LedgerJob, Entry], None] = _unheard
    on_lease: Callable[[LedgerJob, int], None] = _unheard
    on_settled: Callable[[LedgerJob], None] = _unheard
    on_conflict: Callable[[str, bytes, bytes], None] = _unheard
    on_equivocator: Callable[[st.PeerId, str], None] = _unheard
    on_alarm: Callable[[LedgerJob], None] = _unheard


@dataclass(slots=True)
class Account:
    """What certificates say of one peer: micro-AXL earned minus spent, how much was spent, how much was earned from
    whom, jobs executed and settled, rescues."""

    balance_micro: int = 0
    spent_micro: int = 0
    earned_micro: dict[st.PeerId, int] = field(default_factory=dict)
    settled: int = 0
    rescued: int = 0


@dataclass(slots=True)
class Ledger:
    """Chains and the state they fold to. `collapsed` counts the decided jobs that a checkpoint covers: of them, money and
    the root are left; `apart` are those of them whose own record, or that of whose settlement, it does not cover; `budget`
    bounds what matters to nobody. The certificates in records named by `proven` are not checked again."""

    verifier: Verifier
    network: str
    hooks: Hooks = field(default_factory=Hooks)
    chains: Chains = field(default_factory=Chains)
    jobs: dict[st.JobId, LedgerJob] = field(default_factory=dict)
    open_jobs: OpenJobs = field(default_factory=OpenJobs)
    accounts: dict[st.PeerId, Account] = field(default_factory=dict)
    equivocators: dict[st.PeerId, str] = field(default_factory=dict)
    proofs: dict[st.PeerId, Entry] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    proven: frozenset[bytes] = frozenset()
    collapsed: int = 0
    apart: frozenset[st.JobId] = frozenset()
    _waiting: dict[st.JobId, list[Entry]] = field(default_factory=dict)
    _declined: dict[st.JobId, st.PeerId] = field(default_factory=dict)
    _settled: SetHash = field(default_factory=SetHash)
    _booked: dict[st.PeerId, bytes] = field(default_factory=dict)
    _moved: dict[st.PeerId, None] = field(default_factory=dict)

    def account(self, peer: st.PeerId) -> Account:
        """The peer's account; all zero for an unknown peer."""
        return self.accounts.get(peer) or Account()

    def state_root(self) -> bytes:
        """Hash over (job, value) of all decided jobs and all balances.

        It covers no certificate: two different quorums may certify the same value. It follows each change, so that it
        costs the same however many jobs there have been.
        """
        self._book()
        return self._settled.digest()

    def add(self, entry: Entry) -> bool:
        """Take a checked record; False when it is held already, or covered by a checkpoint.

        Whether there is room is asked of what comes from outside only: what a disk holds is never dropped.
        """
        if entry.hash in self.chains or self.chains.is_closed(entry.author, entry.seq):
            return False
        conflicts = self.chains.add(entry)
        self.hooks.on_record(entry)
        self.fold(entry)
        if conflicts:
            self._contradicts("record", conflicts[0], entry)
        return True

    def has_room(self, entry: Entry) -> bool:
        """Whether a record may be kept. There is always room for what its author did for somebody else's job, for what
        decides a job, whoever carries it, and for a job that is decided, however full its submitter is: without these,
        replicas would differ for good.

        That is so for jobs that could be paid. What strangers decide among themselves has room as far as that was paid for
        when the other half came: else it would fill every disk."""
        body = entry.body
        if self.chains.is_closed(entry.author, entry.seq):
            return False
        fits = self.chains.has_room(entry, trusted=self.budget.is_trusted(entry.author))
        if fits and self.budget.has_room(
            entry.author, len(entry.signed), expecting=self._is_first_half(entry)
        ):
            return True
        try:
            if isinstance(body, st.Equivocation):
                return fits and self._is_new_proof(body)
            if isinstance(body, st.LeaseCertificate | st.SettleCertificate):
                return self._contributes(entry, body) or self._decides(entry, body)
        except (CertificateError, StatementError):
            return False
        return isinstance(body, st.Job) and self._is_decided(entry, body)

    def _is_first_half(self, entry: Entry) -> bool:
        """Whether a record is a stranger's job, or a settlement of a job that is not held, and the other has not come."""
        if isinstance(entry.body, st.SettleCertificate):
            return entry.body.job not in self.jobs and not self.budget.expects(entry.body.job)
        is_strange = isinstance(entry.body, st.Job) and not self.budget.is_backed(entry.author)
        return is_strange and not self.budget.expects(entry.hash)

    def _is_new_proof(self, proof: st.Equivocation) -> bool:
        """Whether this is the first proof against somebody who could pay. Raises StatementError."""
        culprit = proven_equivocator(self.verifier, self.network, proof)
        return culprit not in self.proofs and self.budget.is_backed(culprit)

    def _contributes(self, entry: Entry, body: st.LeaseCertificate | st.SettleCertificate) -> bool:
        """Whether a record is its author's first about a lease of its own, or about the settlement of a job that it has a
        seat in. Raises CertificateError."""
        job = self.jobs.get(body.job)
        if job is None or not self._may_carry(job, entry, body):
            return False
        if isinstance(body, st.LeaseCertificate):
            check_lease(self.verifier, self.network, job.job, body)
        else:
            check_settlement(self.verifier, self.network, job.job, body)
        return True

    def _may_carry(
        self, job: LedgerJob, entry: Entry, body: st.LeaseCertificate | st.SettleCertificate
    ) -> bool:
        """Whether a record contributes to a job, if its certificate is sound, and that matters."""
        if isinstance(body, st.LeaseCertificate):
            has_part, epoch = body.holder == entry.author, body.epoch
        else:
            is_honest = len(entry.signed) <= limit("half_bytes_max")
            has_part, epoch = is_honest and weight_of(job.job, (entry.author,)) > 0, SETTLEMENT
        return has_part and self.budget.may_carry(entry, job.submitter, job.id, epoch)

    def _decides(self, entry: Entry, body: st.LeaseCertificate | st.SettleCertificate) -> bool:
        """Whether a record settles a job that is open. Raises CertificateError."""
        job = self.open_jobs.get(body.job)
        if job is None or isinstance(body, st.LeaseCertificate):
            return False
        if not self.budget.is_half(job.submitter, job.id, len(entry.signed)):
            return False
        check_settlement(self.verifier, self.network, job.job, body)
        return True

    def _is_decided(self, entry: Entry, job: st.Job) -> bool:
        """Whether a record is a job that a certificate waits for."""
        if not self.budget.is_half(entry.author, entry.hash, len(entry.signed)):
            return False
        waiting = [one.body for one in self._waiting.get(entry.hash, ())]
        return any(self._settles(job, body) for body in waiting if isinstance(body, st.SettleCertificate))

    def _settles(self, job: st.Job, certificate: st.SettleCertificate) -> bool:
        try:
            check_settlement(self.verifier, self.network, job, certificate)
        except CertificateError:
            return False
        return True

    def is_unknown(self, job: st.JobId) -> bool:
        """Whether nothing is known of a job, not even that it is decided below a cut."""
        return job not in self.jobs and job not in self.apart

    def lacking(self) -> list[st.JobId]:
        """Jobs that are not held although certificates say that they are decided, but for those that would be declined
        again."""
        return [
            job
            for job, waiting in self._waiting.items()
            if any(isinstance(entry.body, st.SettleCertificate) for entry in waiting)
            and not self._is_declined(job)
        ]

    def decline(self, entry: Entry) -> None:
        """There was no room for a record. If a certificate waits for it, it is not asked for again while it is a stranger's."""
        if entry.hash in self._waiting:
            self._declined[entry.hash] = entry.author

    def _is_declined(self, job: st.JobId) -> bool:
        submitter = self._declined.get(job)
        return submitter is not None and not self.budget.is_backed(submitter)

    def fold(self, entry: Entry) -> None:
        """Let a record count without keeping it."""
        self.budget.charge(entry)
        body = entry.body
        if entry.about in self.apart:
            return
        if isinstance(body, st.Job):
            self._add_job(entry, body)
        elif isinstance(body, st.Award | st.LeaseCertificate | st.SettleCertificate):
            job = self.jobs.get(body.job)
            if job is None:
                self._waiting.setdefault(body.job, []).append(entry)
                if isinstance(body, st.SettleCertificate):
                    self.budget.expect(body.job)
            else:
                self._apply(job, entry)
        elif isinstance(body, st.Equivocation):
            self._add_proof(entry, body)

    # --------------------------------------------------------------------------------------- checkpoints

    def accepted(self) -> frozenset[bytes]:
        """Records whose certificates have been checked and count."""
        leases = (entry.hash for job in self.jobs.values() for _, entry in job.leases.values())
        settled = (job.settle.hash for job in self.jobs.values() if job.settle is not None)
        return frozenset((*leases, *settled))

    def settled_sum(self) -> bytes:
        """The sum behind the state root."""
        self._book()
        return self._settled.packed()

    def load_accounts(self, settled: bytes, accounts: dict[st.PeerId, Account]) -> None:
        """Begin with what earlier records came to."""
        self._settled = SetHash(settled)
        self.accounts = accounts
        self._booked = {
            peer: _balance(peer, account) for peer, account in accounts.items() if account.balance_micro
        }
        self._moved.clear()

    def keep_books_of(self, payers: Container[st.PeerId]) -> None:
        """Forget what others than `payers` have paid, at both ends: what is left sums to zero as before."""
        for peer, account in self.accounts.items():
            account.earned_micro = {
                payer: micro for payer, micro in account.earned_micro.items() if payer in payers
            }
            if peer not in payers:
                account.spent_micro = 0
            self._move(
                peer,
                account,
                sum(account.earned_micro.values()) - account.spent_micro - account.balance_micro,
            )
        self._book()
        self.accounts = {
            peer: account for peer, account in self.accounts.items() if account.earned_micro or peer in payers
        }

    def collapse(self, settled: bytes, accounts: dict[st.PeerId, Account], jobs: int) -> None:
        """Begin anew with what the records below a cut came to; what is decided here beyond that is booked again."""
        rescued = {peer: account.rescued for peer, account in self.accounts.items()}
        self.load_accounts(settled, accounts)
        self.collapsed = jobs
        for job in self.jobs.values():
            if job.final:
                self._settled.add(_decided(job))
                if not job.frozen:
                    self._pay(job, 1)
        for peer, times in rescued.items():
            if peer in self.accounts:
                self.accounts[peer].rescued = times

    def set_apart(self, jobs: frozenset[st.JobId]) -> None:
        """These are decided below a cut although not all of their records are: what comes of them counts no more."""
        self.apart = jobs
        for job in jobs.intersection(self._waiting):
            self._wait_no_more(job)

    def _wait_no_more(self, job: st.JobId) -> None:
        del self._waiting[job]
        self._declined.pop(job, None)
        self.budget.expect_no_more(job)

    def forget(self, jobs: Iterable[LedgerJob], cut: Mapping[st.PeerId, Base]) -> None:
        """Drop jobs that are decided below a cut, and the records below it."""
        for job in jobs:
            del self.jobs[job.id]
            self.open_jobs.remove(job)
            self.budget.expect_no_more(job.id)
        for job_id, waiting in list(self._waiting.items()):
            left = [entry for entry in waiting if not covers(cut, entry)]
            if left:
                self._waiting[job_id] = left
            else:
                self._wait_no_more(job_id)
        self.chains.rebase(cut)
        self.budget.keep(self.chains.__contains__, self.jobs)

    def unrecorded(self) -> list[LedgerJob]:
        """Decided jobs of whose settlement no record is held any more; of those that are recorded elsewhere as well, that
        record is the one that counts from now on."""
        lost = {
            job.id: job
            for job in self.jobs.values()
            if job.settle is not None and job.settle.hash not in self.chains
        }
        for entry in (entry for chain in self.chains.authors.values() for entry in chain.entries()):
            job = lost.get(entry.about)
            if job is not None and entry.body == job.certificate:
                job.settle = entry
                del lost[job.id]
        return list(lost.values())

    def fold_again(self, jobs: Container[st.JobId]) -> None:
        """Begin anew, with what is held, with jobs that were forgotten."""
        held = [entry for chain in self.chains.authors.values() for entry in chain.entries()]
        for entry in held:
            if entry.about in jobs:
                self.fold(entry)

    def blobs(self) -> set[bytes]:
        """The payloads and results of all jobs."""
        names = {job.job.payload_hash for job in self.jobs.values()}
        return names | {job.value.result_hash for job in self.jobs.values() if job.value is not None}

    def waiting(self) -> Iterator[Entry]:
        """Records that wait for their job."""
        for waiting in self._waiting.values():
            yield from waiting

    # -------------------------------------------------------------------------------------------- details

    def _add_job(self, entry: Entry, body: st.Job) -> None:
        if entry.hash in self.jobs:
            return
        job = LedgerJob(entry.hash, entry, body)
        self.jobs[job.id] = job
        self.open_jobs.add(job)
        self._declined.pop(job.id, None)
        if self.budget.is_backed(job.submitter):
            self.budget.expect_no_more(job.id)
        else:
            self.budget.expect(job.id)
        self.hooks.on_job(job)
        for waiting in self._waiting.pop(job.id, []):
            self._apply(job, waiting)

    def _apply(self, job: LedgerJob, entry: Entry) -> None:
        body = entry.body
        try:
            if isinstance(body, st.Award):
                self._add_award(job, entry)
            elif isinstance(body, st.LeaseCertificate):
                self._add_lease(job, entry, body)
            elif isinstance(body, st.SettleCertificate):
                self._add_settlement(job, entry, body)
        except CertificateError:
            # The record keeps its place in its author's chain; what it claims is worth nothing.
            return

    def _add_award(self, job: LedgerJob, entry: Entry) -> None:
        if entry.hash in job.awards or entry.author != job.submitter:
            return
        if not award_is_sound(job.job, job.id, entry.body):
            return
        job.awards[entry.hash] = entry
        if len(job.awards) == 1:
            self.hooks.on_award(job, entry)
        else:
            self._contradicts("award", next(iter(job.awards.values())), entry)

    def _add_lease(self, job: LedgerJob, entry: Entry, body: st.LeaseCertificate) -> None:
        known = job.leases.get(body.epoch)
        is_repeated = known is not None and known[1].hash <= entry.hash
        carries = self._may_carry(job, entry, body)
        if is_repeated and not carries:
            return
        if entry.hash not in self.proven and (known is None or known[1].hash != entry.hash):
            check_lease(self.verifier, self.network, job.job, body)
        if carries:
            self.budget.carry(entry, job.submitter, job.id, body.epoch)
        if is_repeated:
            return
        # Of several records of one lease all replicas keep the same.
        job.leases[body.epoch] = (body.holder, entry)
        self.open_jobs.leased(job)
        if known is None:
            self.hooks.on_lease(job, body.epoch)

    def _add_settlement(self, job: LedgerJob, entry: Entry, body: st.SettleCertificate) -> None:
        known = job.certificate
        is_repeated = known is not None and known.value == body.value and body.epoch >= known.epoch
        carries = self._may_carry(job, entry, body)
        if is_repeated and not carries:
            return
        if entry.hash not in self.proven and (job.settle is None or job.settle.hash != entry.hash):
            check_settlement(self.verifier, self.network, job.job, body)
        if carries:
            self.budget.carry(entry, job.submitter, job.id, SETTLEMENT)
        if is_repeated:
            return
        if job.frozen:
            # Nobody is paid, whatever else is certified; what is shown must not depend on what came first.
            job.settle = min(job.settle or entry, entry, key=_rank)
            return
        if known is not None and known.value == body.value:
            # The same value at a lower epoch: the certificate that all replicas agree to keep.
            self._pay(job, -1)
            job.settle = entry
            self._pay(job, 1)
            return
        if job.settle is not None:
            self._pay(job, -1)
            self._settled.remove(_decided(job))
            job.frozen = True
            job.settle = min(job.settle, entry, key=_rank)
            self._settled.add(_decided(job))
            self.hooks.on_alarm(job)
            return
        job.settle = entry
        self.open_jobs.remove(job)
        self.budget.expect_no_more(job.id)
        self._settled.add(_decided(job))
        self._pay(job, 1)
        self.hooks.on_settled(job)

    def _pay(self, job: LedgerJob, sign: int) -> None:
        """Book the decided price, or with `sign` -1 take it back from a job that is frozen."""
        certificate = job.certificate
        if certificate is None or certificate.value.outcome != "result":
            return
        value = certificate.value
        payer = self.accounts.setdefault(job.submitter, Account())
        payee = self.accounts.setdefault(value.holder, Account())
        self._move(job.submitter, payer, -sign * value.price_micro)
        self._move(value.holder, payee, sign * value.price_micro)
        payer.spent_micro += sign * value.price_micro
        payee.earned_micro[job.submitter] = (
            payee.earned_micro.get(job.submitter, 0) + sign * value.price_micro
        )
        payee.settled += sign
        payee.rescued += sign * job.rescued

    def _move(self, peer: st.PeerId, account: Account, micro: int) -> None:
        """Change a balance."""
        account.balance_micro += micro
        self._moved[peer] = None

    def _book(self) -> None:
        """Let the sum follow balances that have changed; an account that is empty is not part of the state."""
        for peer in self._moved:
            before, account = self._booked.pop(peer, None), self.accounts[peer]
            if before is not None:
                self._settled.remove(before)
            if account.balance_micro:
                self._booked[peer] = _balance(peer, account)
                self._settled.add(self._booked[peer])
        self._moved.clear()

    def _add_proof(self, entry: Entry, proof: st.Equivocation) -> None:
        try:
            author = proven_equivocator(self.verifier, self.network, proof)
        except StatementError:
            return
        known = self.proofs.get(author)
        if known is None or entry.hash < known.hash:
            self.proofs[author] = entry
        if known is None and self.budget.is_backed(author):
            self.budget.waive(entry)
        self._equivocated(author, proof.kind)

    def _contradicts(self, kind: str, first: Entry, second: Entry) -> None:
        """Two records of one author for one slot; one proof per author is enough."""
        if first.author not in self.equivocators:
            self._equivocated(first.author, kind)
            self.hooks.on_conflict(kind, first.signed, second.signed)

    def _equivocated(self, author: st.PeerId, kind: str) -> None:
        if author not in self.equivocators:
            self.equivocators[author] = kind
            self.hooks.on_equivocator(author, kind)


def proven_equivocator(verifier: Verifier, network: str, proof: st.Equivocation) -> st.PeerId:
    """Who signed two different statements for one slot. Raises StatementError when that is not proven.

    Slots: (author, seq) for records, one award per (author, job), (author, job, epoch) for each kind of vote, and of
    electors (author, height, round) for each of their two votes.
    """
    if proof.kind in _OF_RECORDS:
        first, second = (check_record(verifier, signed, network) for signed in (proof.first, proof.second))
        same_slot = first.seq == second.seq
        if isinstance(first.body, st.Award) and isinstance(second.body, st.Award):
            same_slot = same_slot or first.body.job == second.body.job
        elif isinstance(first.body, st.Checkpoint) and isinstance(second.body, st.Checkpoint):
            same_slot = same_slot or _votes_twice(first.body, second.body)
        if first.hash != second.hash and first.author == second.author and same_slot:
            return first.author
    elif proof.kind in _VOTES:
        one, other = (
            check(verifier, signed, _VOTES[proof.kind], network) for signed in (proof.first, proof.second)
        )
        if one != other and (one.author, one.job, one.epoch) == (other.author, other.job, other.epoch):
            return one.author
    raise StatementError("the two statements do not contradict each other")


def _votes_twice(one: st.Checkpoint, other: st.Checkpoint) -> bool:
    same_slot = (one.height, one.round, one.precommit) == (other.height, other.round, other.precommit)
    return same_slot and one.finding != other.finding


def _rank(settle: Entry) -> tuple[bytes, int]:
    """Which certificate of a job stands for those that contradict each other, on all replicas alike."""
    body: st.SettleCertificate = settle.body
    return encode(body.value), body.epoch


def _decided(job: LedgerJob) -> bytes:
    """What the state holds of a decided job."""
    return encode(("job", job.id, None if job.frozen else job.value))


def _balance(peer: st.PeerId, account: Account) -> bytes:
    """What the state holds of an account; as text, for a sum of prices may outgrow an integer of msgpack."""
    return encode(("balance", peer, str(account.balance_micro)))
