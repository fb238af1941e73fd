"""A node's own past: what peers hold of a key and its store does not, retires the key; until then nothing is signed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mesh_core.effects import Effect, JobOptions, Notify, Persist, PutStatement, PutVote, StopExecution
from mesh_core.ledger.record import FIRST_PREV, make_record
from mesh_core.node import Node, Refusal
from mesh_core.simulation.host import Host
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import Seat


def seat_of(people: People, me: Person | None = None, written: Sequence[PutVote] = ()) -> Seat:
    """A provider that has just become ready, with a job it knows."""
    return Seat(
        people, me or people.providers[0], people.submitter.record("job", people.job()), written=written
    )


def answer(
    record: bytes = b"", votes: tuple[ms.SignedVote, ...] = (), alive: bytes = b"", boot: int = 1
) -> ms.SelfAnswer:
    """What a peer says it has seen of the first start of somebody."""
    return ms.SelfAnswer(1, boot, record, votes, alive)


def retired(seat: Seat) -> bool:
    """Whether the node has given up its key, and signs nothing more; else it promises its submitter an end."""
    submitter = seat.people.submitter
    wish = submitter.sign(st.Cancel(NETWORK, submitter.peer, seat.job.id, "why not"))
    asked = ms.PromiseRequest(seat.job.id, 9, (seat.job.entry.signed,))
    before = len(seat.written)
    seat.wait(5.0)
    seat.tell(submitter, ms.CancelRequest(wish), asked)
    gave_up = bool(seat.node.past.retired)
    assert gave_up != seat.node.context.ready
    assert (len(seat.written) == before) == gave_up
    return gave_up


def test_a_key_whose_past_is_in_its_store_stays_in_use() -> None:
    people = People()
    seat = seat_of(people)
    seat.tell(people.providers[1], answer())
    assert not retired(seat)


def test_a_record_that_the_store_has_lost_retires_the_key() -> None:
    people = People()
    seat = seat_of(people)
    seat.tell(people.providers[1], answer(record=people.providers[0].record("note", "lost").signed))
    assert retired(seat)


@pytest.mark.parametrize("phase", ["promise", "propose", "accept", "settle"])
def test_a_vote_that_the_store_has_lost_retires_the_key(phase: str) -> None:
    people = People()
    me, holder = people.providers[:2]
    seat = seat_of(people, me)
    value = seat.says.result(holder)
    signed = {
        "promise": seat.says.promise(me, holder),
        "propose": me.sign(st.Proposal(NETWORK, me.peer, seat.job.id, 1, value)),
        "accept": seat.says.accept(me, value),
        "settle": seat.says.settle(me, value),
    }[phase]
    seat.tell(holder, answer(votes=(ms.SignedVote(phase, signed),)))
    assert retired(seat)


def test_a_vote_that_the_store_holds_is_no_surprise() -> None:
    people = People()
    me, holder = people.providers[:2]
    signed = seat_of(people).says.promise(me, holder)
    people = People()
    entry = people.submitter.record("job", people.job())
    seat = Seat(people, people.providers[0], entry, written=[PutVote(entry.hash, 1, "promise", signed)])
    seat.tell(people.providers[1], answer(votes=(ms.SignedVote("promise", signed),)))
    assert not retired(seat)


def test_nobody_elses_vote_retires_a_key() -> None:
    people = People()
    seat = seat_of(people)
    other, holder = people.providers[2], people.providers[1]
    seat.tell(holder, answer(votes=(ms.SignedVote("promise", seat.says.promise(other, holder)),)))
    assert not retired(seat)


def test_a_vote_of_a_job_that_is_decided_here_means_nothing() -> None:
    people = People()
    seat = seat_of(people)
    me, holder = people.providers[:2]
    certificate = people.settlement(seat.job.id, people.value(holder), people.providers[:4])
    seat.hold(people.submitter.record("settle", certificate))
    signed = seat.says.promise(me, holder)
    seat.tell(holder, answer(votes=(ms.SignedVote("promise", signed),)))
    assert not seat.node.past.retired


def test_a_vote_of_a_job_that_comes_later_is_judged_then() -> None:
    people = People()
    seat = seat_of(people)
    me, holder = people.providers[:2]
    job = people.submitter.record("job", people.job(label="q1.2"))
    vote = me.sign(st.Promise(NETWORK, me.peer, job.hash, 1, holder.peer, None, ()))
    seat.tell(holder, answer(votes=(ms.SignedVote("promise", vote),)))
    assert not seat.node.past.retired
    seat.hold(job)
    assert retired(seat)


def test_a_member_that_turns_up_once_the_node_is_ready_is_asked_too() -> None:
    world = World(Setup(seed="late", providers=3))
    world.start("node1", "node2")
    world.run_for(3.0)
    node = running(world, "node1")
    assert node.context.ready
    asked: list[bytes] = []
    world.listen(
        lambda host, message: (
            asked.append(host.peer) if isinstance(message, ms.SelfQuery) and host.name == "node1" else None
        )
    )
    world.start("node3")
    world.run_for(3.0)
    assert len(asked) == 1


# ------------------------------------------------------------------------------------------- in a mesh


def running(world: World, name: str) -> Node:
    """The node of a host that is up."""
    node = world.hosts[name].node
    assert node is not None
    return node


class Ear:
    """Hears what one host signs and reports."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.signed: list[tuple[str, bool]] = []
        self.ready = False

    def writing(self, host: Host, writes: Sequence[object]) -> None:
        """Every own statement, and whether the node was ready when it signed it."""
        if host.name != self.name or host.node is None:
            return
        for write in writes:
            if isinstance(write, PutVote) or (isinstance(write, PutStatement) and write.author == host.peer):
                self.signed.append((type(write).__name__, host.node.context.ready))

    def durable(self, host: Host, writes: Sequence[object]) -> None:
        """Nothing to hear."""

    def notified(self, host: Host, notify: Notify) -> None:
        """Whether the node has said that it is ready."""
        self.ready = self.ready or (host.name == self.name and notify.kind == "ready")


