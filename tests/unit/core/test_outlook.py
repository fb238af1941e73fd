from __future__ import annotations

import random

from mesh_core.lease.outlook import Outlooks
from tests.unit.membership.cluster import Signer, context, key

JOB = bytes(32)


def outlooks() -> Outlooks:
    me = key("me")
    return Outlooks(context("me", me, Signer(me), random.Random(0)))


def test_after_a_loss_the_job_is_looked_at_again() -> None:
    made = outlooks()
    made.lost(1.0, JOB)
    assert ("candidate", "again", JOB) in made._context.timers


def test_a_job_that_was_decided_meanwhile_is_not_looked_at_again() -> None:
    made = outlooks()
    made.lost(1.0, JOB)
    made.forget(JOB)
    assert len(made._context.timers) == 0
    assert made.of(JOB).losses == 0
