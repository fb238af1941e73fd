"""What comes of checking one record with the replica at hand: every reason to believe it, or not to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Raw, Struct

from mesh_core.api.schema import Check, CheckedStatement
from mesh_core.crypto import Verifier
from mesh_core.identity.statement import KINDS, VOTES, StatementError, body_hash, check
from mesh_core.ledger.award import award_is_sound
from mesh_core.ledger.chain import AuthorChain
from mesh_core.ledger.fold import Ledger, proven_equivocator
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import BODIES, Entry, check_record
from mesh_core.quorum.certificate import CertificateError, check_lease, check_settlement, voters
from mesh_core.quorum.committee import quorum, total_weight, weight_of
from mesh_core.wire import statements as st

_VOTES: dict[str, type[Any]] = {KINDS[vote]: vote for vote in VOTES}
_SIGNED: dict[type[Any], tuple[str, tuple[type[Any], ...]]] = {
    st.Award: ("bids", (st.Bid,)),
    st.LeaseCertificate: ("promises", (st.Promise,)),
    st.SettleCertificate: ("votes", (st.AcceptVote, st.SettleVote)),
}
"""Bodies that hold signed statements: in which field, and of which kinds they may be."""

_COUNTED = frozenset({"failures", "votes"})
"""Fields of statements inside a record that hold signed statements again: how many is told."""


def checks_of(ledger: Ledger, entry: Entry) -> list[Check]:
    """Every check of a record that is held: its signature, its name, its link, its meaning, and what it proves."""
    checks = [_signature(ledger.verifier, ledger.network, entry), _name(entry), _link(ledger, entry)]
    if entry.body is None:
        known = entry.head.kind in BODIES
        told = (
            f"breaks the rules of a {entry.head.kind}"
            if known
            else "of a kind that this version does not know"
        )
        return [*checks, Check("meaning", not known, f"{told}: kept and passed on, and means nothing")]
    proof = _proof(ledger, entry)
    return [*checks, proof] if proof is not None else checks


def statements_of(ledger: Ledger, entry: Entry) -> list[CheckedStatement]:
    """The signed statements in a record: bids, promises, votes, or the two that contradict each other."""
    body = entry.body
    if isinstance(body, st.Equivocation):
        kinds: tuple[type[Any], ...] = (_VOTES.get(body.kind, st.Record),)
        signed: tuple[bytes, ...] = (body.first, body.second)
    else:
        name, kinds = _SIGNED.get(type(body), ("", ()))
        signed = getattr(body, name) if name else ()
    return [_statement(ledger, one, kinds) for one in signed]


def spelled(body: Struct | None) -> dict[str, Any]:
    """A statement's fields as JSON can say them: bytes in hexadecimal; signed statements are left to `statements_of`."""
    if body is None:
        return {}
    apart = {"first", "second", _SIGNED.get(type(body), ("", ()))[0]}
    return {name: _said(name, getattr(body, name)) for name in body.__struct_fields__ if name not in apart}


def _said(name: str, value: object) -> Any:
    if isinstance(value, Struct):
        return {inner: _said(inner, getattr(value, inner)) for inner in value.__struct_fields__}
    if isinstance(value, Raw):
        return f"{len(bytes(value))} bytes"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return f"{len(value)} signed" if name in _COUNTED else [_said("", item) for item in value]
    return value


def _signature(verifier: Verifier, network: str, entry: Entry) -> Check:
    try:
        check_record(verifier, entry.signed, network)
    except StatementError as error:
        return Check("signature", False, str(error))
    return Check("signature", True, "ed25519, by its author")


def _name(entry: Entry) -> Check:
    named = body_hash(entry.signed) == entry.hash
    return Check("hash", named, "BLAKE2b-256 of its body" if named else "is not the BLAKE2b-256 of its body")


def _link(ledger: Ledger, entry: Entry) -> Check:
    held = ledger.chains.authors.get(entry.author) or AuthorChain()
    if held.hash_at(entry.seq) == entry.hash:
        if entry.seq == 1:
            return Check("link", True, "the first of its author's chain")
        whole = held.hash_at(entry.seq - 1) == entry.head.prev
        return Check(
            "link", whole, f"{'names' if whole else 'does not name'} record {entry.seq - 1} of its author"
        )
    if held.forked_at is not None and entry.seq >= held.forked_at:
        return Check(
            "link", False, f"its author signed two records at seq {held.forked_at}: not part of the chain"
        )
    return Check("link", False, f"record {held.head_seq + 1} of its author is not held here: behind a gap")


def _statement(ledger: Ledger, signed: bytes, kinds: tuple[type[Any], ...]) -> CheckedStatement:
    """A statement inside a record, read as the first of `kinds` that its signature is for."""
    problem = ""
    for kind in kinds:
        try:
            found = check(ledger.verifier, signed, kind, ledger.network)
        except StatementError as error:
            problem = problem or str(error)
            continue
        says = {name: said for name, said in spelled(found).items() if name not in ("network", "author")}
        return CheckedStatement(KINDS[kind], found.author.hex(), says, "")
    return CheckedStatement(KINDS[kinds[0]], "", {}, problem)


def _proof(ledger: Ledger, entry: Entry) -> Check | None:
    """Whether a record proves what it says; None for one that proves nothing but that its author said it."""
    body = entry.body
    if isinstance(body, st.Equivocation):
        return _contradiction(ledger, body)
    if not isinstance(body, st.Award | st.LeaseCertificate | st.SettleCertificate):
        return None
    job = ledger.jobs.get(body.job)
    what = "award" if isinstance(body, st.Award) else "certificate"
    if job is None:
        return Check(what, False, "cannot be judged: its job is not held here")
    if isinstance(body, st.Award):
        return _award(job, entry, body)
    try:
        counted = list(_counted(ledger, job, body))
    except (CertificateError, StatementError) as error:
        return Check(what, False, str(error))
    weight, needed, total = weight_of(job.job, counted), quorum(job.job), total_weight(job.job)
    return Check(what, True, f"weight {weight} of {total}, {needed} needed")


def _counted(
    ledger: Ledger, job: LedgerJob, body: st.LeaseCertificate | st.SettleCertificate
) -> Iterator[st.PeerId]:
    """Whose promises or votes make a certificate. Raises CertificateError when they do not."""
    if isinstance(body, st.LeaseCertificate):
        yield from (promise.author for promise in check_lease(ledger.verifier, ledger.network, job.job, body))
    else:
        check_settlement(ledger.verifier, ledger.network, job.job, body)
        yield from voters(job.job, body)


def _award(job: LedgerJob, entry: Entry, award: st.Award) -> Check:
    if entry.author != job.submitter:
        return Check("award", False, "not by the job's submitter")
    if not award_is_sound(job.job, job.id, award):
        return Check(
            "award", False, "its bids are not those of the committee, each once, or its ranking is of others"
        )
    return Check("award", True, "ranks just its bids, all of them from the committee")


def _contradiction(ledger: Ledger, body: st.Equivocation) -> Check:
    try:
        culprit = proven_equivocator(ledger.verifier, ledger.network, body)
    except StatementError as error:
        return Check("proof", False, str(error))
    return Check("proof", True, f"{culprit.hex()[:8]} signed both, for one slot")
