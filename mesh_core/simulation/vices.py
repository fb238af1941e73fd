"""Ways of lying, each a class; a liar has a few of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from random import Random

import msgspec
from msgspec import structs

from mesh_core.blobs.blobs import INLINE_BYTES_MAX
from mesh_core.effects import Effect, Execute, PeerId, Send
from mesh_core.identity.statement import StatementError, digest, encode, peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import make_record
from mesh_core.node import Node
from mesh_core.quorum.committee import members
from mesh_core.simulation.liar import Vice
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.malformed import MALFORMED

_HASH_BYTES = 32
_EPOCHS_AHEAD = 16
_REMEMBERED = 64

_messages: msgspec.msgpack.Decoder[ms.Message] = msgspec.msgpack.Decoder(ms.Message)


def _say(to: PeerId, message: ms.Message) -> Send:
    return Send(to, message, after_disk=False)


def _open_jobs(node: Node) -> list[LedgerJob]:
    return list(node.ledger.open_jobs.values())


# ------------------------------------------------------------------------------------------- as a witness


class VotesForAnything(Vice):
    """Votes for whatever is proposed, whoever proposes it, as often as it is asked, and settles it unlocked."""

    about = "votes for anything"

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Vote, and vote to settle."""
        try:
            match message:
                case ms.AcceptRequest(job=job, epoch=epoch, proposal=proposal):
                    value = peek(proposal, st.Proposal).value
                    vote = st.AcceptVote(self.network, self.me, job, epoch, value)
                    yield _say(sender, ms.Voted(self.signed(vote)))
                case ms.LockRequest(job=job, epoch=epoch, votes=votes) if votes:
                    value = peek(votes[0], st.AcceptVote).value
                case _:
                    return
        except StatementError:
            return
        settled = st.SettleVote(self.network, self.me, job, epoch, value)
        yield _say(sender, ms.Locked(self.signed(settled)))


class PromisesAnything(Vice):
    """Promises every epoch to everybody who asks, and shows nothing that it has accepted."""

    about = "promises anything to anyone"

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Promise."""
        if isinstance(message, ms.PromiseRequest):
            promise = st.Promise(self.network, self.me, message.job, message.epoch, sender, None, ())
            yield _say(sender, ms.Promised(self.signed(promise)))


class HidesWhatItAccepted(Vice):
    """Its promises show no accepted value and no failures."""

    about = "hides what it has accepted"

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Promise anew, with nothing to show."""
        if isinstance(effect, Send) and isinstance(effect.message, ms.Promised):
            promise = structs.replace(peek(effect.message.promise, st.Promise), accepted=None, failures=())
            return (_say(effect.to, ms.Promised(self.signed(promise))),)
        return (effect,)


class PlantsValues(Vice):
    """Its promises show a value that nobody has proposed, as if it had accepted or locked that."""

    about = "shows accepted values that nobody has proposed"
    keeps_waiting = True

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Promise anew, with an invention."""
        if isinstance(effect, Send) and isinstance(effect.message, ms.Promised):
            promise = peek(effect.message.promise, st.Promise)
            epoch, value = max(1, promise.epoch - self.rng.randrange(3)), self._invention()
            vote = self.signed(st.AcceptVote(self.network, self.me, promise.job, epoch, value))
            accepted = st.Accepted(epoch, value, self.rng.choice(((), (vote,) * 6)))
            planted = structs.replace(promise, accepted=accepted)
            return (_say(effect.to, ms.Promised(self.signed(planted))),)
        return (effect,)

    def _invention(self) -> st.Value:
        if self.rng.random() < 0.5:
            return st.Value("cancelled", b"", 0, "planted", self.me, 0)
        price_micro = self.node.membership.announcement.price_micro
        return st.Value("result", self.rng.randbytes(_HASH_BYTES), 100, "", self.me, price_micro)


class RefusesEverything(Vice):
    """Tells every holder that it has promised a higher epoch to somebody else."""

    about = "refuses everything"
    keeps_waiting = True

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Refuse."""
        leases: Iterable[tuple[bytes, int]] = ()
        if isinstance(message, ms.PromiseRequest | ms.AcceptRequest):
            leases = ((message.job, message.epoch),)
        elif isinstance(message, ms.Renew):
            leases = message.leases
        for job, epoch in leases:
            ahead = self.rng.choice((0, 1, _EPOCHS_AHEAD, 1 << 50))
            holder = self.rng.choice([self.me, *self.others()])
            yield _say(sender, ms.Refused(job, epoch, epoch + ahead, holder))


