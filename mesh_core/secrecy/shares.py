"""A lease holder's collection of key shares; a bad share is skipped."""

from __future__ import annotations

from mesh_core.crypto import Crypto, SecrecyError
from mesh_core.identity.statement import digest
from mesh_core.secrecy.envelope import open_work
from mesh_core.wire.messages import Work
from mesh_core.wire.statements import Job, PeerId


class ShareCollector:
    """Gathers shares for one lease until the payload opens.

    Commitments are in the signed job, so a share that does not match is the releasing witness's fault alone.
    """

    def __init__(self, crypto: Crypto, job: Job) -> None:
        self._crypto = crypto
        self._job = job
        self._commitments = {share.peer: share.commitment for share in job.shares}
        self._parts: dict[PeerId, bytes] = {}
        self.answered: set[PeerId] = set()
        self._secret: bytes | None = None

    def add_share(self, sender: PeerId, part: bytes) -> None:
        """Take a share opened by this node; one that breaks its commitment is skipped."""
        self.answered.add(sender)
        if self._commitments.get(sender) == digest(part):
            self._parts[sender] = part

    def add_secret(self, sender: PeerId, secret: bytes) -> None:
        """Take the whole secret, as the submitter gives it."""
        self.answered.add(sender)
        self._secret = secret

    def open(self, payload: bytes) -> Work | None:
        """The work, or None while there are too few good shares.

        Raises SecrecyError when enough good shares do not open the payload: then the submitter sealed garbage.
        """
        if self._secret is not None:
            try:
                return open_work(self._crypto, self._secret, payload)
            except SecrecyError:
                self._secret = None
        if len(self._parts) < self._job.threshold:
            return None
        return open_work(self._crypto, self._crypto.combine(list(self._parts.values())), payload)
