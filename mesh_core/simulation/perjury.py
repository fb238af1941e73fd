"""Ways in which an elector lies about old records; each is a vice."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from msgspec import structs

from mesh_core.checkpoint.snapshot import Cut
from mesh_core.config import limit
from mesh_core.effects import Effect, PeerId, Send
from mesh_core.identity.statement import digest, encode
from mesh_core.ledger.chain import AuthorChain, Base
from mesh_core.ledger.record import make_record, read_record
from mesh_core.node import Node
from mesh_core.simulation.liar import Vice
from mesh_core.simulation.vices import ProposesAnew
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

_HASH_BYTES = 32
_SELDOM = 0.1
_HARDLY_EVER = 0.01
_ABSURD = (0, 1 << 31, 1 << 50, (1 << 53) - 1, 1 << 62)


class _Perjurer(Vice):
    """Votes as an elector, in records of its own chain."""

    def vote(self, body: st.Checkpoint) -> Iterable[Send]:
        """Append a vote: to its own replica, which sends it on."""
        if self.node.context.ready:
            self.node.replication.append(self.node.context.now, "checkpoint", body)
        return ()

    def finding(self) -> st.Finding:
        """Something that is not so."""
        rng, checkpoints = self.rng, self.node.checkpoints
        names = [rng.randbytes(_HASH_BYTES) for _ in range(3)]
        return st.Finding(names[0], names[1], names[2], checkpoints.electors)

    def body(self, finding: st.Finding) -> st.Checkpoint:
        """A vote on the height that is being decided, in a round near the first."""
        height = self.node.checkpoints.height + 1
        return st.Checkpoint(height, self.rng.randrange(3), self.rng.random() < 0.5, finding)


class CallsBlobsCuts(_Perjurer):
    """Calls others' payloads and results cuts, so that they be dropped as such."""

    about = "calls blobs cuts"

    def idling(self) -> Iterable[Send]:
        """Name one."""
        jobs = [*self.node.ledger.jobs.values()]
        if jobs and self.rng.random() < _SELDOM:
            job = self.rng.choice(jobs)
            blob = job.value.result_hash if job.value is not None else job.job.payload_hash
            yield from self.vote(self.body(structs.replace(self.finding(), cut=blob)))


class NamesAbsurdNumbers(_Perjurer):
    """Votes on heights and in rounds that nobody comes to."""

    about = "votes on absurd heights and rounds"

    def idling(self) -> Iterable[Send]:
        """Make one up."""
        if self.rng.random() < _SELDOM:
            body = self.body(self.finding())
            height = self.rng.choice((body.height, *_ABSURD))
            yield from self.vote(structs.replace(body, height=height, round=self.rng.choice(_ABSURD)))


class VotesTwice(_Perjurer):
    """Prevotes for and precommits everything that anybody proposes, and something else to half of the mesh."""

    about = "votes for two findings in one round"

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Agree."""
        if isinstance(message, ms.Records) and self.rng.random() < 0.5:
            for signed in message.records:
                entry = read_record(signed)
                if isinstance(entry.body, st.Checkpoint) and entry.author != self.me:
                    yield from self.vote(entry.body)
                    yield from self.vote(structs.replace(entry.body, precommit=True))

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Say something else to every second peer, at the same place of its chain."""
        if isinstance(effect, Send) and isinstance(effect.message, ms.Records) and effect.to[0] & 1:
            records = tuple(map(self._other, effect.message.records))
            return (Send(effect.to, structs.replace(effect.message, records=records), after_disk=False),)
        return (effect,)

    def _other(self, signed: bytes) -> bytes:
        entry = read_record(signed)
        if entry.author != self.me or not isinstance(entry.body, st.Checkpoint):
            return signed
        other = structs.replace(entry.body, finding=self.finding())
        place = (entry.seq, entry.head.prev, entry.head.written_ms, "checkpoint", other)
        return make_record(self.node.context.crypto, self.network, self.me, *place)


class ProposesBadCuts(_Perjurer):
    """Proposes cuts that are true but not welcome: everything at once, next to nothing, all but what one has written, with
    friends as electors or as submitters to be trusted."""

    about = "proposes cuts that are true and do harm"

    def idling(self) -> Iterable[Send]:
        """Make one."""
        node, rng = self.node, self.rng
        if rng.random() >= _SELDOM or not node.context.ready:
            return
        bases: dict[PeerId, Base] = {}
        share = rng.choice((0.1, 1.0))
        left_out = rng.choice((None, *node.ledger.chains.authors))
        for author, held in node.ledger.chains.authors.items():
            seq = held.base.seq + int(share * len(held.chain)) * (author != left_out)
            name = held.hash_at(seq)
            if name is not None:
                bases[author] = Base(seq, name)
        friends = [rng.randbytes(_HASH_BYTES) for _ in range(3)]
        trusted = rng.choice(([], friends, [self.me], list(node.config.credit)))
        cut = Cut.of(bases, trusted)
        found = node.checkpoints.findings.compute(cut)
        if found is not None:
            node.blobs.put(encode(cut))
            electors = tuple(sorted(rng.choice(([*friends, self.me], node.checkpoints.electors))))
            finding = st.Finding(digest(encode(cut)), digest(found.data), found.snapshot.state_root, electors)
            yield from self.vote(self.body(finding))


