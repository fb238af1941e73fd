"""`python -m axl` as others start and end it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from axl import keys
from axl.config import NodeConfig
from axl.endpoint import Endpoint
from tests.e2e.axl_nodes import until
from tests.e2e.axl_processes import ANYWHERE, Processes, processes


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes(tmp_path) as made:
        yield made


async def test_six_nodes_meet_through_one_and_see_who_is_killed(mesh: Processes) -> None:
    hub = await mesh.start()
    others = await asyncio.gather(*[mesh.start(hub.endpoint) for _ in range(5)])
    everyone = {node.peer for node in (hub, *others)}
    for node in (hub, *others):
        await node.see(everyone - {node.peer})
    await others[0].client.send(others[4].peer, b"across")
    [message] = await others[4].client.receive(wait_s=10)
    assert (message.sender_hint, message.body) == (others[0].peer, b"across")
    for dead in (hub, others[0]):
        dead.process.kill()
        everyone -= {dead.peer}
    for node in others[1:]:
        await node.see(everyone - {node.peer})


async def test_neighbours_see_a_node_whose_client_was_killed_as_not_attached(mesh: Processes) -> None:
    ann = await mesh.start()
    ben, cat = await mesh.start(ann.endpoint), await mesh.start(ann.endpoint)
    client = await mesh.start_client(ann)
    for node in (ben, cat):
        await until(
            node.client, lambda topology: ann.peer in topology.peers and topology.peers[ann.peer].attached
        )
    client.kill()
    for node in (ben, cat):
        topology = await until(node.client, lambda topology: not topology.peers[ann.peer].attached)
        assert topology.peers[ann.peer].up


async def test_a_key_made_by_openssl_is_the_nodes_name(mesh: Processes, tmp_path: Path) -> None:
    key_file = tmp_path / "private.pem"
    made = await asyncio.create_subprocess_exec(
        "openssl", "genpkey", "-algorithm", "ed25519", "-out", key_file
    )
    assert await made.wait() == 0
    config = mesh.config(NodeConfig(private_key_path="private.pem", api_port=0))
    process = await mesh.spawn("-m", "axl", f"-config={config}")
    assert process.stderr is not None
    started = json.loads(await process.stderr.readline())
    assert started["peer"] == keys.load(key_file).peer.hex()
    assert started["listen"] == []


@pytest.mark.parametrize("flag", ["-config", "--config"])
async def test_flags_may_be_written_as_for_the_go_node_or_with_two_dashes(mesh: Processes, flag: str) -> None:
    config = mesh.config(NodeConfig(api_port=0, listen=(Endpoint("127.0.0.1", 1),)))
    process = await mesh.spawn("-m", "axl", flag, config, f"{flag.replace('config', 'listen')}={ANYWHERE}")
    assert process.stderr is not None
    [listen] = json.loads(await process.stderr.readline())["listen"]
    assert not listen.endswith(":1")


async def test_every_line_of_the_log_is_json_and_names_what_happened(mesh: Processes) -> None:
    ann = await mesh.start()
    ben = await mesh.start(ann.endpoint)
    await ann.see({ben.peer})
    ben.process.kill()
    await ann.see(set())
    ann.process.terminate()
    lines = await ann.log()
    assert {"time", "level", "event"} <= set.intersection(*[set(line) for line in lines])
    assert [(line["event"], line["peer"]) for line in lines if line["event"].startswith("link")] == [
        ("link up", ben.peer.hex()),
        ("link down", ben.peer.hex()),
    ]


# ---------------------------------------------------------------------------------------------- the end


async def test_a_node_ends_cleanly_when_asked_to(mesh: Processes) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        node = await mesh.start()
        await node.client.receive(wait_s=0)
        node.process.send_signal(number)
        assert await node.exit_code() == 0
        assert await node.log() == []


async def test_a_node_with_a_lifeline_leaves_ctrl_c_to_the_supervisor(mesh: Processes) -> None:
    node = await mesh.start(on_lifeline=True)
    node.process.send_signal(signal.SIGINT)
    for _ in range(3):
        assert (await node.client.topology()).our_public_key == node.peer
    node.process.terminate()
    assert await node.exit_code() == 0


async def test_a_node_ends_with_its_supervisor(mesh: Processes) -> None:
    node = await mesh.start(on_lifeline=True)
    mesh.cut(node)
    assert await node.exit_code() == 0


# ------------------------------------------------------------------------------------------- bad input


async def test_what_cannot_be_used_is_said_in_one_line(mesh: Processes, tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("no key")
    cases = [
        (["-config", "nowhere.json"], "config nowhere.json does not exist; name one with -config FILE"),
        (
            ["-config", mesh.config('{"Peer": []}')],
            'field "Peer" is not known; known are PrivateKeyPath, Peers',
        ),
        (["-config", mesh.config("{")], "line 1, column 2: not JSON"),
        (["-config", mesh.config('{"PrivateKeyPath": "not.pem"}')], "key file not.pem holds no PEM block"),
        (["-config", mesh.config('{"PrivateKeyPath": "none.pem"}')], "make one with: openssl genpkey"),
        (["-config", mesh.config("{}"), "-listen", "9001"], "expected tls://host:port, not '9001'"),
        (["-config"], "expected one argument; usage: axl"),
        (["-verbose"], "unrecognized arguments: -verbose; usage: axl"),
    ]
    for arguments, words in cases:
        code, out, err = await mesh.run(*arguments)
        assert (code, out) == (2, ""), err
        assert err.startswith("axl: ")
        assert words in err
        assert err.count("\n") == 1


async def test_a_lifeline_that_is_none_is_refused(mesh: Processes) -> None:
    for value in ("", "twelve", "987"):
        code, _, err = await mesh.run("-config", mesh.config("{}"), WHISPER_LIFELINE_FD=value)
        assert code == 2
        assert err == f"axl: WHISPER_LIFELINE_FD={value!r} is not an open file descriptor\n"


async def test_a_port_in_use_is_named_with_what_to_change(mesh: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bridge = mesh.config(NodeConfig(api_port=port))
        code, _, err = await mesh.run("-config", bridge)
        assert code == 2
        assert err == (
            f"axl: cannot listen on 127.0.0.1:{port}: Address already in use; "
            "change api_port or bridge_addr or stop what uses it\n"
        )
        code, _, err = await mesh.run(
            "-config", mesh.config(NodeConfig(api_port=0)), "-listen", f"tls://127.0.0.1:{port}"
        )
        assert code == 2
        assert "change Listen or -listen or stop what uses it" in err


async def test_an_address_of_another_machine_cannot_be_listened_on(mesh: Processes) -> None:
    code, _, err = await mesh.run("-config", mesh.config(NodeConfig(api_port=0, bridge_addr="192.0.2.1")))
    assert code == 2
    assert (
        "cannot listen on 192.0.2.1:0: Cannot assign requested address; change api_port or bridge_addr" in err
    )
    assert err.count("\n") == 1