class Garbles(Vice):
    """Its shares, blobs, bids and answers about others' past are nonsense."""

    about = "answers with nonsense"
    keeps_waiting = True

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Put nonsense in."""
        if isinstance(effect, Send):
            return (Send(effect.to, self._garbled(effect.to, effect.message), effect.after_disk),)
        return (effect,)

    def _garbled(self, to: PeerId, message: ms.Message) -> ms.Message:
        rng = self.rng
        match message:
            case ms.ShareRelease():
                sealed = self.node.context.crypto.seal(to, rng.randbytes(17))
                return structs.replace(message, sealed=sealed, whole=rng.random() < 0.5)
            case ms.BlobChunk():
                total = rng.choice((message.total, len(message.data), 1 << 24, 1 << 40))
                return structs.replace(message, data=rng.randbytes(len(message.data)), total=total)
            case ms.JobStored(bid=bid) if bid:
                return structs.replace(message, bid=self.signed(self._nonsense(peek(bid, st.Bid))))
            case ms.SelfAnswer():
                return structs.replace(message, record=rng.randbytes(100))
        return message

    def _nonsense(self, bid: st.Bid) -> st.Bid:
        price_micro = self.rng.choice((-99, 0, 1 << 60))
        load = self.rng.choice((-1.0, math.nan, math.inf))
        return structs.replace(bid, price_micro=price_micro, load=load, expected_ms=-1)


# -------------------------------------------------------------------------------------------- as a holder


class ProposesTwice(Vice):
    """Proposes one value to half of the committee and another to the rest, and leaves out promises that bind it."""

    about = "proposes two values at one epoch"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._second: dict[tuple[bytes, int], bytes] = {}

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Replace the proposal for every second peer."""
        if isinstance(effect, Send) and isinstance(effect.message, ms.AcceptRequest) and effect.to[0] & 1:
            message = effect.message
            key = (message.job, message.epoch)
            if key not in self._second:
                self._second[key] = self.signed(self._another(peek(message.proposal, st.Proposal)))
            promises = tuple(filter(self._shows_nothing, message.promises))
            proposal = self._second[key]
            return (
                _say(effect.to, structs.replace(message, proposal=proposal, promises=promises, result=b"")),
            )
        return (effect,)

    @staticmethod
    def _shows_nothing(promise: bytes) -> bool:
        return peek(promise, st.Promise).accepted is None

    def _another(self, proposal: st.Proposal) -> st.Proposal:
        value = st.Value("cancelled", b"", 0, "second thoughts", self.me, 0)
        if proposal.value == value or self.rng.random() < 0.3:
            value = st.Value("failed", b"", 0, "third thoughts", self.me, 0)
        return structs.replace(proposal, value=value)


class ProposesAnew(Vice):
    """As a holder that must adopt a value it proposes a result of its own instead, and has that locked."""

    about = "proposes a result of its own where it must adopt"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._result = rng.randbytes(_HASH_BYTES)
        self._values: dict[tuple[bytes, int], st.Value] = {}
        self._votes: dict[tuple[bytes, int], dict[PeerId, bytes]] = {}

    def result(self) -> bytes:
        """What it proposes next, nothing when it has nothing to propose."""
        return self._result

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Sign another proposal, the same for everybody."""
        if not isinstance(effect, Send) or not isinstance(effect.message, ms.AcceptRequest):
            return (effect,)
        message, result = effect.message, self.result()
        if not result:
            return (effect,)
        value = self._values.setdefault((message.job, message.epoch), self._value_of(result))
        anew = self.signed(structs.replace(peek(message.proposal, st.Proposal), value=value))
        shown = result if digest(result) == value.result_hash and len(result) <= INLINE_BYTES_MAX else b""
        return (_say(effect.to, structs.replace(message, proposal=anew, result=shown)),)

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Show all votes for it to whoever has voted."""
        if isinstance(message, ms.Voted):
            try:
                vote = peek(message.vote, st.AcceptVote)
            except StatementError:
                return
            if vote.value == self._values.get((vote.job, vote.epoch)):
                votes = self._votes.setdefault((vote.job, vote.epoch), {})
                votes[vote.author] = message.vote
                request = ms.LockRequest(vote.job, vote.epoch, tuple(votes.values()))
                yield from (_say(peer, request) for peer in votes)

    def _value_of(self, result: bytes) -> st.Value:
        price_micro = self.node.membership.announcement.price_micro
        return st.Value("result", digest(result), len(result), "", self.me, price_micro)


