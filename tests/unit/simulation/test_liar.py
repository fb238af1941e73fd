"""Liars run the real node, sign with their own key alone, and a mesh that tolerates one goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from mesh_core.effects import JobOptions
from mesh_core.identity.statement import check, peek
from mesh_core.simulation.host import Host, HostSpec
from mesh_core.simulation.liar import Liar, Vice
from mesh_core.simulation.vices import VICES
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st

LIAR = "node2"
TOLERANT = JobOptions(fault_bound=1, submitter_weight=3, execution_ms=1_000)


def lying(*vices: type[Vice]) -> Callable[[HostSpec], HostSpec]:
    """Makes `LIAR` a liar."""

    def alter(spec: HostSpec) -> HostSpec:
        if spec.name != LIAR:
            return spec
        return replace(spec, make_node=partial(Liar, vices=vices, rng=Random(1)))

    return alter


def mesh(*vices: type[Vice], providers: int = 6) -> World:
    """A mesh that has met, with one liar."""
    setup = Setup("liar", providers, appetite=Appetite(0.05, 0.2), alter=lying(*vices))
    world = World(setup)
    world.start()
    world.run_for(1.5)
    return world


def said(world: World, kind: type[ms.Message], options: JobOptions) -> list[tuple[str, ms.Message]]:
    """Who sends messages of a kind while a query is answered."""
    heard: list[tuple[str, ms.Message]] = []

    def listen(host: Host, message: ms.Message) -> None:
        if isinstance(message, kind):
            heard.append((host.name, message))

    world.listen(listen)
    world.submit(OPERATOR, "why?", (0, 1, 2), options, "q1")
    world.run_for(3.0)
    return heard


@pytest.mark.parametrize("name", VICES)
def test_jobs_that_tolerate_a_liar_end_whatever_its_vice(name: str) -> None:
    world = mesh(VICES[name])
    query = world.submit(OPERATOR, "why?", (0, 1), TOLERANT, "q1")
    node = world.hosts[OPERATOR].node
    assert query is not None
    assert node is not None
    assert world.run_while(lambda: not node.queries.queries[query].finished, 20.0)


def test_a_liar_promises_everything_and_shows_nothing() -> None:
    world = mesh(VICES["promises"], VICES["hides"])
    promises = [
        peek(message.promise, st.Promise)
        for name, message in said(world, ms.Promised, JobOptions())
        if name == LIAR and isinstance(message, ms.Promised)
    ]
    assert promises
    assert all(promise.accepted is None for promise in promises)


def test_what_a_liar_says_is_signed_with_its_own_key() -> None:
    world = mesh(VICES["votes"], VICES["equivocates"])
    liar, verifier = world.hosts[LIAR], world.keys.crypto(OPERATOR)
    votes = [
        check(verifier, message.vote, st.AcceptVote, liar.config.network)
        for name, message in said(world, ms.Voted, JobOptions())
        if name == LIAR and isinstance(message, ms.Voted)
    ]
    assert votes
    assert {vote.author for vote in votes} == {liar.peer}
    assert any(vote.value.reason == "a second vote" for vote in votes)


def test_a_liar_that_is_found_out_goes_on_lying() -> None:
    world = mesh(VICES["equivocates"])
    world.submit(OPERATOR, "why?", (0, 1, 2), JobOptions(), "q1")
    world.run_for(4.0)
    node, liar = world.hosts["node1"].node, world.hosts[LIAR]
    assert node is not None
    assert liar.node is not None
    assert liar.peer in node.ledger.equivocators
    assert not liar.node.past.retired
    assert liar.node.context.ready