class NamesJunk(_Perjurer):
    """Gives bytes without meaning the name of cuts, small ones and ones that are larger than a cut may be, and true cuts of
    authors that nobody knows; several in one round, and some in votes that are too large for a proof."""

    about = "calls junk cuts, again and again"

    def idling(self) -> Iterable[Send]:
        """Make some."""
        if self.rng.random() >= _SELDOM or not self.node.context.ready:
            return
        first = self.body(self.finding())
        for _ in range(self.rng.choice((1, 3))):
            cut = self.node.blobs.put(self._junk())
            electors = self.rng.choice((first.finding.electors, (self.rng.randbytes(3_000),)))
            finding = structs.replace(self.finding(), cut=cut, electors=electors)
            yield from self.vote(structs.replace(first, finding=finding))

    def _junk(self) -> bytes:
        if self.rng.random() < 0.3:
            unknown = {self.rng.randbytes(_HASH_BYTES): Base(1, bytes(_HASH_BYTES)) for _ in range(200)}
            return encode(Cut.of(unknown))
        return self.rng.randbytes(self.rng.choice((100, 20_000, limit("cut_bytes_max") + 1)))


class WithholdsSnapshots(_Perjurer):
    """Offers snapshots to whoever lacks records, and then gives none, or another."""

    about = "withholds and alters snapshots"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._alters = rng.random() < 0.5

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Keep what it has for itself."""
        if isinstance(effect, Send) and isinstance(effect.message, ms.BlobChunk):
            message = effect.message
            if not self._alters:
                return ()
            altered = structs.replace(message, data=self.rng.randbytes(len(message.data)))
            return (Send(effect.to, altered, after_disk=False),)
        return (effect,)


class InventsTruncation(_Perjurer):
    """Tells everybody that what they lack is dropped, with checkpoints that nobody has decided."""

    about = "invents checkpoints for who was away"

    def idling(self) -> Iterable[Send]:
        """Invent one."""
        if self.rng.random() >= _SELDOM:
            return
        height = self.node.checkpoints.height + self.rng.choice((1, 2, 1000))
        body = st.Checkpoint(height, 0, True, self.finding())
        place = (AuthorChain().head_seq + 1, bytes(_HASH_BYTES), 0, "checkpoint", body)
        own = make_record(self.node.context.crypto, self.network, self.me, *place)
        for peer in self.others():
            yield Send(peer, ms.Truncated((own,) * self.rng.choice((1, 4)), ((own,),)), after_disk=False)


class PoisonsCertificates(_Perjurer):
    """Shows what is decided, with a record of its own between the votes."""

    about = "puts foreign records into certificates"

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Put one in."""
        if not isinstance(effect, Send) or not isinstance(effect.message, ms.Truncated | ms.Prevoted):
            return (effect,)
        votes = list(effect.message.checkpoints)
        place = (AuthorChain().head_seq + 1, bytes(_HASH_BYTES), 0, "note", "x")
        foreign = make_record(self.node.context.crypto, self.network, self.me, *place)
        votes.insert(self.rng.randrange(len(votes) + 1), foreign)
        poisoned = structs.replace(effect.message, checkpoints=tuple(votes))
        return (Send(effect.to, poisoned, after_disk=False),)


class ForksItsChain(_Perjurer):
    """Signs something else in the place of the first of its jobs, so that nothing that it has written since belongs to
    its chain: its jobs, on which others have worked, and its own work."""

    about = "forks its chain below what others have to do with"

    def idling(self) -> Iterable[Send]:
        """Show it to everybody."""
        chain = self.node.ledger.chains.authors.get(self.me)
        jobs = (
            [entry.seq for entry in chain.chain if isinstance(entry.body, st.Job)]
            if chain is not None
            else []
        )
        if chain is None or not jobs or self.rng.random() >= _HARDLY_EVER:
            return
        seq = jobs[0]
        prev = chain.hash_at(seq - 1) or bytes(_HASH_BYTES)
        place = (seq, prev, 0, "note", self.rng.randrange(1 << 30))
        forged = make_record(self.node.context.crypto, self.network, self.me, *place)
        for peer in self.others():
            yield Send(peer, ms.Records((forged,)), after_disk=False)


class LeavesAGap(_Perjurer):
    """Shows one of its votes to nobody, so that whatever it writes stands behind a gap from then on."""

    about = "keeps one record to itself, so that the others stand behind a gap"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._hidden: set[bytes] = set()

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Keep it back."""
        if not isinstance(effect, Send) or not isinstance(effect.message, ms.Records):
            return (effect,)
        shown = tuple(signed for signed in effect.message.records if not self._is_hidden(signed))
        return (
            Send(effect.to, structs.replace(effect.message, records=shown), after_disk=effect.after_disk),
        )

    def _is_hidden(self, signed: bytes) -> bool:
        entry = read_record(signed)
        if not self._hidden and entry.author == self.me and isinstance(entry.body, st.Checkpoint):
            self._hidden.add(entry.hash)
        return entry.hash in self._hidden


class ProposesTheSnapshot(ProposesAnew):
    """As a holder it gives its result the name of the snapshot that all go on from, and has that locked: they have it now,
    and whoever finishes the job needs it later."""

    about = "has old snapshots locked as results"

    def result(self) -> bytes:
        """The newest."""
        return self.node.blobs.get(self.node.checkpoints.base) or b""


PERJURIES: dict[str, type[Vice]] = {
    "calls_cuts": CallsBlobsCuts,
    "absurd": NamesAbsurdNumbers,
    "votes_twice": VotesTwice,
    "bad_cuts": ProposesBadCuts,
    "withholds_snapshots": WithholdsSnapshots,
    "invents_truncation": InventsTruncation,
    "names_junk": NamesJunk,
    "poisons_certificates": PoisonsCertificates,
    "forks_its_chain": ForksItsChain,
    "leaves_a_gap": LeavesAGap,
    "proposes_the_snapshot": ProposesTheSnapshot,
}
"""Every one of them by its name."""
