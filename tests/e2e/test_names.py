"""Providers of a real mesh have names on its chain: seen from the console's stream, the command line, and by stock tools outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from ens import ENS
from web3 import HTTPProvider, Web3

from mesh_core.api.client import ControlClient
from tests.e2e.command_line import Mesh
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.rundir import RunDir

PATIENCE_S = 60.0
LOCAL = ("--chain", "local")


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    mesh = Mesh(tmp_path / "run")
    yield mesh
    mesh.whisper("down")


def picture(mesh: Mesh, fits: Callable[[State], bool]) -> State:
    """What a console makes of the supervisor's stream, as soon as it is as wished for."""

    async def until() -> State:
        state = initial_state()
        client = SupervisorClient(RunDir(mesh.folder))
        async with asyncio.timeout(PATIENCE_S), aclosing(client.events()) as events:
            async for event in events:
                state = reduce(state, event)
                assert not state.rejected, event
                if fits(state):
                    return state
        raise AssertionError("the supervisor ended")

    return asyncio.run(until())


def verified(count: int) -> Callable[[State], bool]:
    return lambda state: sum(view.verified for view in state.ens.values()) == count


def process(state: State, part: str) -> tuple[int, str]:
    """Pid and state of a process that serves the whole mesh."""
    view = state.processes[part, part]
    return view.pid, view.state


def runs_again(part: str, before: int) -> Callable[[State], bool]:
    """Whether it runs as another process."""

    def fits(state: State) -> bool:
        view = state.processes.get((part, part))
        return view is not None and view.state == "running" and view.pid != before

    return fits


def block(mesh: Mesh) -> int:
    return Web3(HTTPProvider(mesh.whisper("ens", "rpc-url").stdout.strip())).eth.block_number


def test_every_provider_has_a_verified_name_that_stock_tools_read_and_commands_take(mesh: Mesh) -> None:
    assert mesh.up("--count", "3", *LOCAL).returncode == 0
    state = picture(mesh, verified(3))
    peers = {name: node["peer"] for name, node in mesh.nodes().items()}
    assert {(view.name, view.peer) for view in state.ens.values()} == {
        (f"node{number}.axl.eth", peers[f"node{number}"]) for number in (1, 2, 3)
    }
    assert stat.S_IMODE((mesh.folder / "node1" / "evm.key").stat().st_mode) == 0o600

    # from outside, with the URL alone
    ns = ENS.from_web3(Web3(HTTPProvider(mesh.whisper("ens", "rpc-url").stdout.strip())))
    assert ns.get_text("node2.axl.eth", "axl.peer_id") == peers["node2"]
    assert ns.get_text("node2.axl.eth", "capabilities") == "answer,combine"
    assert ns.name(ns.address("node2.axl.eth")) in ("node2.axl.eth", None)  # a courtesy that follows

    # wherever a peer is taken
    mesh.json("submit", "What is overfitting?", "--to", "node2.axl.eth")
    assert {job["holder"] for job in mesh.json("jobs")} == {peers["node2"]}
    refused = mesh.whisper("submit", "What is overfitting?", "--to", "node9.axl.eth")
    assert refused.returncode != 0 and "means nobody" in refused.stderr
    assert mesh.whisper("kill", "node3.axl.eth").stdout.startswith("node3 ")

    # changed by hand
    assert (
        mesh.json("ens", "set", "description", "the second", "--name", "node2")["records"]["description"]
        == "the second"
    )
    kept = mesh.whisper("ens", "set", "axl.peer_id", "x", "--name", "node2")
    assert kept.returncode != 0 and "not set by hand" in kept.stderr
    nested = mesh.json("ens", "mint", "agent1.node1.axl.eth")
    assert nested["verified"] and nested["peer"] == peers["node1"]
    given = mesh.json("ens", "transfer", "node2", "0x000000000000000000000000000000000000dEaD")
    assert (given["state"], given["verified"]) == ("foreign", False)
    failed = mesh.whisper("ens", "verify", "node2.axl.eth")
    assert failed.returncode == 1 and "not signed by the account that owns it" in failed.stderr
    listed = {row["name"]: row for row in mesh.json("ens", "ls")}
    assert listed["agent1.node1.axl.eth"]["verified"] and not listed["node2.axl.eth"]["verified"]
    assert {"name", "records", "verified", "why"} <= listed["node1.axl.eth"].keys()


