"""Links between nodes: who gets one, what travels on it, and what ends it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from axl import control, keys
from axl import link as link_module
from axl import neighbours as neighbours_module
from axl.config import NodeConfig
from axl.control import Hello, Neighbour, Refusal
from axl.endpoint import Endpoint
from axl.errors import PeerUnreachable
from axl.frames import Kind, frame, header
from tests.e2e.axl_nodes import ANYWHERE, BareDialler, Member, Members, members, until, why_unreachable
from tests.ports import free_ports


@pytest.fixture
async def mesh() -> AsyncIterator[Members]:
    async with members() as made:
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are looked after a hundred times as often, so that no test waits for seconds."""
    monkeypatch.setattr(neighbours_module, "SWEEP_PERIOD_S", 0.01)


# ------------------------------------------------------------------------------------------------ messages


async def test_a_message_arrives_with_its_senders_whole_key(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    await ben.client.send(ann.peer, b"from the dialler")
    await ann.client.send(ben.peer, b"from the listener")
    [there], [back] = await ann.receive(1), await ben.receive(1)
    assert (there.sender_hint, there.body) == (ben.peer, b"from the dialler")
    assert (back.sender_hint, back.body) == (ann.peer, b"from the listener")


async def test_messages_of_every_size_arrive_unchanged(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    bodies = [os.urandom(size) for size in (0, 1, 4090, 16_384, 65_536, 1_000_003, 16 * 1024 * 1024)]
    for body in bodies:
        await ben.client.send(ann.peer, body)
    assert [message.body for message in await ann.receive(len(bodies))] == bodies


async def test_messages_sent_one_after_the_other_arrive_once_and_in_order(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    sent = [b"%d" % number for number in range(500)]

    async def send() -> None:
        for body in sent:
            await ben.client.send(ann.peer, body)

    _, received = await asyncio.gather(send(), ann.receive(len(sent)))
    assert [message.body for message in received] == sent
    assert await ann.client.receive(wait_s=0) == []


async def test_messages_sent_all_at_once_arrive_each_exactly_once(mesh: Members) -> None:
    ann = await mesh.start()
    ben, cat = await mesh.start(ann.endpoint), await mesh.start(ann.endpoint)
    await ann.see({ben.peer, cat.peer})
    sent = {(member.peer, b"%d" % number) for member in (ben, cat) for number in range(300)}
    by_key = {ben.peer: ben, cat.peer: cat}
    sending = [asyncio.create_task(by_key[peer].client.send(ann.peer, body)) for peer, body in sent]
    received = await ann.receive(len(sent))
    await asyncio.gather(*sending)
    assert len(received) == len(sent)
    assert {(message.sender_hint, message.body) for message in received} == sent


async def test_a_message_to_oneself_arrives(mesh: Members) -> None:
    ann = await mesh.start(listens=False)
    await ann.client.send(ann.peer, b"note")
    [note] = await ann.receive(1)
    assert (note.sender_hint, note.body) == (ann.peer, b"note")


async def test_a_message_to_a_stranger_fails_at_once_and_says_why(mesh: Members) -> None:
    ann = await mesh.start()
    assert await why_unreachable(ann.client, bytes(32)) == "it is not a neighbour of this node"


async def test_a_message_waits_for_the_link_that_is_being_made(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(replace(ann.endpoint, key=ann.peer))
    await ben.client.send(ann.peer, b"early")
    assert [message.body for message in await ann.receive(1)] == [b"early"]


async def test_a_message_does_not_wait_for_a_peer_that_refuses_connections(mesh: Members) -> None:
    ann, ben = await mesh.start(), keys.generate()
    nobody = await mesh.start(key=ben)
    nobody.close()
    cat = await mesh.start(replace(nobody.endpoint, key=ben.peer), ann.endpoint)
    await cat.see({ann.peer})
    assert "Connect call failed" in await why_unreachable(cat.client, ben.peer)


async def test_an_unread_inbox_drops_the_oldest_and_says_so(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axl.node.INBOX_BYTES_MAX", 0)
    ann = await mesh.start(config=NodeConfig(max_message_size=1000, listen=(ANYWHERE,)))
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    for number in range(10):
        await ben.client.send(ann.peer, b"%d" % number + bytes(799))
    assert (await ann.document())["drops"] == 8
    assert [message.body[:1] for message in await ann.receive(2)] == [b"8", b"9"]


# -------------------------------------------------------------------------------------------- who gets one


async def test_a_node_with_another_key_than_expected_gets_no_link(mesh: Members) -> None:
    ann, expected = await mesh.start(), keys.generate().peer
    ben = await mesh.start(replace(ann.endpoint, key=expected))
    await until_problem(ben, expected, f"expected key {expected.hex()} but found {ann.peer.hex()}")
    assert (await ann.client.topology()).peers == {}
    assert (await ben.client.topology()).peers == {}


async def test_a_server_with_somebody_elses_kind_of_certificate_gets_no_link(
    mesh: Members, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = ed25519.Ed25519PrivateKey.generate()
    context.load_cert_chain(_ordinary_certificate(key, tmp_path))
    async with await asyncio.start_server(_challenge_everyone, "127.0.0.1", 0, ssl=context) as server:
        peer = key.public_key().public_bytes_raw()
        ann = await mesh.start(Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], peer))
        await until_problem(ann, peer, "its certificate is not one an AXL node makes")


async def test_a_client_without_a_rightly_signed_hello_gets_no_link(mesh: Members) -> None:
    ann, ben, mallory = await mesh.start(), keys.generate(), keys.generate()
    earlier = await BareDialler.connect(ann.endpoint)
    replayed = await earlier.hello(ben)
    for forge in (
        lambda hello: replace(hello, peer=mallory.peer),
        lambda hello: replace(hello, signature=bytes(64)),
        lambda hello: replace(hello, signature=mallory.sign(b"something else")),
        lambda hello: replayed,
        lambda hello: None,
    ):
        bare = await BareDialler.connect(ann.endpoint)
        forged: Hello | None = forge(await bare.hello(ben))
        bare.write(forged.encode() if forged else frame(Kind.MESSAGE, b"let me in"))
        await bare.ended()
    assert (await ann.client.topology()).peers == {}
    assert await ann.client.receive(wait_s=0) == []
    earlier.close()


async def test_a_hello_for_one_node_opens_no_link_to_another(mesh: Members) -> None:
    ann, cat, ben = await mesh.start(), await mesh.start(), keys.generate()
    to_ann, to_cat = await BareDialler.connect(ann.endpoint), await BareDialler.connect(cat.endpoint)
    nonce = control.decode_challenge(await to_ann.next(Kind.CHALLENGE)).nonce
    # Cat has ben sign ann's nonce in good faith; what ben signs names cat.
    signature = ben.sign(link_module.HELLO_DOMAIN + cat.peer + nonce)
    to_ann.write(Hello(bytes(8), ben.peer, signature, False, ()).encode())
    await to_ann.ended()
    assert (await ann.client.topology()).peers == {}
    to_cat.close()


async def test_a_stranger_that_says_nothing_is_cut_off(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axl.listener.HANDSHAKE_TIMEOUT_S", 0.05)
    ann = await mesh.start()
    silent = await BareDialler.connect(ann.endpoint)
    await silent.ended()
    silent.close()
    reader, writer = await asyncio.open_connection(ann.endpoint.host, ann.endpoint.port)
    assert await reader.read() == b""  # not even TLS was begun
    writer.close()


async def test_of_too_many_strangers_at_the_door_the_one_that_is_there_longest_goes(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axl.listener.STRANGERS_MAX", 2)
    ann = await mesh.start()
    silent = [await BareDialler.connect(ann.endpoint) for _ in range(2)]
    third = await BareDialler.linked(ann.endpoint, keys.generate())
    await silent[0].ended()
    for one in (*silent, third):
        one.close()


async def test_a_node_has_no_more_neighbours_than_configured(mesh: Members) -> None:
    ann = await mesh.start(config=NodeConfig(max_concurrent_conns=2, listen=(ANYWHERE,)))
    members = [keys.generate() for _ in range(2)]
    linked = [await BareDialler.linked(ann.endpoint, member) for member in members]
    talking = [asyncio.create_task(ann.client.send(member.peer, b"hello")) for member in members]
    for one in linked:
        await one.next(Kind.MESSAGE)
    third = await BareDialler.connect(ann.endpoint)
    third.write((await third.hello(keys.generate())).encode())
    assert control.decode_refusal(await third.next(Kind.REFUSED)) == Refusal.FULL
    for one in linked:
        one.close()
    await asyncio.gather(*talking, return_exceptions=True)


async def test_a_neighbour_nobody_talks_to_gives_its_place_to_a_newcomer(mesh: Members) -> None:
    ann = await mesh.start(config=NodeConfig(max_concurrent_conns=2, listen=(ANYWHERE,)))
    idle = [await BareDialler.linked(ann.endpoint, keys.generate()) for _ in range(2)]
    newcomer = keys.generate()
    third = await BareDialler.linked(ann.endpoint, newcomer)
    await idle[0].ended()
    assert newcomer.peer in (await ann.client.topology()).peers
    for one in (*idle, third):
        one.close()


@pytest.mark.parametrize("attempt", range(6))
async def test_two_nodes_that_dial_each_other_at_once_end_up_with_one_link(
    mesh: Members, attempt: int
) -> None:
    ports = free_ports(2)
    ann, ben = [
        await mesh.start(
            Endpoint("127.0.0.1", theirs), config=NodeConfig(listen=(Endpoint("127.0.0.1", own),))
        )
        for own, theirs in (ports, reversed(ports))
    ]
    await asyncio.gather(ann.see({ben.peer}), ben.see({ann.peer}))
    for number in range(20):
        await ann.client.send(ben.peer, b"%d" % number)
        await ben.client.send(ann.peer, b"%d" % number)
    [from_ann], [from_ben] = (await ann.document())["peers"], (await ben.document())["peers"]
    assert from_ann["inbound"] != from_ben["inbound"]
    assert len(await ann.receive(20)) == len(await ben.receive(20)) == 20


async def test_a_second_link_of_the_same_process_is_refused_and_the_first_stays(mesh: Members) -> None:
    ann, ben = await mesh.start(), keys.generate()
    first, second = await BareDialler.connect(ann.endpoint), await BareDialler.connect(ann.endpoint)
    hello = await first.hello(ben)
    first.write(hello.encode())
    await first.next(Kind.WELCOME)
    second.write(replace(await second.hello(ben), instance=hello.instance).encode())
    assert control.decode_refusal(await second.next(Kind.REFUSED)) == Refusal.LINKED
    await first.next(Kind.PING)
    first.write(frame(Kind.PONG) + frame(Kind.MESSAGE, b"still here"))
    assert [message.body for message in await ann.receive(1)] == [b"still here"]
    first.close()


async def test_a_doubted_link_that_stays_silent_makes_way(
    mesh: Members, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PROBE_S", 0.02)
    ann, ben = await mesh.start(), keys.generate()
    dead, fresh = await BareDialler.connect(ann.endpoint), await BareDialler.connect(ann.endpoint)
    hello = await dead.hello(ben)
    dead.write(hello.encode())
    await ann.see({ben.peer})
    fresh.write(replace(await fresh.hello(ben), instance=hello.instance).encode())
    await fresh.next(Kind.REFUSED)
    await dead.ended()
    await ann.see(set())


async def test_a_restarted_node_replaces_its_own_dead_link(mesh: Members) -> None:
    ann, ben = await mesh.start(), keys.generate()
    before = await BareDialler.linked(ann.endpoint, ben)
    after = await BareDialler.linked(ann.endpoint, ben)
    await before.ended()
    after.write(frame(Kind.MESSAGE, b"back again"))
    assert [message.body for message in await ann.receive(1)] == [b"back again"]
    await ann.see({ben.peer})
    after.close()


async def test_two_nodes_with_one_key_take_turns_and_the_last_one_stays(mesh: Members) -> None:
    hub, key = await mesh.start(), keys.generate()
    first = await mesh.start(hub.endpoint, key=key)
    await first.see({hub.peer})
    second = await mesh.start(hub.endpoint, key=key)
    await second.see({hub.peer})
    first.close()
    await second.see({hub.peer})
    await hub.see({key.peer})
    await second.client.send(hub.peer, b"the only one")
    assert [message.body for message in await hub.receive(1)] == [b"the only one"]


async def test_a_node_whose_key_another_uses_is_told_by_their_neighbour(mesh: Members) -> None:
    hub, key = await mesh.start(), keys.generate()
    first = await mesh.start(hub.endpoint, key=key)
    await first.see({hub.peer})
    second = await mesh.start(hub.endpoint, key=key)
    await second.see({hub.peer})
    shown = await until(first.client, lambda topology: bool(topology.twin))
    assert (shown.twin, shown.peers) == (f"by {hub.peer.hex()}", {})
    assert (await second.client.topology()).twin == ""
    assert "another node runs with the same key" in await why_unreachable(first.client, hub.peer)


async def test_a_node_that_dials_another_with_its_own_key_notices(mesh: Members) -> None:
    key = keys.generate()
    first = await mesh.start(key=key)
    second = await mesh.start(first.endpoint, key=key)
    shown = await until(second.client, lambda topology: bool(topology.twin))
    assert shown.twin == f"at {first.endpoint.authority}"


async def test_a_node_that_is_started_again_and_again_has_no_twin(mesh: Members) -> None:
    hub, key = await mesh.start(), keys.generate()
    for _ in range(4):
        node = await mesh.start(hub.endpoint, key=key)
        await node.see({hub.peer})
        assert (await node.client.topology()).twin == ""
        node.close()


async def test_a_node_that_is_told_to_dial_itself_does_not_mind(mesh: Members) -> None:
    (port,) = free_ports(1)
    own = Endpoint("127.0.0.1", port)
    ann = await mesh.start(own, config=NodeConfig(listen=(own,)))
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    await ann.see({ben.peer})


# ------------------------------------------------------------------------------------------- what ends one


async def test_a_frame_beyond_the_limit_closes_the_link(mesh: Members) -> None:
    ann = await mesh.start(config=NodeConfig(max_message_size=1000, listen=(ANYWHERE,)))
    bare = await BareDialler.linked(ann.endpoint, keys.generate())
    bare.write(frame(Kind.MESSAGE, bytes(1000)))
    assert len((await ann.receive(1))[0].body) == 1000
    bare.write(header(Kind.MESSAGE, 1001))
    await bare.ended()
    await ann.see(set())


@pytest.mark.parametrize(
    "rude",
    [
        frame(Kind.HELLO, bytes(100)),
        frame(Kind.CHALLENGE, bytes(41)),
        control.encode_ack(1),
        control.encode_ack(0),
        frame(Kind.ATTACHED, b"\x02"),
        frame(Kind.NEIGHBOURS, b"\x00"),
        b"\x00\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\xff",
        frame(Kind.PING) * 2000,
    ],
    ids=range(9),
)
async def test_a_neighbour_that_breaks_the_rules_is_cut_off(mesh: Members, rude: bytes) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    bare = await BareDialler.linked(ann.endpoint, keys.generate())
    bare.write(rude)
    await bare.ended()
    await ann.see({ben.peer})


async def test_a_silent_neighbour_is_asked_and_then_dropped(
    mesh: Members, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PING_AFTER_S", 0.02)
    monkeypatch.setattr(link_module, "DROP_AFTER_S", 0.1)
    ann = await mesh.start()
    bare = await BareDialler.linked(ann.endpoint, keys.generate())
    await bare.next(Kind.PING)
    await bare.ended()
    await ann.see(set())


async def test_idle_neighbours_that_answer_stay(
    mesh: Members, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PING_AFTER_S", 0.02)
    monkeypatch.setattr(link_module, "DROP_AFTER_S", 1.0)
    ann = await mesh.start()
    bare = await BareDialler.linked(ann.endpoint, keys.generate())
    before = (await ann.client.topology()).version
    for _ in range(5):
        await bare.next(Kind.PING)
        bare.write(frame(Kind.PONG))
    assert (await ann.client.topology()).version == before
    bare.close()


async def test_a_message_nobody_acknowledges_is_reported(
    mesh: Members, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "SEND_TIMEOUT_S", 0.05)
    ann, ben = await mesh.start(), keys.generate()
    bare = await BareDialler.linked(ann.endpoint, ben)
    assert "not acknowledged within" in await why_unreachable(ann.client, ben.peer)
    # An acknowledgement that comes late is for the message that was given up, not for the next one.
    bare.write(control.encode_ack(1))
    assert "not acknowledged within" in await why_unreachable(ann.client, ben.peer)
    bare.close()


async def test_what_is_under_way_fails_with_its_link(mesh: Members) -> None:
    ann, ben = await mesh.start(), keys.generate()
    bare = await BareDialler.linked(ann.endpoint, ben)
    sending = asyncio.create_task(ann.client.send(ben.peer, b"words"))
    await bare.next(Kind.MESSAGE)
    bare.close()
    with pytest.raises(PeerUnreachable):
        await sending


async def test_a_neighbour_that_reads_nothing_is_sent_no_more_than_so_much(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "UNACKNOWLEDGED_BYTES_MAX", 1_000_000)
    ann, ben = await mesh.start(), keys.generate()
    bare = await BareDialler.linked(ann.endpoint, ben)
    sending = [asyncio.create_task(ann.client.send(ben.peer, bytes(300_000))) for _ in range(6)]
    done, under_way = await asyncio.wait(sending, return_when=asyncio.FIRST_EXCEPTION)
    assert len(under_way) >= 3
    assert all("bytes are already on their way" in str(task.exception()) for task in done)
    bare.close()
    await asyncio.wait(sending)


async def test_a_neighbour_that_acknowledges_nothing_is_sent_no_more_tiny_messages_either(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "UNACKNOWLEDGED_BYTES_MAX", 20 * link_module.MESSAGE_OVERHEAD_BYTES)
    ann, ben = await mesh.start(), keys.generate()
    bare = await BareDialler.linked(ann.endpoint, ben)
    waiters = [Fate() for _ in range(1_000)]
    link = ann.node._neighbours.links[ben.peer]
    for waiter in waiters:
        link.send(b"", waiter)
    assert [bool(waiter.reason) for waiter in waiters] == [False] * 20 + [True] * 980
    bare.write(control.encode_ack(20))
    assert [await waiter.known() for waiter in waiters[:20]] == [""] * 20
    link.send(b"", again := Fate())
    assert not again.reason
    bare.close()


async def test_what_waits_for_links_that_are_being_made_is_bounded(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours_module, "UNACKNOWLEDGED_BYTES_MAX", 1_000)
    ben = keys.generate()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ann = await mesh.start(Endpoint("127.0.0.1", silent.getsockname()[1], ben.peer))
        neighbours = ann.node._neighbours
        async with asyncio.timeout(5):
            while not neighbours._dialer.is_dialling(ben.peer):  # noqa: ASYNC110 (a dial that begins tells nobody)
                await asyncio.sleep(0)
        first, second = Fate(), Fate()
        neighbours.send(ben.peer, bytes(900), first)
        neighbours.send(ben.peer, bytes(900), second)
        assert (first.reason, second.reason) == ("", "900 bytes already wait for links that are being made")
        assert await first.known()
        assert neighbours._waiting_bytes == 0


class Fate:
    """What became of a message; `reason` is empty as long as it has not failed."""

    def __init__(self) -> None:
        self.reason = ""
        self._known = asyncio.Event()

    async def known(self) -> str:
        async with asyncio.timeout(5):
            await self._known.wait()
        return self.reason

    def sent(self) -> None:
        self._known.set()

    def failed(self, reason: str) -> None:
        self.reason = reason
        self._known.set()


async def test_a_flooding_neighbour_neither_blocks_the_node_nor_drowns_the_others(
    mesh: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axl.node.INBOX_BYTES_MAX", 100_000)
    ann = await mesh.start(config=NodeConfig(max_message_size=10_000, listen=(ANYWHERE,)))
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    mallory = await BareDialler.linked(ann.endpoint, keys.generate())
    await ben.client.send(ann.peer, b"before")
    mallory.write(frame(Kind.MESSAGE, b"noise") * 5_000)
    await ben.client.send(ann.peer, b"after")
    first = await ann.receive(3)
    assert {b"before", b"after"} <= {message.body for message in first}
    mallory.close()


# ----------------------------------------------------------------------------------------- meeting others


async def test_six_nodes_meet_through_one(mesh: Members) -> None:
    hub = await mesh.start()
    six = [hub, *[await mesh.start(hub.endpoint) for _ in range(5)]]
    everyone = {member.peer for member in six}
    await asyncio.gather(*[member.see(everyone - {member.peer}) for member in six])
    for sender in six:
        for receiver in six:
            await sender.client.send(receiver.peer, sender.peer)
    for member in six:
        assert {message.body for message in await member.receive(6)} == everyone


async def test_a_peer_may_be_configured_by_name(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(Endpoint("localhost", ann.endpoint.port))
    await ben.see({ann.peer})


async def test_nodes_in_a_chain_all_meet(mesh: Members) -> None:
    chain = [await mesh.start()]
    for _ in range(4):
        chain.append(await mesh.start(chain[-1].endpoint))
    everyone = {member.peer for member in chain}
    await asyncio.gather(*[member.see(everyone - {member.peer}) for member in chain])


async def test_a_node_that_only_dials_is_reached_by_all_that_listen(mesh: Members) -> None:
    hub = await mesh.start()
    shy = await mesh.start(hub.endpoint, listens=False)
    later = await mesh.start(hub.endpoint)
    await asyncio.gather(shy.see({hub.peer, later.peer}), later.see({hub.peer, shy.peer}))
    await later.client.send(shy.peer, b"found you")
    assert [message.body for message in await shy.receive(1)] == [b"found you"]


async def test_those_who_met_stay_linked_without_whoever_introduced_them(mesh: Members) -> None:
    hub = await mesh.start()
    ann, ben = await mesh.start(hub.endpoint), await mesh.start(hub.endpoint)
    await asyncio.gather(ann.see({hub.peer, ben.peer}), ben.see({hub.peer, ann.peer}))
    hub.close()
    await asyncio.gather(ann.see({ben.peer}), ben.see({ann.peer}))
    await ann.client.send(ben.peer, b"still here")
    assert [message.body for message in await ben.receive(1)] == [b"still here"]


async def test_a_revived_node_is_linked_with_all_again(mesh: Members) -> None:
    hub = await mesh.start()
    ann, ben = await mesh.start(hub.endpoint), await mesh.start(hub.endpoint)
    await asyncio.gather(ann.see({hub.peer, ben.peer}), ben.see({hub.peer, ann.peer}))
    for dead in (ben, hub):
        dead.close()
    await ann.see(set())
    again = NodeConfig(listen=(hub.endpoint,))
    revived = await mesh.start(key=hub.key, config=again)
    await revived.see({ann.peer})
    ben = await mesh.start(hub.endpoint, key=ben.key)
    await asyncio.gather(ann.see({hub.peer, ben.peer}), ben.see({hub.peer, ann.peer}))


async def test_a_lie_about_where_a_peer_listens_leads_to_no_link(mesh: Members) -> None:
    ann, cat, victim = await mesh.start(), await mesh.start(), keys.generate().peer
    liar = await BareDialler.linked(ann.endpoint, keys.generate())
    liar.write(control.encode_neighbours([Neighbour(victim, (cat.endpoint,))]))
    await until_problem(ann, victim, f"expected key {victim.hex()} but found {cat.peer.hex()}")
    assert (await cat.client.topology()).peers == {}
    liar.close()


async def test_thousands_of_invented_peers_do_not_keep_a_node_from_its_work(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    liar = await BareDialler.linked(ann.endpoint, keys.generate())
    nowhere = (Endpoint("127.0.0.1", *free_ports(1)),)
    liar.write(control.encode_neighbours([Neighbour(os.urandom(32), nowhere) for _ in range(5000)]))
    for number in range(50):
        await ben.client.send(ann.peer, b"%d" % number)
    assert len(await ann.receive(50)) == 50
    liar.close()


# ----------------------------------------------------------------------------------------------- presence


async def test_a_client_that_comes_and_goes_is_seen_by_all_neighbours(mesh: Members) -> None:
    hub = await mesh.start()
    ann, ben = await mesh.start(hub.endpoint), await mesh.start(hub.endpoint)
    await asyncio.gather(ann.see({hub.peer, ben.peer}), ben.see({hub.peer, ann.peer}))
    for member in (ann, ben):
        assert not (await member.client.topology()).peers[hub.peer].attached
    assert await hub.client.receive(wait_s=0) == []
    for member in (ann, ben):
        await until(member.client, lambda topology: topology.peers[hub.peer].attached)
    await hub.client.aclose()
    for member in (ann, ben):
        await until(member.client, lambda topology: not topology.peers[hub.peer].attached)


async def test_a_client_that_was_there_before_the_link_is_seen(mesh: Members) -> None:
    ann = await mesh.start()
    await ann.client.receive(wait_s=0)
    ben = await mesh.start(ann.endpoint)
    assert (await ben.see({ann.peer})).peers[ann.peer].attached
    await ben.client.receive(wait_s=0)
    await until(ann.client, lambda topology: topology.peers[ben.peer].attached)


async def test_asking_again_and_again_is_not_coming_and_going(mesh: Members) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ben.see({ann.peer})
    await ann.client.receive(wait_s=0)
    before = await until(ben.client, lambda topology: topology.peers[ann.peer].attached)
    for number in range(20):
        await ben.client.send(ann.peer, b"%d" % number)
        await ann.receive(1)
    assert (await ben.client.topology()).version == before.version


# ------------------------------------------------------------------------------------------------- helpers


async def until_problem(member: Member, peer: bytes, words: str) -> None:
    """Wait until the node gives these words as the reason why it has no link to `peer`."""
    async with asyncio.timeout(10):
        while words not in await why_unreachable(member.client, peer):  # noqa: ASYNC110 - as any client would
            await asyncio.sleep(0)


async def _challenge_everyone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(control.Challenge(bytes(8), bytes(32)).encode())
    await reader.read()
    writer.close()


def _ordinary_certificate(key: ed25519.Ed25519PrivateKey, folder: Path) -> Path:
    """A valid self-signed ed25519 certificate, made by somebody else's tool."""
    from datetime import UTC, datetime, timedelta

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "axl")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, None)
    )
    path = folder / "other.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
