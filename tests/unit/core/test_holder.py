"""What a lease holder does in the cases that stories and seeds seldom meet."""

from __future__ import annotations

from mesh_core.config import limit
from mesh_core.effects import JobOptions
from mesh_core.identity.statement import peek
from mesh_core.ledger.job import LedgerJob
from mesh_core.market.desk import StorePayload
from mesh_core.node import Node
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People
from tests.unit.core.seat import Seat

NOBODY = b"n" * 32


def node_of(world: World, name: str) -> Node:
    """The running node of a host."""
    node = world.hosts[name].node
    assert node is not None
    return node


def accepted_by_the_operator_only(world: World) -> tuple[LedgerJob, str]:
    """A job whose holder reached nobody but the operator with its result; and the holder's name, which is dead now."""
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q1")
    world.run_for(0.3)
    operator = node_of(world, OPERATOR)
    job = next(iter(operator.ledger.jobs.values()))
    assert job.holder is not None
    holder = world.by_peer[job.holder].name
    world.cut([holder], [name for name in world.hosts if name not in (holder, OPERATOR)])
    world.run_while(lambda: not operator.context.pen.highest(job.id, st.AcceptVote), 5.0)
    world.kill(holder)
    return job, holder


def test_a_rescuer_adopts_a_result_although_many_other_blobs_never_come() -> None:
    world = World(Setup(seed="adopt", providers=3, appetite=Appetite(0.5, 0.5)))
    job, holder = accepted_by_the_operator_only(world)
    for host in world.live():
        for number in range(2 * limit("fetches_max")):
            name = number.to_bytes(32)
            node_of(world, host.name).blobs.want(world.now, name, [NOBODY], StorePayload(name))
    world.run_while(lambda: not job.final, 20.0)
    assert job.value is not None and job.value.holder == world.hosts[holder].peer
    assert job.rescued
    assert world.now < 10.0


def test_a_rescuer_lets_go_when_the_result_to_adopt_is_lost_and_the_job_is_run_again() -> None:
    world = World(Setup(seed="adopt", providers=4, appetite=Appetite(0.5, 0.5)))
    job, holder = accepted_by_the_operator_only(world)
    providers = [name for name in world.hosts if name not in (holder, OPERATOR)]
    world.run_while(
        lambda: not any(job.id in node_of(world, name).instances.claims for name in providers), 5.0, 0.002
    )
    world.run_while(
        lambda: all(
            claim.lease is None
            for name in providers
            for claim in node_of(world, name).instances.claims.values()
        ),
        5.0,
        0.002,
    )
    world.kill(OPERATOR)
    world.run_while(lambda: not node_of(world, providers[0]).ledger.jobs[job.id].final, 30.0)
    value = node_of(world, providers[0]).ledger.jobs[job.id].value
    assert value is not None and value.outcome == "result"
    assert value.holder != world.hosts[holder].peer


def test_a_run_that_hangs_is_given_back_when_its_time_is_over() -> None:
    world = World(Setup(seed="hangs", appetite=Appetite(hanging=1.0)))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(execution_ms=500, retries=1), "q1")
    world.run_for(3.0)
    (job,) = node_of(world, OPERATOR).ledger.jobs.values()
    assert job.value is not None
    assert (job.value.outcome, job.value.reason) == ("failed", "execution time-out")


def test_a_promise_that_comes_after_its_epoch_was_given_back_is_answered_with_the_release() -> None:
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    witness = people.providers[1]
    seat.node.candidate.claim(seat.now, seat.job)
    claim = seat.node.instances.claims[seat.job.id]
    seat.node.holder.release(seat.now, claim, "no quorum of promises in time")
    seat.node.context.outbox.take()  # what was sent at once is lost
    promise = st.Promise(NETWORK, witness.peer, seat.job.id, claim.epoch, people.providers[0].peer, None, ())
    answers = seat.tell(witness, ms.Promised(witness.sign(promise)))
    (released,) = [one for one in answers if isinstance(one, ms.Released)]
    assert peek(released.release, st.Release).epoch == claim.epoch


def test_a_lease_that_strangers_make_up_for_a_node_is_not_taken_up_when_it_starts() -> None:
    people = People()
    me, stranger = people.providers[0], people.person("stranger")
    seat = Seat(people, me, people.submitter.record("job", people.job()), executes=True)
    friends = [people.person(f"friend{number}") for number in range(2)]
    seats = tuple(st.Seat(one.peer, 1) for one in (me, stranger, *friends))
    job = stranger.record("job", people.job(committee=seats))
    value = st.Value("cancelled", b"", 0, "why not", friends[0].peer, 0)
    promises = tuple(
        one.sign(st.Promise(NETWORK, one.peer, job.hash, 1, me.peer, st.Accepted(1, value), ()))
        for one in (stranger, *friends)
    )
    seat.hold(job)
    seat.hold(stranger.record("lease", st.LeaseCertificate(job.hash, 1, me.peer, promises)))
    assert seat.node.ledger.jobs[job.hash].holder == me.peer
    again = seat.restarted()
    votes = tuple(one.sign(st.AcceptVote(NETWORK, one.peer, job.hash, 1, value)) for one in friends)
    again.tell(stranger, *map(ms.Voted, votes))
    again.wait(3.0)
    assert again.node.ledger.jobs[job.hash].holder == me.peer
    assert job.hash not in again.node.instances.claims
    assert me.peer not in again.node.ledger.chains.authors