class NeverFinishes(Vice):
    """Never executes what it holds, and renews its leases for ever."""

    about = "never executes what it holds"

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Leave out executions."""
        return () if isinstance(effect, Execute) else (effect,)


class Overreaches(Vice):
    """Asks every committee for the next epochs, again and again, whoever holds the job."""

    about = "asks for every lease"

    def idling(self) -> Iterable[Send]:
        """Ask for one."""
        jobs = _open_jobs(self.node)
        if not jobs:
            return
        job = self.rng.choice(jobs)
        records = (job.entry.signed, *(entry.signed for entry in job.awards.values()))
        ballot = self.node.instances.ballot(job.id)
        known = max(job.epoch, ballot.epoch if ballot else 0)
        epoch = known + self.rng.choice((1, 2, _EPOCHS_AHEAD, 1 << 62))
        for peer in members(job.job):
            if peer != self.me:
                yield _say(peer, ms.PromiseRequest(job.id, epoch, records))


# ------------------------------------------------------------------------------------------- with its word


class Equivocates(Vice):
    """Says one thing to one half of the mesh and another to the rest: records, promises, votes and releases."""

    about = "signs two statements for one slot"

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Contradict what is said."""
        if not isinstance(effect, Send):
            return (effect,)
        return tuple(self._contradicted(effect))

    def _contradicted(self, send: Send) -> Iterator[Send]:
        other_half = bool(send.to[0] & 1)
        match send.message:
            case ms.Records(records=records) if other_half:
                yield _say(send.to, structs.replace(send.message, records=tuple(map(self._forked, records))))
            case ms.StoreJob(record=record) if other_half:
                yield _say(send.to, structs.replace(send.message, record=self._forked(record)))
            case ms.Released(release=release) if other_half:
                another = structs.replace(peek(release, st.Release), error="another reason")
                yield _say(send.to, ms.Released(self.signed(another)))
            case ms.Promised(promise=signed):
                yield send
                peer = self.rng.choice([*self.others(), send.to])
                promise = structs.replace(peek(signed, st.Promise), holder=peer, failures=())
                yield _say(peer, ms.Promised(self.signed(promise)))
            case ms.Voted(vote=signed):
                yield send
                value = st.Value("cancelled", b"", 0, "a second vote", self.me, 0)
                vote = structs.replace(peek(signed, st.AcceptVote), value=value)
                yield _say(send.to, ms.Voted(self.signed(vote)))
            case ms.Locked(vote=signed):
                yield send
                value = st.Value("cancelled", b"", 0, "a second vote", self.me, 0)
                settled = structs.replace(peek(signed, st.SettleVote), value=value)
                yield _say(send.to, ms.Locked(self.signed(settled)))
            case _:
                yield send

    def _forked(self, signed: bytes) -> bytes:
        """Another record at the same place of its own chain; others' records as they are."""
        record = peek(signed, st.Record)
        if record.author != self.me:
            return signed
        return self.signed(structs.replace(record, written_ms=record.written_ms + 1))


class Replays(Vice):
    """Repeats what it has heard from others as if it were its own word."""

    about = "repeats old messages of others"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._heard: deque[ms.Message] = deque(maxlen=_REMEMBERED)

    def hearing(self, sender: PeerId, message: ms.Message) -> Iterable[Send]:
        """Remember it."""
        self._heard.append(message)
        return ()

    def idling(self) -> Iterable[Send]:
        """Repeat something to somebody."""
        others = self.others()
        if self._heard and others:
            yield _say(self.rng.choice(others), self.altered(self.rng.choice(self._heard)))

    def altered(self, message: ms.Message) -> ms.Message:
        """What leaves in place of what was heard."""
        return message


class Forges(Replays):
    """Repeats what it has heard with something changed, and publishes certificates and proofs that prove nothing."""

    about = "alters what it passes on, and forges certificates"

    def altered(self, message: ms.Message) -> ms.Message:
        """Change one byte, if it still reads as a message."""
        data = bytearray(encode(message))
        place = self.rng.randrange(len(data))
        data[place] ^= 1 << self.rng.randrange(8)
        try:
            return _messages.decode(bytes(data))
        except MALFORMED:
            return message

    def idling(self) -> Iterable[Send]:
        """Sometimes publish a certificate; else alter what was heard."""
        jobs = _open_jobs(self.node)
        others = self.others()
        if jobs and others and self.rng.random() < 0.3:
            kind, body = self._worthless(self.rng.choice(jobs))
            chain = self.node.ledger.chains.authors.get(self.me)
            seq, prev = (chain.head_seq + 1, chain.head_hash) if chain else (1, bytes(_HASH_BYTES))
            crypto = self.node.context.crypto
            record = make_record(crypto, self.network, self.me, seq, prev, 0, kind, body)
            yield _say(self.rng.choice(others), ms.Records((record,)))
            return
        yield from super().idling()

    def _worthless(self, job: LedgerJob) -> tuple[str, object]:
        value = st.Value("cancelled", b"", 0, "forged", self.me, 0)
        epoch = job.epoch + 1
        promise = self.signed(st.Promise(self.network, self.me, job.id, epoch, self.me, None, ()))
        vote = self.signed(st.AcceptVote(self.network, self.me, job.id, epoch, value))
        again = self.signed(st.AcceptVote(self.network, self.me, job.id, epoch + 1, value))
        return self.rng.choice(
            (
                ("lease", st.LeaseCertificate(job.id, epoch, self.me, (promise,) * 9)),
                ("settle", st.SettleCertificate(job.id, epoch, value, (vote,) * 9)),
                ("equivocation", st.Equivocation("accept", vote, again)),
                ("award", st.Award(job.id, (), (self.me,))),
            )
        )