def test_an_old_backup_is_noticed_though_its_start_has_the_same_number_as_another() -> None:
    world = World(Setup(seed="backup", appetite=Appetite(0.2, 0.2)))
    world.start()
    world.run_for(2.0)
    old = world.hosts["node1"].disk.backup()
    world.crash("node1")
    world.run_for(0.3)
    world.start("node1")
    world.run_for(2.0)
    world.submit("node1", "why?", [1], JobOptions(), "q1")
    world.run_for(2.0)
    world.restore("node1", old)
    world.run_for(4.0)
    assert "record" in running(world, "node1").past.retired


@pytest.mark.parametrize("restarts", [2, 3])
def test_an_old_backup_is_noticed_however_many_starts_have_been_since(restarts: int) -> None:
    world = World(Setup(seed="backup", appetite=Appetite(0.2, 0.2)))
    world.start()
    world.run_for(2.0)
    old = world.hosts["node1"].disk.backup()
    world.submit(OPERATOR, "why?", [1, 2, 3], JobOptions(), "q1")
    world.run_for(3.0)
    for _ in range(restarts):
        world.crash("node1")
        world.run_for(0.3)
        world.start("node1")
        world.run_for(2.0)
    world.restore("node1", old)
    world.run_for(4.0)
    assert running(world, "node1").past.retired