def test_neither_chain_nor_registrar_is_missed_and_both_heal_without_writing_anything_again(
    mesh: Mesh,
) -> None:
    assert mesh.up("--count", "2", *LOCAL).returncode == 0
    state = picture(mesh, verified(2))
    before = mesh.json("ens", "register")
    height = block(mesh)
    chain, registrar = process(state, "chain")[0], process(state, "registrar")[0]

    os.kill(chain, signal.SIGKILL)
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0
    picture(mesh, runs_again("chain", chain))
    assert block(mesh) == height

    os.kill(registrar, signal.SIGKILL)
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0
    picture(mesh, runs_again("registrar", registrar))
    after = mesh.json("ens", "register")
    assert block(mesh) == height
    assert [(row["name"], row["verified"], row["records"]) for row in after] == [
        (row["name"], row["verified"], row["records"]) for row in before
    ]


def test_a_mesh_that_comes_back_finds_its_names_and_one_that_is_added_gets_one(mesh: Mesh) -> None:
    assert mesh.up("--count", "1", *LOCAL).returncode == 0
    picture(mesh, verified(1))
    mesh.json("ens", "register")
    height = block(mesh)
    assert mesh.whisper("down").returncode == 0
    assert mesh.up("--count", "1", *LOCAL).returncode == 0
    picture(mesh, verified(1))
    assert block(mesh) == height
    assert mesh.whisper("add").returncode == 0
    state = picture(mesh, verified(2))
    assert {view.name for view in state.ens.values()} == {"node1.axl.eth", "node2.axl.eth"}


def test_without_a_chain_names_are_said_to_be_off_and_nothing_claims_one(mesh: Mesh) -> None:
    assert mesh.up("--count", "1").returncode == 0
    refused = mesh.whisper("ens", "ls")
    assert refused.returncode != 0 and "this mesh runs without a chain" in refused.stderr
    assert {node["ens_name"] for node in mesh.nodes().values()} == {""}
    assert not (mesh.folder / "registrar.json").exists()


def test_a_network_elsewhere_needs_a_node_and_its_secrets_reach_the_registrar_only(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = mesh.up("--count", "1", "--chain", "sepolia")
    assert refused.returncode != 0 and "WHISPER_RPC_URL names no node" in refused.stderr
    secret = "http://127.0.0.1:9/v3/verysecret"
    monkeypatch.setenv("WHISPER_RPC_URL", secret)
    monkeypatch.setenv("WHISPER_ENS_KEY", "ab" * 32)
    assert mesh.up("--count", "1", "--chain", "sepolia").returncode == 0
    state = picture(mesh, lambda state: state.chain is not None and bool(state.chain.problem))
    assert state.chain is not None and "cannot be asked" in state.chain.problem
    told = json.dumps(mesh.json("ens", "ls")) + mesh.whisper("ens", "ls").stdout + repr(state)
    files = b"".join(path.read_bytes() for path in mesh.folder.rglob("*") if path.is_file())
    for word in ("verysecret", "ab" * 32):
        assert word not in told and word.encode() not in files
    registrar = process(state, "registrar")[0]
    assert b"verysecret" in Path(f"/proc/{registrar}/environ").read_bytes()
    for pid in mesh.pids()[1:]:
        assert b"verysecret" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0


def test_a_provider_that_leaves_retires_its_name_and_has_it_again_when_it_is_back(mesh: Mesh) -> None:
    assert mesh.up("--count", "2", *LOCAL).returncode == 0
    picture(mesh, verified(2))
    node = mesh.nodes()["node2"]
    token = (mesh.folder / "token").read_text().strip()
    control = ControlClient(f"http://127.0.0.1:{node['control_port']}", token)
    asyncio.run(control.command("leave"))
    key = ("node2.axl.eth", node["peer"])
    retired = picture(mesh, lambda state: key in state.ens and state.ens[key].state == "retired").ens[key]
    assert not retired.verified and retired.records == {}
    assert mesh.whisper("revive", "node2").returncode == 0
    picture(mesh, verified(2))
