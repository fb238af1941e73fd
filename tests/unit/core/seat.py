"""One node with a seat in one job's committee: hand it messages, read what it sends and writes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mesh_core.config import FAST
from mesh_core.effects import (
    DropPromises,
    Effect,
    FrameReceived,
    Notify,
    Persist,
    PutStatement,
    PutVote,
    Send,
    Stored,
    Tick,
)
from mesh_core.identity.statement import SIGNATURE_BYTES, digest
from mesh_core.ledger.job import LedgerJob
from mesh_core.ledger.record import Entry
from mesh_core.node import Doors, Node, NodeConfig
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.codec import FrameCodec
from tests.unit.core.people import NETWORK, People, Person

RESULT = b"result"


class Statements:
    """What people sign about one job."""

    def __init__(self, job: bytes) -> None:
        self.job = job

    def result(self, holder: Person, result: bytes = RESULT) -> st.Value:
        """A result of somebody of whom no price is known."""
        return st.Value("result", digest(result), len(result), "", holder.peer, 0)

    def ending(self, holder: Person, outcome: str = "cancelled", reason: str = "why") -> st.Value:
        """A value that ends the job without a result."""
        return st.Value(outcome, b"", 0, reason, holder.peer, 0)

    def promise(
        self,
        author: Person,
        holder: Person,
        epoch: int = 1,
        shown: st.Accepted | None = None,
        failures: tuple[bytes, ...] = (),
    ) -> bytes:
        """A promise."""
        return author.sign(st.Promise(NETWORK, author.peer, self.job, epoch, holder.peer, shown, failures))

    def promises(
        self, authors: Sequence[Person], holder: Person, epoch: int = 1, shown: st.Accepted | None = None
    ) -> tuple[bytes, ...]:
        """A promise of each, the first of which shows `shown`."""
        first, *others = authors
        rest = (self.promise(author, holder, epoch) for author in others)
        return (self.promise(first, holder, epoch, shown), *rest)

    def accept(self, author: Person, value: st.Value, epoch: int = 1) -> bytes:
        """An accept vote."""
        return author.sign(st.AcceptVote(NETWORK, author.peer, self.job, epoch, value))

    def padded(self, author: Person, value: st.Value, epoch: int = 1) -> bytes:
        """An accept vote with 64 KiB behind it, in a field that honest decoders read over; well signed."""
        vote = self.accept(author, value, epoch)
        body = bytes([vote[0] + 1]) + vote[1:-SIGNATURE_BYTES] + b"\xc5\xff\xff" + bytes(0xFFFF)
        return body + author.crypto.sign(b"whisper:accept\0" + body)

    def settle(self, author: Person, value: st.Value, epoch: int = 1) -> bytes:
        """A settle vote."""
        return author.sign(st.SettleVote(NETWORK, author.peer, self.job, epoch, value))

    def lock(self, authors: Sequence[Person], value: st.Value, epoch: int = 1) -> st.Accepted:
        """A value with its accept certificate."""
        return st.Accepted(epoch, value, tuple(self.accept(author, value, epoch) for author in authors))

    def failure(self, author: Person, epoch: int = 1, error: str = "out of memory") -> bytes:
        """A release with an error."""
        return author.sign(st.Release(NETWORK, author.peer, self.job, epoch, error))

    def request(
        self,
        holder: Person,
        value: st.Value,
        promises: tuple[bytes, ...],
        epoch: int = 1,
        result: bytes = RESULT,
    ) -> ms.AcceptRequest:
        """An accept request."""
        proposal = holder.sign(st.Proposal(NETWORK, holder.peer, self.job, epoch, value))
        return ms.AcceptRequest(self.job, epoch, proposal, promises, result)


class Seat:
    """The node of `me`, which is ready and knows a job of the submitter.

    Time stands still unless it is moved. `written` is everything it wrote, `told` the kinds of what it reported,
    `let_go` which promises it dropped; `answer` is a vote of its own that a peer shows it when it starts. It claims no
    job unless it `executes`.
    """

    def __init__(
        self,
        people: People,
        me: Person,
        entry: Entry,
        *,
        executes: bool = False,
        written: Sequence[PutVote] = (),
        records: Sequence[PutStatement] = (),
        answer: tuple[Person, ms.SignedVote] | None = None,
    ) -> None:
        self.people = people
        self.me = me
        self.now = 10.0
        self.written: list[PutVote] = []
        self.told: list[str] = []
        self.records: list[PutStatement] = []
        self._executes = executes
        self.let_go: list[DropPromises] = []
        self._codecs: dict[bytes, FrameCodec] = {}
        announcement = st.Announcement(me.name, "provider", ("answer",), 0, (), (), "")
        config = NodeConfig(NETWORK, me.peer, FAST, announcement, executes, {people.submitter.peer: 10**9})
        stored = Stored(votes=list(written))
        stored.statements += [PutStatement(entry.author, entry.seq, entry.hash, entry.signed), *records]
        self.node = Node(config, Doors(me.crypto, Random(1), lambda: 0), stored, 1)
        self._carry_out(self.node.start(self.now))
        if answer is not None:
            peer, vote = answer
            self.tell(peer, ms.SelfAnswer(1, b"", (vote,), b""))
        self.wait(3.0)
        self.job: LedgerJob = self.node.ledger.jobs[entry.hash]
        self.says = Statements(entry.hash)

    def tell(self, sender: Person, *messages: ms.Message) -> list[ms.Message]:
        """What is answered to `sender` when messages of it arrive."""
        return [one.message for one in self.hear(sender, *messages) if one.to == sender.peer]

    def hear(self, sender: Person, *messages: ms.Message) -> list[Send]:
        """What is sent to anybody when messages of `sender` arrive."""
        codec = self._codecs.setdefault(
            sender.peer, FrameCodec(me=sender.peer, network=NETWORK, boot=1, crypto=sender.crypto)
        )
        frame, _ = codec.seal(self.me.peer, messages)
        return self._carry_out(self.node.step(self.now, FrameReceived(frame)))

    def wait(self, seconds: float) -> list[Send]:
        """What is sent while time passes."""
        sent: list[Send] = []
        end = self.now + seconds
        while (deadline := self.node.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            sent += self._carry_out(self.node.step(self.now, Tick()))
        self.now = end
        return sent

    def hold(self, record: Entry) -> None:
        """A record comes to the ledger."""
        self.records.append(PutStatement(record.author, record.seq, record.hash, record.signed))
        self.node.context.now = self.now
        self.node.ledger.add(record)
        self._carry_out(self.node.step(self.now, Tick()))

    def candidates(self) -> list[bytes]:
        """Who may run the job, first to last, as the witness sees it."""
        return self.node.witness._succession.order(self.job, self.node.instances[self.job.id].ballot.failed)

    def dropped(self, cause: str) -> int:
        """How often something was dropped for this cause."""
        return self.node.context.dropped[cause]

    def restarted(self) -> Seat:
        """The same participant after a crash, in another order of what it wrote."""
        return Seat(
            self.people,
            self.me,
            self.job.entry,
            executes=self._executes,
            written=self.written[::-1],
            records=self.records,
        )

    def _carry_out(self, effects: Sequence[Effect]) -> list[Send]:
        for effect in effects:
            if isinstance(effect, Persist):
                self.written += [write for write in effect.writes if isinstance(write, PutVote)]
                self.records += [write for write in effect.writes if isinstance(write, PutStatement)]
                self.let_go += [write for write in effect.writes if isinstance(write, DropPromises)]
            elif isinstance(effect, Notify):
                self.told.append(effect.kind)
        return [effect for effect in effects if isinstance(effect, Send)]
