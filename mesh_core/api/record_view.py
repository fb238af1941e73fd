"""The views of ledger records: in a line, by job, by author, and one in full."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from mesh_core.api.record_check import checks_of, spelled, statements_of
from mesh_core.api.schema import CheckedRecord, RecordView
from mesh_core.api.times import told_ms
from mesh_core.ledger.record import Entry
from mesh_core.node import Node
from mesh_core.wire import statements as st
from mesh_core.wire.statements import JobId, PeerId

RECORDS_SHOWN = 200
"""Records in the tail, and of one job or one author: the newest."""


class RecordViews:
    """Shows the records that one node holds. `own_name` is what it is called, `wall_ms` the wall clock."""

    def __init__(self, node: Node, own_name: str, wall_ms: Callable[[], float]) -> None:
        self._node = node
        self._own_name = own_name
        self._wall_ms = wall_ms

    def view(self, name: bytes) -> RecordView | None:
        """The record with this hash; None when it is not held."""
        entry = self._node.ledger.chains.get(name)
        return self._view(entry) if entry is not None else None

    def newest(self) -> list[bytes]:
        """Hashes of the newest records, the oldest of them first."""
        chains = self._node.ledger.chains.authors.values()
        return [
            entry.hash
            for entry in self._newest(
                entry for held in chains for entry in (*held.chain[-RECORDS_SHOWN:], *held.extras.values())
            )
        ]

    def of_job(self, job: JobId) -> list[RecordView]:
        """The newest records about a job, its own among them, the oldest first."""
        chains = self._node.ledger.chains.authors.values()
        about = (entry for held in chains for entry in held.entries() if entry.about == job)
        return [self._view(entry) for entry in self._newest(about)]

    def of_author(self, author: PeerId) -> list[RecordView]:
        """The newest records by an author, in the order of its chain; those that are not part of it come last."""
        held = self._node.ledger.chains.authors.get(author)
        if held is None:
            return []
        extras = sorted(held.extras.values(), key=lambda entry: (entry.seq, entry.hash))
        return [self._view(entry) for entry in [*held.chain[-RECORDS_SHOWN:], *extras][-RECORDS_SHOWN:]]

    def checked(self, name: bytes) -> CheckedRecord | None:
        """The record with this hash, what it says, and what comes of checking it; None when it is not held."""
        ledger = self._node.ledger
        entry = ledger.chains.get(name)
        if entry is None:
            return None
        return CheckedRecord(
            record=self._view(entry),
            network=entry.head.network,
            version=entry.head.version,
            prev=entry.head.prev.hex(),
            says=spelled(entry.body),
            statements=statements_of(ledger, entry),
            checks=checks_of(ledger, entry),
            raw=entry.signed.hex(),
        )

    def _newest(self, entries: Iterable[Entry]) -> list[Entry]:
        return heapq.nlargest(RECORDS_SHOWN, entries, key=lambda entry: (self._told_ms(entry), entry.seq))[
            ::-1
        ]

    def _view(self, entry: Entry) -> RecordView:
        return RecordView(
            hash=entry.hash.hex(),
            author=entry.author.hex(),
            seq=entry.seq,
            kind=entry.head.kind,
            job=entry.about.hex(),
            summary=self._summary(entry),
            at_ms=self._told_ms(entry),
            bytes=len(entry.signed),
            epoch=getattr(entry.body, "epoch", 0),
        )

    def _told_ms(self, entry: Entry) -> float:
        return told_ms(entry.head.written_ms, self._wall_ms())

    def _summary(self, entry: Entry) -> str:
        """What a record says, in a few words. Names that came from others are data."""
        job = self._node.ledger.jobs.get(entry.about)
        label = job.job.label if job is not None else ""
        match entry.body:
            case st.Job():
                return f"{entry.body.label} {entry.body.kind}, at most {entry.body.max_price_micro} micro-AXL"
            case st.Award(bids=bids, ranking=ranking):
                return f"{label} to {self._name(ranking[0]) if ranking else 'nobody'}, {len(bids)} {'bid' if len(bids) == 1 else 'bids'}"
            case st.LeaseCertificate(epoch=epoch, holder=holder, promises=promises):
                return f"{label} epoch {epoch} to {self._name(holder)}, {len(promises)} promises"
            case st.SettleCertificate(epoch=epoch, value=value, votes=votes):
                return f"{label} {value.outcome} at epoch {epoch}, {len(votes)} votes"
            case st.Equivocation(kind=kind):
                return f"two contradicting {kind}s"
            case st.Checkpoint(height=height, round=number, precommit=precommit):
                return f"{'precommits' if precommit else 'prevotes for'} height {height} in round {number}"
        return "of a kind that this version does not know"

    def _name(self, peer: PeerId) -> str:
        if peer == self._node.peer:
            return self._own_name
        member = self._node.membership.members.get(peer)
        return member.announcement.name if member is not None else peer.hex()[:8]