class Withholds(Vice):
    """Sends some kinds of messages to some members not at all, or now and then."""

    about = "withholds messages"
    keeps_waiting = True

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        self._share = rng.choice((0.3, 0.7, 1.0))
        self._odds = rng.choice((0.2, 0.5, 1.0))
        self._fate: dict[tuple[type, PeerId], bool] = {}

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """Keep it back, perhaps."""
        if not isinstance(effect, Send):
            return (effect,)
        key = (type(effect.message), effect.to)
        if key not in self._fate:
            self._fate[key] = self.rng.random() < self._share
        return () if self._fate[key] and self.rng.random() < self._odds else (effect,)


# ------------------------------------------------------------------------------------------ about the mesh


class AccusesFalsely(Vice):
    """Accuses members that answer it well, of being suspect or dead."""

    about = "accuses live members"

    def idling(self) -> Iterable[Send]:
        """Accuse one, to a few."""
        others = self.others()
        if not others:
            return
        subject = self.node.membership.members[self.rng.choice(others)]
        dead = self.rng.random() < 0.5
        accusation = st.Accusation(self.network, self.me, subject.peer, subject.incarnation, dead)
        gossip = ms.Gossip((ms.Update("accusation", self.signed(accusation)),))
        for peer in self.rng.sample(others, min(3, len(others))):
            yield _say(peer, gossip)


class InventsReplicas(Vice):
    """Tells of records, authors and replicas that do not exist."""

    about = "tells of records that do not exist"

    def idling(self) -> Iterable[Send]:
        """Make something up."""
        rng, others = self.rng, self.others()
        if not others:
            return
        name, root = rng.randbytes(_HASH_BYTES), rng.randbytes(_HASH_BYTES)
        author = rng.choice([self.me, *others, rng.randbytes(_HASH_BYTES)])
        head = ms.Head(author, rng.choice((0, 3, 1 << 40)), name, (root,))
        message: ms.Message = rng.choice(
            (
                ms.Digest(name, root),
                ms.Vector((head,)),
                ms.Advertise((name, root)),
                ms.FetchRange(author, 1, 1 << 50),
                ms.FetchBlob(name, 0),
                ms.Records((), more=True),
            )
        )
        yield _say(rng.choice(others), message)


class Meddles(Vice):
    """Speaks of jobs that are none of its business: cancels, releases and starves them."""

    about = "meddles with others' jobs"

    def idling(self) -> Iterable[Send]:
        """Meddle with one."""
        jobs = _open_jobs(self.node)
        if not jobs:
            return
        rng, job = self.rng, self.rng.choice(jobs)
        epoch = max(1, job.epoch + rng.randrange(2))
        release = st.Release(self.network, self.me, job.id, epoch, rng.choice(("", "it failed")))
        message: ms.Message = rng.choice(
            (
                ms.CancelRequest(self.signed(st.Cancel(self.network, self.me, job.id, "no reason"))),
                ms.Released(self.signed(release)),
                ms.Renew(((job.id, epoch),)),
                ms.Streamed(job.id, epoch, 1, "\x1b[31mnot a token"),
                ms.JobStored(job.id, b"", "refused"),
                ms.ShareRequest(job.id, epoch, job.entry.signed),
            )
        )
        for peer in members(job.job):
            if peer != self.me:
                yield _say(peer, message)


VICES: dict[str, type[Vice]] = {
    "votes": VotesForAnything,
    "promises": PromisesAnything,
    "hides": HidesWhatItAccepted,
    "plants": PlantsValues,
    "refuses": RefusesEverything,
    "garbles": Garbles,
    "proposes": ProposesTwice,
    "usurps": ProposesAnew,
    "hangs": NeverFinishes,
    "overreaches": Overreaches,
    "equivocates": Equivocates,
    "replays": Replays,
    "forges": Forges,
    "withholds": Withholds,
    "accuses": AccusesFalsely,
    "invents": InventsReplicas,
    "meddles": Meddles,
}
"""Every vice by its name."""
