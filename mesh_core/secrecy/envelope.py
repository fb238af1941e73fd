"""Sealed payloads: one random secret per job, shared among the committee's providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mesh_core.crypto import Crypto, SecrecyError
from mesh_core.identity.statement import digest
from mesh_core.wire.malformed import MALFORMED
from mesh_core.wire.messages import Work
from mesh_core.wire.statements import Job, PeerId, Share

_work: msgspec.msgpack.Decoder[Work] = msgspec.msgpack.Decoder(Work)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed payload, its secret and the sealed shares of it."""

    payload: bytes
    secret: bytes
    threshold: int
    shares: tuple[Share, ...]


def seal_work(crypto: Crypto, work: Work, providers: Sequence[PeerId], threshold: int) -> Envelope:
    """Encrypt `work` under a fresh secret and share the secret `threshold`-of-`len(providers)`."""
    secret = crypto.new_secret()
    payload = crypto.encrypt(secret, msgspec.msgpack.encode(work))
    threshold = max(1, min(threshold, len(providers)))
    parts = crypto.split(secret, threshold, len(providers))
    shares = tuple(
        Share(peer, crypto.seal(peer, part), digest(part))
        for peer, part in zip(providers, parts, strict=True)
    )
    return Envelope(payload, secret, threshold, shares)


def open_work(crypto: Crypto, secret: bytes, payload: bytes) -> Work:
    """Inverse of `seal_work`. Raises SecrecyError for a wrong secret or an altered payload."""
    try:
        return _work.decode(crypto.decrypt(secret, payload))
    except MALFORMED as error:
        raise SecrecyError(f"the opened payload is no work: {error}") from error


def my_share(crypto: Crypto, job: Job, me: PeerId) -> bytes | None:
    """This node's opened share of the job's secret, or None when it has none or it is not what was committed to."""
    for share in job.shares:
        if share.peer == me:
            try:
                part = crypto.open(share.sealed)
            except SecrecyError:
                return None
            return part if digest(part) == share.commitment else None
    return None
