"""Certificates: quorums of signed votes that anyone can check with nothing but public keys."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TypeVar

from mesh_core.config import limit
from mesh_core.crypto import Verifier
from mesh_core.identity.statement import StatementError, check, peek
from mesh_core.quorum.committee import members, quorum, total_weight, weight_of
from mesh_core.wire import statements as st
from mesh_core.wire.reason import is_short


class CertificateError(ValueError):
    """A certificate does not prove what it says; the text names the first thing that is wrong."""


def check_lease(
    crypto: Verifier, network: str, job: st.Job, certificate: st.LeaseCertificate
) -> list[st.Promise]:
    """The promises of a valid lease certificate. Raises CertificateError."""
    _require_possible(certificate.epoch)
    promises: dict[st.PeerId, st.Promise] = {}
    for signed in certificate.promises:
        promise = _checked(crypto, network, signed, st.Promise)
        if (promise.job, promise.epoch, promise.holder) != (
            certificate.job,
            certificate.epoch,
            certificate.holder,
        ):
            raise CertificateError("a promise is for another lease")
        _require_seat(job, promise.author, promises)
        check_shown(crypto, network, job, promise)
        promises[promise.author] = promise
    _require_quorum(job, promises, "promises")
    return list(promises.values())


def check_shown(crypto: Verifier, network: str, job: st.Job, promise: st.Promise) -> None:
    """Nothing when a promise of a member may count. Raises CertificateError.

    Where votes may lie (f ≥ 1), a value counts only with its accept certificate. Else one liar could plant a value of
    its own at a high epoch, and every holder after it would be bound to propose that.
    """
    shown = promise.accepted
    if shown is None or job.fault_bound == 0:
        return
    if not 1 <= shown.epoch < promise.epoch:
        raise CertificateError("a promise shows a value of an epoch that is not before its own")
    if check_accepts(crypto, network, job, promise.job, shown.epoch, shown.votes) != shown.value:
        raise CertificateError("a promise shows another value than its accept certificate")


def check_accepts(
    crypto: Verifier, network: str, job: st.Job, job_id: st.JobId, epoch: int, votes: tuple[st.Signed, ...]
) -> st.Value:
    """The value for which `votes` are an accept certificate at `epoch`. Raises CertificateError.

    Two quorums share more than f weight, so that an honest member would have had to vote twice for two values to be
    certified at one epoch.
    """
    return _tally(crypto, network, job, (job_id, epoch), votes, st.AcceptVote)


def check_settlement(crypto: Verifier, network: str, job: st.Job, certificate: st.SettleCertificate) -> None:
    """Nothing when the certificate settles the job. Raises CertificateError."""
    _require_possible(certificate.epoch)
    value = certificate.value
    if value.holder not in members(job) or not 0 <= value.price_micro <= job.max_price_micro:
        raise CertificateError("its value pays an outsider or more than the job allows")
    if value.outcome not in OUTCOMES:
        raise CertificateError(f"unknown outcome {value.outcome[:32]!r}")
    if not is_short(value.reason):
        raise CertificateError("its reason is too long")
    ballot = (certificate.job, certificate.epoch)
    if _tally(crypto, network, job, ballot, certificate.votes, deciding_vote(job)) != value:
        raise CertificateError("its votes are for another value")


def deciding_vote(job: st.Job) -> type[st.AcceptVote] | type[st.SettleVote]:
    """Which votes settle a job: accept votes, or where votes may lie settle votes, cast upon a lock."""
    return st.SettleVote if job.fault_bound else st.AcceptVote


def voters(job: st.Job, certificate: st.SettleCertificate) -> tuple[st.PeerId, ...]:
    """Who voted, in a certificate that has been checked."""
    return tuple(peek(signed, deciding_vote(job)).author for signed in certificate.votes)


OUTCOMES: dict[str, str] = {"result": "settled", "cancelled": "cancelled", "failed": "failed"}
"""What a ballot may decide, and the final state it gives the job."""


def _require_possible(epoch: int) -> None:
    if not 1 <= epoch <= limit("sequence_max"):
        raise CertificateError("an impossible epoch")


def _require_seat(job: st.Job, author: st.PeerId, counted: Container[st.PeerId]) -> None:
    if author in counted:
        raise CertificateError("a member counts twice")
    if author not in members(job):
        raise CertificateError("an outsider counts")


def _require_quorum(job: st.Job, counted: Iterable[st.PeerId], what: str) -> None:
    weight = weight_of(job, counted)
    if weight < quorum(job):
        raise CertificateError(
            f"{what} of weight {weight} where {quorum(job)} of {total_weight(job)} are needed"
        )


def _tally(
    crypto: Verifier,
    network: str,
    job: st.Job,
    ballot: tuple[st.JobId, int],
    votes: tuple[st.Signed, ...],
    kind: type[st.AcceptVote] | type[st.SettleVote],
) -> st.Value:
    """The one value that a quorum voted for in `ballot` (job, epoch).

    A vote longer than an honest one can be does not count: locks are shown in promises, which must fit into a record, and
    a settlement may be recorded by others than those who made it.
    """
    values: dict[st.PeerId, st.Value] = {}
    for signed in votes:
        if len(signed) > limit("vote_bytes_max"):
            raise CertificateError("a vote is too large")
        vote = _checked(crypto, network, signed, kind)
        if (vote.job, vote.epoch) != ballot:
            raise CertificateError("a vote is for another ballot")
        _require_seat(job, vote.author, values)
        values[vote.author] = vote.value
    _require_quorum(job, values, "votes")
    if len(set(values.values())) > 1:
        raise CertificateError("its votes are for different values")
    return next(iter(values.values()))


S = TypeVar("S")


def _checked(crypto: Verifier, network: str, signed: bytes, kind: type[S]) -> S:
    try:
        return check(crypto, signed, kind, network)
    except StatementError as error:
        raise CertificateError(str(error)) from error
