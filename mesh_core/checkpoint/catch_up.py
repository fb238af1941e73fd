"""How a node that was away for longer than records are kept comes to a snapshot, and how it is told that there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_core.blobs.blobs import Blobs
from mesh_core.checkpoint.adoption import Adoption
from mesh_core.checkpoint.cuts import Cuts
from mesh_core.checkpoint.decision import Decision
from mesh_core.checkpoint.elector import Elector
from mesh_core.checkpoint.electors import Certificate, certified
from mesh_core.checkpoint.findings import Findings, Found
from mesh_core.checkpoint.look import look_at
from mesh_core.checkpoint.newest import Newest, height_of
from mesh_core.checkpoint.snapshot import Snapshot, SnapshotError, encoded, read_snapshot
from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId
from mesh_core.identity.statement import digest
from mesh_core.ledger.chain import Base
from mesh_core.ledger.fold import Ledger
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Truncated

_OFFERED_APART_S = 1.0
"""A peer that lacks what is dropped here is told so at most this often."""

_STALLED_S = 5.0
"""A snapshot of which nothing has come for so long makes way for an older one that somebody offers."""


@dataclass(slots=True)
class _Wanted:
    """The one snapshot that is being fetched, how much of it had come when that was looked at last, and since when it
    was no more."""

    need: Decision
    since: float
    received: int = 0


@dataclass(eq=False)
class CatchUp:
    """Offers this node's snapshot and takes those of others. `_retire` is told that the mesh knows more of this key than
    its disk does."""

    _context: Context
    _ledger: Ledger
    _blobs: Blobs
    _retire: Callable[[str], None]
    _newest: Newest
    _cuts: Cuts
    _findings: Findings
    _elector: Elector
    _adoption: Adoption
    _offered: dict[PeerId, float] = field(default_factory=dict)
    _wanted: _Wanted | None = None

    def offer(self, now: float, peer: PeerId) -> None:
        """A peer lacks records that are dropped here: tell it, unless it has just been told."""
        newest = self._newest
        if newest.certificate and now - self._offered.get(peer, float("-inf")) >= _OFFERED_APART_S:
            recent = {other: at for other, at in self._offered.items() if now - at < _OFFERED_APART_S}
            self._offered = recent | {peer: now}
            self._context.send(peer, Truncated(newest.certificate, newest.handovers))

    # ------------------------------------------------------------------------------------------- fetching

    def on_truncated(self, now: float, sender: PeerId, message: Truncated) -> None:
        """A peer has dropped what this node lacks: get the snapshot, if the electors say so."""
        if 0 < height_of(message.checkpoints) <= self._newest.height:
            return
        need = self._followed(message)
        if need is None:
            self._context.dropped["bad_checkpoint"] += 1
            return
        if need.height == self._newest.height + 1:
            # Its votes may be covered elsewhere by now: whoever has all the records needs nothing else.
            self._elector.rounds.show_decided(need)
            look_at(self._context.timers, now)
        if not self._findings.is_judged(need.finding) and self._is_best(now, need):
            self._blobs.want(now, need.job, [sender], need)

    def _followed(self, message: Truncated) -> Decision | None:
        """What is said by those electors that this node knows, or by who took over from them; None when it is not."""
        crypto, network = self._context.crypto, self._context.config.network
        height, electors = self._newest.height, self._newest.electors
        body: st.Checkpoint | None = None
        handovers: list[Certificate] = []
        newest: Certificate = ()
        for certificate in (*message.handovers[: limit("handovers_max")], message.checkpoints):
            if height_of(certificate) <= height:
                continue  # known here, or the newest is itself the last that changed the electors
            body = certified(crypto, network, electors, certificate)
            if body is None:
                return None
            if body.finding.electors != electors:
                handovers.append(certificate)
            newest, height, electors = certificate, body.height, body.finding.electors
        return Decision(height, body.finding, newest, tuple(handovers)) if body is not None else None

    def _is_best(self, now: float, need: Decision) -> bool:
        """Whether this snapshot is the one to fetch: the newest of those that can be had. Only one is fetched at a time:
        peers drop theirs as soon as they have a newer one."""
        wanted = self._wanted
        if wanted is not None and wanted.need != need:
            received = self._blobs.received(wanted.need.job)
            if received > wanted.received:
                wanted.received, wanted.since = received, now
            if need.height < wanted.need.height and now < wanted.since + _STALLED_S:
                return False
            self.give_up()
        if self._wanted is None:
            self._wanted = _Wanted(need, now)
        return True

    def give_up(self) -> None:
        """No snapshot that has been heard of is needed."""
        if self._wanted is not None:
            self._blobs.settled(self._wanted.need.job)
            self._wanted = None

    # --------------------------------------------------------------------------------------------- taking

    def on_snapshot(self, now: float, need: Decision) -> None:
        """A snapshot that electors vouch for is here: take it, unless this node can compare by itself."""
        if self._wanted is not None and self._wanted.need == need:
            self._wanted = None
        data = self._blobs.get(need.job)
        found = self._read(need, data) if data is not None else None
        if found is not None and not self._can_compare(now, need, found.snapshot):
            self._look_for_own(found.snapshot)
            self._adoption.adopt(now, found, need)
            self.give_up()
        elif data is not None:
            self._blobs.drop([need.job])

    def _read(self, need: Decision, data: bytes) -> Found | None:
        """The snapshot, if it is newer than what is here and what the electors say it is."""
        finding = need.finding
        if need.height <= self._newest.height:
            return None
        try:
            snapshot = read_snapshot(data)
        except SnapshotError:
            self._context.dropped["bad_snapshot"] += 1
            return None
        bases = snapshot.cut.bases
        behind = any(
            held.base.seq and held.base.seq > bases.get(author, Base()).seq
            for author, held in self._ledger.chains.authors.items()
        )
        named = (digest(encoded(snapshot.cut)), snapshot.state_root, snapshot.network)
        if behind or named != (finding.cut, finding.state_root, self._context.config.network):
            self._context.dropped["bad_snapshot"] += 1
            return None
        return Found(snapshot, data)

    def _can_compare(self, now: float, need: Decision, snapshot: Snapshot) -> bool:
        """Whether this node has all the records itself: then it goes by what it finds, and needs the cut only."""
        if need.height != self._newest.height + 1 or self._findings.compute(snapshot.cut) is None:
            return False
        self._cuts.put(encoded(snapshot.cut))
        look_at(self._context.timers, now)
        return True

    def _look_for_own(self, snapshot: Snapshot) -> None:
        """What the snapshot covers of this node's own chain, its disk must hold."""
        own = self._ledger.chains.authors.get(self._context.me)
        mine = snapshot.cut.bases.get(self._context.me, Base())
        if mine.seq > (own.highest_seq() if own is not None else 0):
            self._retire(f"the mesh holds record {mine.seq} of this key, the store does not")
