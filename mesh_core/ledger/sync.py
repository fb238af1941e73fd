"""Replication: every record reaches every replica.

Live path: the author sends a new record to every committee member and to two others, and advertises it to the rest;
whoever gets it advertises it to a few more. Repair: once per period the digest of the version vector goes to one random
member that is not known to hold the same, and on every reconnect; if they differ, the vector follows, then what is
missing, bounded per message and continued until nothing is (anti-entropy, Demers et al. 1987). Replicas that know of
each other that they are equal are silent, but for a digest beside each full-state exchange of the membership.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId, PutStatement
from mesh_core.identity.statement import StatementError, body_hash
from mesh_core.ledger.chain import FULL, AuthorChain, Base
from mesh_core.ledger.fold import Ledger
from mesh_core.ledger.record import Entry, check_record, new_record
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Advertise, Digest, FetchRange, FetchRecords, Head, Records, Vector
from mesh_core.wire.portions import portions

SMALL_MESH = 8
"""Up to this many live members a record is pushed to all of them: one message costs less than advert and fetch."""

_PUSH = 2
_RELAY_ADVERTS = 3
_LACKING_ASKED = 16
"""Jobs that are decided and not held, asked for at once: strangers may make up certificates of jobs that nobody has."""

_PAIR_PATIENCE = 64
"""Replicas that find the same difference again and again, because one has no room for what the other holds, look at it
in full after 1, 2, 4 … such digests, then every so many."""


@dataclass(slots=True)
class _Difference:
    """How often in a row a peer's digest and this node's were the same two, and differed."""

    own: bytes
    theirs: bytes
    times: int = 0

    def worth_a_look(self) -> bool:
        """Count once more, and tell whether the version vector should be sent this time."""
        self.times += 1
        return self.times & (self.times - 1) == 0 or self.times % _PAIR_PATIENCE == 0


@dataclass(slots=True)
class _Wanted:
    """A record heard of and not held: who has it, how often it was asked for."""

    sources: list[PeerId]
    tries: int = 0


class Replication:
    """Makes this node's own records and moves everybody's."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        live: Callable[[], list[PeerId]],
        found_own: Callable[[Entry], None],
    ) -> None:
        """`found_own` is called with a record of this node's own that came from outside and was not held here."""
        self._context = context
        self._ledger = ledger
        self._live = live
        self._found_own = found_own
        self._adverts: dict[PeerId, list[bytes]] = {}
        self._wanted: dict[bytes, _Wanted] = {}
        self._differences: dict[PeerId, _Difference] = {}
        self._written_ms = 0
        self.roots: dict[PeerId, Digest] = {}
        self.on_dropped: Callable[[PeerId], None] = lambda _peer: None
        """Told of a member that lacks records which are dropped here."""

    def start(self, now: float) -> None:
        """Begin periodic repair, at a random phase so that a mesh started at once does not beat in step."""
        phase = self._context.doors.rng.random()
        self._context.timers.set(("sync", "repair"), now + phase * self._context.timing.repair_period_s)

    # ------------------------------------------------------------------------------------- own records

    def append(self, now: float, kind: str, body: object, eager: Collection[PeerId] = ()) -> Entry:
        """Sign the next record of this node's chain, persist it, fold it and send it on.

        `eager` are members that need it at once.
        """
        entry = self.make(kind, body)
        self.publish(now, entry, eager)
        return entry

    def make(self, kind: str, body: object) -> Entry:
        """Sign, persist and fold the next record of this node's chain without sending it."""
        own = self._ledger.chains.authors.get(self._context.me, AuthorChain())
        self._written_ms = max(self._written_ms + 1, self._context.doors.wall_ms())
        config = self._context.config
        record = new_record(
            config.network, config.peer, own.head_seq + 1, own.head_hash, self._written_ms, kind, body
        )
        signed = self._context.pen.sign(record)
        entry = check_record(_Own(), signed, self._context.config.network)
        self._keep(entry)
        self._ledger.add(entry)
        return entry

    def publish(self, now: float, entry: Entry, eager: Collection[PeerId] = ()) -> None:
        """Send a record of this node: to `eager` and two others at once, adverts to the rest."""
        live = self._live()
        if len(live) <= SMALL_MESH:
            pushed = live
        else:
            others = [peer for peer in live if peer not in eager]
            pushed = [peer for peer in live if peer in eager]
            pushed += self._context.doors.rng.sample(others, min(_PUSH, len(others)))
        for peer in pushed:
            self._context.send(peer, Records((entry.signed,)))
        chosen = set(pushed)
        self._advertise(now, entry.hash, [peer for peer in live if peer not in chosen])

    def pass_on(self, to: PeerId, entries: Iterable[Entry]) -> None:
        """Send as many of these records as one message holds, whoever wrote them."""
        self._send_records(to, entries)

    def fetch(self, now: float, sources: Iterable[PeerId], names: Iterable[bytes]) -> None:
        """Get records that some decision needs, by name, from those who know of it."""
        lacked = [name for name in names if name not in self._ledger.chains]
        others = (source for source in sources if source != self._context.me)
        for source in islice(others, limit("fetch_tries_max")):
            self._want(now, source, lacked[: limit("records_per_message_max")])

    def fetch_below(self, now: float, sources: Sequence[PeerId], places: Mapping[PeerId, Base]) -> None:
        """Get records up to these places from who has spoken of them. Of a fork, and of an author that is full, the others
        may hold what no comparison tells of; and whoever has dropped them meanwhile says so."""
        others = [source for source in sources if source != self._context.me]
        chains = self._ledger.chains
        lacked = [(author, to) for author, to in places.items() if chains.path(author, to) is None]
        if not lacked or not others:
            return
        self.fetch(now, others, [to.hash for _, to in lacked])
        author, to = self._context.doors.rng.choice(lacked)
        held = chains.authors.get(author, AuthorChain())
        stretch = FetchRange(author, min(held.head_seq + 1, to.seq), to.seq)
        self._context.send(self._context.doors.rng.choice(others), stretch)

    # -------------------------------------------------------------------------------------- messages

    def on_records(self, now: float, sender: PeerId, message: Records) -> None:
        """Take records; continue a repair that the sender has not finished, as long as something new comes of it."""
        before = self._ledger.chains.vector_hash() if message.more else b""
        for signed in message.records[: limit("records_per_message_max")]:
            self.ingest(now, sender, signed)
        if message.more and self._ledger.chains.vector_hash() != before:
            self._send_digest(sender)

    def ingest(self, now: float, sender: PeerId, signed: bytes) -> Entry | None:
        """Take one record from outside, wherever it was carried; returns it when it is held afterwards."""
        name = body_hash(signed)
        held = self._ledger.chains.get(name)
        if held is not None:
            return held
        try:
            entry = check_record(self._context.crypto, signed, self._context.config.network)
        except StatementError:
            self._context.dropped["bad_record"] += 1
            return None
        if self._ledger.chains.is_closed(entry.author, entry.seq):
            # Whoever still goes by it may be behind by a whole checkpoint.
            self._context.dropped["record_covered"] += 1
            self.on_dropped(sender)
            return None
        if not self._ledger.has_room(entry):
            self._context.dropped["record_without_room"] += 1
            self._ledger.decline(entry)
            return None
        self._keep(entry)
        self._wanted.pop(name, None)
        self._ledger.add(entry)
        if entry.author == self._context.me:
            self._found_own(entry)
        self._want_predecessor(now, sender, entry)
        if isinstance(entry.body, st.SettleCertificate) and self._ledger.is_unknown(entry.body.job):
            self._want(now, sender, [entry.body.job])
        live = self._live()
        if len(live) > SMALL_MESH:
            drawn = self._context.doors.rng.sample(live, min(_RELAY_ADVERTS + 2, len(live)))
            others = [peer for peer in drawn if peer not in (sender, entry.author)]
            self._advertise(now, name, others[:_RELAY_ADVERTS])
        return entry

    def on_advertise(self, now: float, sender: PeerId, message: Advertise) -> None:
        """Fetch what is new."""
        new = [
            name
            for name in message.hashes[: limit("records_per_message_max")]
            if name not in self._ledger.chains
        ]
        self._want(now, sender, new)

    def on_fetch(self, sender: PeerId, message: FetchRecords) -> None:
        """Send the records asked for by hash."""
        held = (self._ledger.chains.get(name) for name in message.hashes[: limit("records_per_message_max")])
        self._send_records(sender, [entry for entry in held if entry is not None])

    def on_fetch_range(self, sender: PeerId, message: FetchRange) -> None:
        """Send a stretch of an author's chain."""
        last = min(message.last, message.first + limit("records_per_message_max") - 1)
        if self._ledger.chains.is_closed(message.author, message.first):
            self.on_dropped(sender)
            return
        entries = list(self._ledger.chains.range(message.author, message.first, last))
        self._send_records(sender, entries, more=last < message.last)

    def on_digest(self, sender: PeerId, message: Digest) -> None:
        """Remember the sender's replica; answer with the version vector when it differs, else that it is equal."""
        self.roots[sender] = message
        own = self._ledger.chains.vector_hash()
        if message.vector_hash != own:
            self._differs(sender, own, message.vector_hash)
            return
        self._differences.pop(sender, None)
        if not message.known:
            self._send_digest(sender)

    def _differs(self, peer: PeerId, own: bytes, theirs: bytes) -> None:
        difference = self._differences.get(peer)
        if difference is None or (difference.own, difference.theirs) != (own, theirs):
            difference = self._differences[peer] = _Difference(own, theirs)
        if difference.worth_a_look():
            self._context.send(peer, Vector(self._ledger.chains.vector()))

    def on_vector(self, now: float, sender: PeerId, message: Vector) -> None:
        """Send what the sender lacks, fetch what this node lacks."""
        theirs = {head.author: head for head in message.heads}
        lacking: list[Entry] = []
        beyond: list[Entry] = []
        for author, held in self._ledger.chains.authors.items():
            head = theirs.get(author)
            if held.base.seq > (head.seq if head is not None else 0):
                self.on_dropped(sender)
                continue
            lacking.extend(_chain_lacked_by(held, head))
            if len(lacking) > limit("records_per_message_max"):
                break
            if len(beyond) <= limit("records_per_message_max"):
                beyond.extend(_extras_lacked_by(held, head))
        self._send_records(sender, [*lacking, *beyond])
        for head in message.heads:
            if 0 <= head.seq <= limit("sequence_max"):
                self._fetch_head(now, sender, head)

    # ---------------------------------------------------------------------------------------- timers

    def fire(self, now: float, key: tuple[Hashable, ...]) -> None:
        """Repair is due, adverts are due, or a fetch went unanswered."""
        if key[1] == "repair":
            self._context.timers.set(key, now + self._context.timing.repair_period_s)
            self._repair()
        elif key[1] == "adverts":
            adverts, self._adverts = self._adverts, {}
            for peer, names in adverts.items():
                self._context.send(peer, Advertise(tuple(names[: limit("records_per_message_max")])))
        elif key[1] == "wanted":
            self._fetch_again(now)

    def _repair(self) -> None:
        live = self._live()
        own = self._ledger.chains.vector_hash()
        differing = [peer for peer in live if peer not in self.roots or self.roots[peer].vector_hash != own]
        if differing:
            self._send_digest(self._context.doors.rng.choice(differing))
        self._want_lacking(live)

    def _want_lacking(self, live: Sequence[PeerId]) -> None:
        """Ask somebody for jobs that are decided and not held: of an author that is full, equal replicas hold different
        records, and no comparison would tell."""
        lacking = self._ledger.lacking()
        if lacking and live:
            rng = self._context.doors.rng
            names = rng.sample(lacking, min(_LACKING_ASKED, len(lacking)))
            self._want(self._context.now, rng.choice(live), names)

    def forget(self, peer: PeerId) -> None:
        """A member is gone: what it said of its replica is of no use any more."""
        self.roots.pop(peer, None)
        self._adverts.pop(peer, None)
        self._differences.pop(peer, None)

    def compare(self, peer: PeerId) -> None:
        """Compare replicas now: a member came (back), or a message leaves for it in any case."""
        self._send_digest(peer)

    # --------------------------------------------------------------------------------------- details

    def _keep(self, entry: Entry) -> None:
        self._context.outbox.write(PutStatement(entry.author, entry.seq, entry.hash, entry.signed))

    def _send_digest(self, peer: PeerId) -> None:
        chains = self._ledger.chains
        own, theirs = chains.vector_hash(), self.roots.get(peer)
        known = theirs is not None and theirs.vector_hash == own
        self._context.send(peer, Digest(own, self._ledger.state_root(), known))

    def _send_records(self, to: PeerId, entries: Iterable[Entry], *, more: bool = False) -> None:
        signed = [entry.signed for entry in entries]
        for portion in islice(portions(signed, len, limit("records_per_message_max")), 1):
            self._context.send(to, Records(portion, more or len(portion) < len(signed)))

    def _advertise(self, now: float, name: bytes, peers: Iterable[PeerId]) -> None:
        for peer in peers:
            self._adverts.setdefault(peer, []).append(name)
        if self._adverts and ("sync", "adverts") not in self._context.timers:
            self._context.timers.set(("sync", "adverts"), now + self._context.timing.advert_delay_s)

    def _want(self, now: float, source: PeerId, names: Iterable[bytes]) -> None:
        ask: list[bytes] = []
        for name in names:
            wanted = self._wanted.get(name)
            if wanted is None:
                if len(self._wanted) >= limit("records_wanted_max"):
                    break
                self._wanted[name] = _Wanted([source])
                ask.append(name)
            elif source not in wanted.sources and len(wanted.sources) < limit("fetch_tries_max"):
                wanted.sources.append(source)
        if ask:
            self._context.send(source, FetchRecords(tuple(ask)))
            if ("sync", "wanted") not in self._context.timers:
                self._context.timers.set(("sync", "wanted"), now + self._context.timing.fetch_retry_s)

    def _fetch_again(self, now: float) -> None:
        by_source: dict[PeerId, list[bytes]] = {}
        for name, wanted in list(self._wanted.items()):
            wanted.tries += 1
            if wanted.tries > limit("fetch_tries_max"):
                del self._wanted[name]
                continue
            by_source.setdefault(wanted.sources[wanted.tries % len(wanted.sources)], []).append(name)
        for source, names in by_source.items():
            self._context.send(source, FetchRecords(tuple(names[: limit("records_per_message_max")])))
        if self._wanted:
            self._context.timers.set(("sync", "wanted"), now + self._context.timing.fetch_retry_s)

    def _want_predecessor(self, now: float, source: PeerId, entry: Entry) -> None:
        """A record that does not link to what is held here: the other side of a fork, fetched by hash."""
        held = self._ledger.chains.authors[entry.author]
        unlinked = entry.hash in held.extras and 1 < entry.seq <= held.head_seq + 1
        if unlinked and entry.head.prev not in self._ledger.chains:
            self._want(now, source, [entry.head.prev])

    def _fetch_head(self, now: float, sender: PeerId, head: Head) -> None:
        held = self._ledger.chains.authors.get(head.author)
        own_seq = held.head_seq if held else 0
        if head.seq > own_seq:
            # Of an author whose next record may have no room, no more than that is worth sending for.
            most = limit("records_per_message_max") if self._ledger.budget.has_room(head.author) else 1
            last = min(head.seq, own_seq + most)
            self._context.send(sender, FetchRange(head.author, own_seq + 1, last))
        elif held is not None and head.seq > held.base.seq and held.hash_at(head.seq) != head.hash:
            self._want(now, sender, [head.hash])
        if held is None or not held.is_full:
            self._want(
                now,
                sender,
                [name for name in head.extras if name not in self._ledger.chains and name != FULL],
            )


def _chain_lacked_by(held: AuthorChain, head: Head | None) -> list[Entry]:
    """Records of one author's chain that a replica with `head` does not hold."""
    first = max(0, head.seq) if head else 0
    extras = set(head.extras) if head else set()
    chain = held.between(
        first + 1, min(held.head_seq, first + limit("records_per_message_max") + len(extras))
    )
    return [entry for entry in chain if entry.hash not in extras]


def _extras_lacked_by(held: AuthorChain, head: Head | None) -> list[Entry]:
    """Records beyond one author's chain that a replica with `head` does not hold, those that show the fork first."""
    first = max(0, head.seq) if head else 0
    extras = set(head.extras) if head else set()
    full, forked = FULL in extras, held.forked_at is not None
    lacking = [
        entry
        for name, entry in held.extras.items()
        # Where an author is full there is room for an earlier fork only.
        if name not in extras and (entry.seq <= first if full else forked or entry.seq > first)
    ]
    return sorted(lacking, key=lambda entry: entry.seq)


class _Own:
    """This node just signed it: the record is read back for its decoded form, not to be checked."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Always true."""
        return True
