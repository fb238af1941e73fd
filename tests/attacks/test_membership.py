"""Membership: invented members and accusers, lies about others, and addresses that lead nowhere."""

from __future__ import annotations

import os
import socket

from axl import control
from axl.control import Neighbour
from axl.endpoint import Endpoint
from mesh_core.config import limit
from mesh_core.identity.statement import peek
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, Voice, announcement
from tests.attacks.market import Market, unharmed
from tests.e2e.axl_nodes import BareDialler
from tests.e2e.mesh import Participant

GHOSTS = 5_000


def incarnation_of(mallory: Attacker, victim: Participant) -> int:
    """What the victim last said of itself, as anybody hears who is asked to join."""
    said = [
        peek(update.signed, st.Alive)
        for _, message in mallory.received
        for update in getattr(message, "updates", ())
        if update.kind == "alive"
    ]
    return max(one.incarnation for one in said if one.author == victim.key.peer)


async def test_two_invented_accusers_kill_nobody(market: Market, mallory: Attacker) -> None:
    victim, *others = market.everybody
    async with unharmed(market):
        await mallory.send(others[0], ms.Exchange((), True))
        await mallory.is_heard(others[0])
        incarnation = incarnation_of(mallory, victim)
        accusers = [Voice() for _ in range(2)]
        introductions = tuple(one.alive() for one in accusers)
        accusations = tuple(one.accuse(victim.key.peer, incarnation) for one in (*accusers, mallory))
        for participant in market.everybody:
            await mallory.send(participant, ms.Gossip(introductions), ms.Gossip(accusations))
        await mallory.is_heard(*market.everybody)
        for participant in others:
            state = await participant.client().state()
            assert next(one.state for one in state.members if one.peer == victim.peer) == "alive"


async def test_accusations_without_end_by_a_fresh_member_kill_nobody(
    market: Market, mallory: Attacker
) -> None:
    victim, *others = market.everybody
    async with unharmed(market):
        await mallory.join(market.everybody, role="observer", capabilities=())
        for _ in range(20):
            incarnation = incarnation_of(mallory, victim)
            accusation = mallory.accuse(victim.key.peer, incarnation)
            for participant in market.everybody:
                await mallory.send(participant, ms.Gossip((accusation,) * 200))
            await mallory.is_heard(*market.everybody)
        for participant in others:
            state = await participant.client().state()
            assert next(one.state for one in state.members if one.peer == victim.peer) != "dead"


