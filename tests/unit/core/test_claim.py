"""A claim moves along its table and nowhere else; executions are counted where they run."""

from itertools import product

import pytest

from mesh_core.config import FAST, limit
from mesh_core.context import Context, Doors, NodeConfig
from mesh_core.effects import Execute, StopExecution
from mesh_core.lease.claim import TRANSITIONS, UNDER_WAY, Claim, IllegalTransitionError, Phase
from mesh_core.lease.runs import Runs
from mesh_core.ledger.job import LedgerJob
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Refused, Work
from tests.unit.core.people import NETWORK, People

JOB = b"j" * 32
WORK = Work("answer", "", "", None)


def claim_in(phase: Phase) -> Claim:
    """A claim that has gone the shortest way to `phase`."""
    job = People().submitter.record("job", People().job())
    ways = {Phase.CLAIMING: [Phase.CLAIMING]}
    while phase not in ways:
        for transition, came in product(TRANSITIONS, list(ways)):
            if came in transition.of:
                ways.setdefault(transition.to, [*ways[came], transition.to])
    claim = Claim(LedgerJob(job.hash, job, job.body), 1, 0.0)
    for step in ways[phase][1:]:
        claim.enter(step)
    return claim


@pytest.mark.parametrize(("now", "then"), product(Phase, Phase))
def test_a_claim_goes_only_where_its_table_leads(now: Phase, then: Phase) -> None:
    claim = claim_in(now)
    if any(now in transition.of and transition.to is then for transition in TRANSITIONS):
        claim.enter(then)
        assert claim.phase is then
    else:
        with pytest.raises(IllegalTransitionError, match=f"cannot go from {now.value} to {then.value}"):
            claim.enter(then)
        assert claim.phase is now


def test_every_phase_can_be_reached_and_those_under_way_can_end() -> None:
    assert {Phase.CLAIMING, *(transition.to for transition in TRANSITIONS)} == set(Phase)
    ends = set(Phase) - set(UNDER_WAY)
    assert not any(ends & set(transition.of) for transition in TRANSITIONS)


def furthest(epoch: int, promised: list[int]) -> int:
    """Where the next claim begins after one at `epoch`, whose job bears one lie, was refused by who promised these."""
    people = People()
    job = people.submitter.record("job", people.job(fault_bound=1))
    assert isinstance(job.body, st.Job)
    claim = Claim(LedgerJob(job.hash, job, job.body), epoch, 0.0)
    for witness, told in zip(people.providers, promised, strict=False):
        claim.refusals[witness.peer] = Refused(job.hash, epoch, told, b"")
    return claim.furthest


def test_one_witness_that_is_ahead_moves_the_next_claim_but_no_further_than_others_follow() -> None:
    jump = limit("epoch_jump_max")
    assert furthest(4, []) == 0
    assert furthest(4, [9, 2]) == 9
    assert furthest(4, [2**50]) == 4 + jump - 1


def test_a_claim_that_was_too_far_ahead_for_honest_witnesses_is_not_led_further_by_a_liar() -> None:
    jump = limit("epoch_jump_max")
    assert furthest(20, [2**50, 20 - jump - 1]) == 20 + jump - 1, (
        "one witness alone may lie about being behind"
    )
    assert furthest(20, [2**50, 20 - jump - 1, 2]) == 20


@pytest.fixture
def runs() -> Runs:
    """What runs on a node of its own."""
    person = People().submitter
    announcement = None
    config = NodeConfig(NETWORK, person.peer, FAST, announcement, executes=True, credit={})  # type: ignore[arg-type]
    return Runs(Context(config, Doors(person.crypto, None, lambda: 0)))  # type: ignore[arg-type]


def test_expected_time_follows_what_executions_took(runs: Runs) -> None:
    runs.start(1.0, JOB, 1, WORK)
    runs.ended(1.5, JOB, 1, succeeded=True)
    assert runs.expected_ms == 500
    runs.start(2.0, JOB, 2, WORK)
    runs.ended(2.75, JOB, 2, succeeded=True)
    assert runs.expected_ms == 562


def test_failed_and_stopped_executions_say_nothing_about_time(runs: Runs) -> None:
    runs.start(1.0, JOB, 1, WORK)
    runs.ended(1.4, JOB, 1, succeeded=False)
    runs.start(2.0, JOB, 2, WORK)
    runs.stop(JOB, 2, "lost")
    runs.ended(9.0, JOB, 2, succeeded=True)
    assert runs.expected_ms == 0


def test_only_what_runs_is_stopped(runs: Runs) -> None:
    runs.start(1.0, JOB, 1, WORK)
    runs.stop(JOB, 2, "another epoch")
    runs.stop(JOB, 1, "lost")
    runs.stop(JOB, 1, "lost")
    acts = [one for one in runs._context.outbox.take() if isinstance(one, Execute | StopExecution)]
    assert acts == [Execute(JOB, 1, WORK), StopExecution(JOB, 1)]