def test_a_retired_key_signs_nothing_though_it_runs_and_is_asked() -> None:
    world = World(Setup(seed="retired", appetite=Appetite(1.0, 1.0)))
    ear = Ear("node1")
    world.watch(ear)
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1, 2, 3, 4, 5, 6], JobOptions(), "q1")
    world.run_for(0.5)
    names = [host.name for host in world.live() if host.node and host.node.holder.claims]
    name = ear.name = next(name for name in names if name != OPERATOR)
    node, host = running(world, name), world.hosts[name]
    node.past.retire("for a test")
    effects = node.context.outbox.take()
    assert not node.holder.claims
    assert any(isinstance(effect, StopExecution) for effect in effects)
    host.act(effects)
    ear.signed.clear()
    world.submit(OPERATOR, "why?", [1, 2, 3], JobOptions(), "q2")
    world.run_for(3.0)
    world.crash(name)
    world.run_for(0.2)
    world.start(name)
    world.run_for(10.0)
    assert ear.signed == []
    again = running(world, name)
    assert "for a test" in again.past.retired
    with pytest.raises(Refusal, match="retired"):
        world.submit(name, "why?", [1], JobOptions(), "q3")
    assert all(job.final for job in running(world, OPERATOR).ledger.jobs.values())


def test_a_question_goes_on_after_a_restart_only_once_its_node_is_ready() -> None:
    world = World(Setup(seed="early", appetite=Appetite(0.3, 0.3)))
    ear = Ear(OPERATOR)
    world.watch(ear)
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q1")
    world.run_for(0.2)
    world.crash(OPERATOR)
    world.run_for(3.0)
    ear.signed.clear()
    world.start(OPERATOR)
    world.run_for(4.0)
    assert ear.signed and all(ready for _, ready in ear.signed)
    assert all(query.finished for query in running(world, OPERATOR).queries.queries.values())


def test_a_node_that_is_not_ready_takes_nothing_in() -> None:
    people = People()
    seat = seat_of(people)
    seat.node.context.pen.close()
    assert not seat.tell(people.submitter, ms.StoreJob(seat.job.entry.signed, b"payload"))
    assert seat.job.job.payload_hash not in seat.node.blobs
    assert seat.dropped("not_ready") == 1


def test_an_award_that_came_before_the_node_was_ready_is_acted_on_then() -> None:
    people = People()
    entry = people.submitter.record("job", people.job(auction_ms=60_000))
    me = people.providers[0]
    seat = Seat(people, me, entry, executes=True)
    node = seat.node
    node.context.pen.close()
    bid = me.sign(st.Bid(NETWORK, me.peer, entry.hash, 0, 0.0, 0, ""))
    seat.hold(people.submitter.record("award", st.Award(entry.hash, (bid,), (me.peer,))))
    assert not any(isinstance(one.message, ms.PromiseRequest) for one in seat.wait(3.0))
    assert not seat.written
    node.context.pen.open()
    node._on_ready(seat.now)
    sent = node.context.outbox.take()
    assert [write.phase for write in writes_of(sent)] == ["promise"]
    assert entry.hash in node.holder.claims


def test_a_contradiction_that_came_before_the_node_was_ready_is_proven_then() -> None:
    people = People()
    seat = seat_of(people)
    node = seat.node
    node.context.pen.close()
    forger = people.providers[3]
    for tell in ("one", "other"):
        seat.hold(forger.record("note", tell, seq=1, prev=FIRST_PREV))
    assert node.ledger.equivocators and not node.ledger.proofs
    node.context.pen.open()
    node._on_ready(seat.now)
    assert set(node.ledger.proofs) == {forger.peer}


def writes_of(effects: Sequence[Effect]) -> list[PutVote]:
    """The votes among effects."""
    persists = [effect for effect in effects if isinstance(effect, Persist)]
    return [write for effect in persists for write in effect.writes if isinstance(write, PutVote)]


def test_a_node_that_finds_its_key_lost_while_it_answers_stops_in_the_middle() -> None:
    people = People()
    seat = seat_of(people)
    me, submitter = people.providers[0], people.submitter
    lost = make_record(me.crypto, NETWORK, me.peer, 1, FIRST_PREV, 0, "note", "lost")
    wish = submitter.sign(st.Cancel(NETWORK, submitter.peer, seat.job.id, "why not"))
    asked = ms.PromiseRequest(seat.job.id, 1, (lost,))
    sent = seat.tell(submitter, ms.CancelRequest(wish), asked)
    assert seat.node.past.retired
    assert not any(isinstance(message, ms.Promised) for message in sent)
    assert not seat.written