async def test_nobody_speaks_for_another_member(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    lie = st.Alive(NETWORK, victim.key.peer, 1 << 50, announcement(name="owned", price_micro=0))
    goodbye = st.Alive(NETWORK, victim.key.peer, 1 << 50, announcement(), True)
    forged = tuple(ms.Update("alive", mallory.sign(one)) for one in (lie, goodbye))
    async with unharmed(market):
        for participant in market.everybody:
            for kind in (
                ms.Gossip(forged),
                ms.Exchange(forged, False),
                ms.Ping(1, forged),
                ms.Ack(1, forged),
            ):
                await mallory.send(participant, kind)
        await mallory.is_heard(*market.everybody)


async def test_an_old_statement_of_a_member_is_outdated_for_ever(market: Market, mallory: Attacker) -> None:
    alice = Voice()
    old = alice.alive(incarnation=1, price_micro=1)
    new = alice.alive(incarnation=2, price_micro=2)
    async with unharmed(market):
        for participant in market.everybody:
            await mallory.send(participant, ms.Gossip((new,)), by=alice)
            await mallory.send(participant, ms.Gossip((old,)))
        await mallory.is_heard(*market.everybody)
        for participant in market.everybody:
            state = await participant.client().state()
            assert [one.price_micro for one in state.members if one.peer == alice.peer] == [2]


async def test_thousands_of_invented_members_get_no_seat_and_no_say(
    market: Market, mallory: Attacker
) -> None:
    ghosts = [Voice().alive(name=f"ghost{number}") for number in range(GHOSTS)]
    honest = {one.peer for one in market.everybody}
    async with unharmed(market):
        for at in range(0, GHOSTS, 250):
            await mallory.send(market.operator, ms.Gossip(tuple(ghosts[at : at + 250])))
        for participant in market.everybody:
            await mallory.send(participant, ms.Exchange(tuple(ghosts[:3_000]), False))
        await mallory.is_heard(*market.everybody)
        query = await market.answers()
        state = await market.operator.client().state()
        assert len(state.members) <= limit("members_max") + 1
        assert all(set(job.committee) <= honest for job in state.jobs if job.job in query.jobs)


async def test_inventions_whose_answers_are_guessed_or_vouched_for_get_no_seat(
    market: Market, mallory: Attacker
) -> None:
    """An answer to a probe proves that somebody is there only if it can neither be foreseen nor given by another."""
    ghosts = [Voice() for _ in range(12)]
    honest = {one.peer for one in market.everybody}
    async with unharmed(market):
        await mallory.join(market.everybody, role="observer", capabilities=())
        mallory.reacts(ms.PingRequest, lambda _, request: ms.Ack(request.number, ()))
        for participant in market.everybody:
            for ghost in ghosts:
                await mallory.send(participant, ms.Exchange((ghost.alive(price_micro=1),), False), by=ghost)
        for _ in range(10):
            for participant in market.everybody:
                newest = max(ping.number for ping in mallory.got(ms.Ping, participant))
                guesses = {*range(1, 400), *range(max(1, newest - 40), newest + 150)}
                acks = [ms.Ack(number, ()) for number in sorted(guesses)]
                for ghost in ghosts:
                    await mallory.send(participant, *acks, by=ghost)
            await mallory.is_heard(*market.everybody)
        query = await market.answers()
        state = await market.operator.client().state()
        assert all(set(job.committee) <= honest for job in state.jobs if job.job in query.jobs)


async def test_thousands_that_introduce_themselves_push_nobody_out(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    honest = {one.peer for one in market.everybody}
    async with unharmed(market):
        for number in range(1_500):
            stranger = Voice()
            await mallory.send(victim, ms.Exchange((stranger.alive(name=f"{number}"),), True), by=stranger)
        await mallory.is_heard(victim)
        members = (await victim.client().state()).members
        assert honest <= {one.peer for one in members if one.state == "alive"}
        assert len(members) <= limit("members_max") + 1


async def test_probes_on_behalf_of_invented_members_are_bounded(market: Market, mallory: Attacker) -> None:
    victim = market.providers[0]
    async with unharmed(market):
        before = market.held_bytes(victim)
        for number in range(20):
            asked = [ms.PingRequest(number * 1000 + one, os.urandom(32), ()) for one in range(1000)]
            await mallory.send(victim, *asked)
            await mallory.send(victim, *(ms.Nack(one) for one in range(2_000)))
            await mallory.send(victim, *(ms.Ack(one, ()) for one in range(2_000)))
        await mallory.is_heard(victim)
        assert market.held_bytes(victim) < before + (48 << 20)


async def test_invented_addresses_of_members_separate_nobody(market: Market, mallory: Attacker) -> None:
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen(512)
        trapped = (Endpoint("127.0.0.1", trap.getsockname()[1]),)
        victim = market.providers[0]
        places = [Endpoint("127.0.0.1", one.listen_port) for one in market.everybody]
        bare = [await BareDialler.linked(place, Voice().key) for place in places]
        try:
            async with unharmed(market):
                known = [Neighbour(one.key.peer, trapped) for one in market.everybody]
                invented = [Neighbour(os.urandom(32), trapped) for _ in range(2_000)]
                for link in bare:
                    link.write(control.encode_neighbours(known))
                    link.write(control.encode_neighbours(invented))
                await mallory.is_heard(*market.everybody)
                assert victim.axl is not None
                market.restart(victim)
                victim.axl.kill()
                victim.axl.wait()
                victim.start_axl()
                await market.agreed()
        finally:
            for link in bare:
                link.close()


async def test_a_newcomer_that_meets_the_attacker_first_still_finds_everybody(
    market: Market, mallory: Attacker
) -> None:
    """Eclipse: what the attacker tells of others comes beside what they say themselves."""
    ghosts = tuple(Voice().alive(name="ghost") for _ in range(200))
    mallory.reacts(ms.Exchange, lambda _, message: ms.Exchange(ghosts, False) if message.reply else None)
    newcomer = market.mesh.add("newcomer")
    try:
        newcomer.start_axl()
        newcomer.start_provider()
        everybody = {one.peer for one in market.everybody}
        await newcomer.state_when(
            lambda state: everybody <= {one.peer for one in state.members if one.state == "alive"}
        )
        async with unharmed(market):
            assert mallory.got(ms.Exchange)
    finally:
        market.mesh.participants.remove(newcomer)
        newcomer.end()
