"""A node that starts with an old disk is told by its peers, and retires its key before it signs anything."""

from __future__ import annotations

import msgspec
import pytest

from mesh_core.config import limit
from mesh_core.effects import JobOptions, Persist, PutMeta, PutVote, Send, Tick
from mesh_core.identity.statement import peek
from mesh_core.lease import past
from mesh_core.lease.past import Past
from mesh_core.node import Node
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st


def mesh(seed: str, **options: object) -> World:
    """Six providers and an operator that have met."""
    world = World(Setup(seed=seed, appetite=Appetite(2.0, 2.0), **options))  # type: ignore[arg-type]
    world.start()
    world.run_for(1.5)
    return world


def node_of(world: World, name: str) -> Node:
    """The running node of a host."""
    node = world.hosts[name].node
    assert node is not None
    return node


def test_a_start_that_lost_nothing_is_ready_and_keeps_its_key() -> None:
    world = mesh("intact")
    world.submit(OPERATOR, "why?", (0, 1), JobOptions(), "q1")
    world.run_for(1.0)
    for name in world.hosts:
        world.crash(name)
        world.start(name)
        world.run_for(1.5)
        assert node_of(world, name).context.ready
        assert not node_of(world, name).past.retired


def test_a_vote_that_only_the_holder_has_is_missed_by_its_author() -> None:
    world = mesh("vote")
    copies = {name: host.disk.backup() for name, host in world.hosts.items()}
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(0.5)
    job = next(iter(node_of(world, "node1").ledger.open_jobs.values()))
    witness = next(
        host
        for host in world.hosts.values()
        if host.name != OPERATOR and host.peer != job.holder and host.disk.votes
    )
    world.restore(witness.name, copies[witness.name])
    world.run_for(1.5)
    assert "a vote of this key (promise)" in node_of(world, witness.name).past.retired


def test_a_vote_is_missed_however_many_older_ones_the_disk_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "limit", lambda name: 1 if name == "records_per_message_max" else limit(name))
    world = mesh("newest votes")
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(0.5)
    copies = {name: host.disk.backup() for name, host in world.hosts.items()}
    world.submit(OPERATOR, "and?", (1,), JobOptions(), "q2")
    world.run_for(0.5)
    older, newer = (
        {peek(promise, st.Promise).author for promise in job.leases[1][1].body.promises} - {job.holder}
        for job in node_of(world, "node1").ledger.open_jobs.values()
    )
    witness = next(
        host for host in world.hosts.values() if host.name != OPERATOR and host.peer in older & newer
    )
    world.restore(witness.name, copies[witness.name])
    world.run_for(1.5)
    assert "a vote of this key (promise)" in node_of(world, witness.name).past.retired


def test_of_votes_without_end_the_newest_are_told_in_messages_that_fit_a_frame() -> None:
    node = node_of(mesh("votes"), "node1")
    asker = bytes(32)
    votes = [ms.SignedVote("promise", bytes([number % 256]) * 4000) for number in range(2000)]
    told = Past(node.context, node.ledger, node.membership, lambda _peer: votes, lambda: None)
    told.tell(asker, 1)
    sent = [one.message for one in node.context.outbox.take() if isinstance(one, Send) and one.to == asker]
    shown = [vote for answer in sent for vote in answer.votes]  # type: ignore[union-attr]
    assert len(sent) == 8
    assert shown == votes[: len(shown)]
    assert all(len(msgspec.msgpack.encode(answer)) < limit("frame_bytes_target") for answer in sent)


def test_a_lost_record_is_missed_although_it_comes_back_before_the_answers() -> None:
    world = mesh("record")
    copy = world.hosts[OPERATOR].disk.backup()
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(1.0)
    own = next(
        signed
        for (author, _, _), signed in world.hosts["node1"].disk.statements.items()
        if author == world.hosts[OPERATOR].peer
    )
    world.restore(OPERATOR, copy)
    assert world.run_while(lambda: world.hosts[OPERATOR].node is None, 1.0, every_s=0.0005)
    operator = node_of(world, OPERATOR)
    operator.replication.ingest(0.0, world.hosts["node1"].peer, own.signed)
    assert "which the store does not" in operator.past.retired


def test_a_start_under_the_number_of_another_is_told_of_it() -> None:
    world = mesh("same number")
    copy = world.hosts["node1"].disk.backup()
    world.crash("node1")
    world.start("node1")
    world.run_for(1.5)
    node_of(world, "node1").membership.announce(0.0, node_of(world, "node1").membership.announcement)
    world.hosts["node1"].act(node_of(world, "node1").context.outbox.take())
    world.run_for(1.0)
    world.restore("node1", copy)
    world.run_for(3.0)
    assert node_of(world, "node1").context.boot == 2
    assert "a later start of this key" in node_of(world, "node1").past.retired


def test_members_that_have_not_answered_are_asked_again() -> None:
    world = mesh("again")
    queries: list[str] = []

    def listen(host: object, message: ms.Message) -> None:
        if isinstance(message, ms.SelfQuery):
            queries.append(str(host))

    world.crash("node1")
    world.listen(listen)
    world.cut(["node2"], ["node1"])
    world.start("node1")
    world.run_for(1.5)
    assert len(queries) > 6
    assert node_of(world, "node1").context.ready


@pytest.mark.parametrize("again", [False, True])
def test_a_repeated_frame_is_answered_at_most_once_per_second(again: bool) -> None:
    world = mesh("replayed")
    answers: list[ms.Message] = []
    frames: list[bytes] = []

    def tap(sender: bytes, receiver: bytes, frame: bytes) -> None:
        if sender == world.hosts["node2"].peer and receiver == world.hosts["node1"].peer:
            frames.append(frame)

    def listen(_host: object, message: ms.Message) -> None:
        if isinstance(message, ms.SelfAnswer):
            answers.append(message)

    world.tap = tap
    world.run_while(lambda: not frames, 5.0)
    world.listen(listen)
    for _ in range(20):
        world.inject("node1", frames[-1])
    assert len(answers) == 1
    if again:
        world.run_for(1.5)
        world.inject("node1", frames[-1])
        assert len(answers) == 2


def test_a_vote_that_was_signed_a_moment_before_the_key_is_retired_does_not_leave() -> None:
    """One frame may carry a request that is granted and, behind it, what shows that the disk is an old backup."""
    world = mesh("moment")
    node = node_of(world, "node1")
    promise = st.Promise("local", node.peer, bytes(32), 1, node.peer, None, ())
    signed = node.context.pen.vote(promise)
    node.context.send(world.hosts["node2"].peer, ms.Promised(signed))
    node.past.retire("peers know better")
    effects = node.step(node.context.now, Tick())
    writes = [write for effect in effects if isinstance(effect, Persist) for write in effect.writes]
    assert not any(isinstance(write, PutVote) for write in writes)
    assert not any(isinstance(effect, Send) and isinstance(effect.message, ms.Promised) for effect in effects)
    assert any(isinstance(write, PutMeta) for write in writes), "the retirement itself is kept"
