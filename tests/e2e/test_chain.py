"""The local chain as a process of its own: beside a mesh, killed, damaged, and asked from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ens import ENS
from eth_account import Account
from web3 import Web3
from web3.providers import HTTPProvider

from mesh_core.chain import addresses
from mesh_core.chain.local.genesis import CHAIN_ID, genesis_accounts
from tests.e2e.command_line import Mesh
from tests.ports import free_ports
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView

PATIENCE_S = 30.0
OTHER = "0x" + "22" * 20


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    mesh = Mesh(tmp_path / "run")
    yield mesh
    mesh.whisper("down")


@contextmanager
def chain(folder: Path, module: str = "mesh_core.chain.local", **variables: str) -> Iterator[Any]:
    """A chain that runs, and what it said when it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, "--dir", str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, **variables},
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def call(url: str, method: str, *params: Any) -> Any:
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(url, json=asked, timeout=PATIENCE_S, trust_env=False).json()
    assert "result" in answer, answer
    return answer["result"]


def payment(folder: Path, nonce: int) -> str:
    """A signed transaction of the root account."""
    root = Account.from_key((folder / "root.key").read_text().strip())
    fields = {"nonce": nonce, "to": OTHER, "value": 1, "gas": 21_000, "gasPrice": 10**11, "chainId": CHAIN_ID}
    return "0x" + bytes(root.sign_transaction(fields).raw_transaction).hex()


def test_what_was_answered_is_kept_although_the_process_is_killed(tmp_path: Path) -> None:
    sent: list[str] = []
    for _ in range(3):
        with chain(tmp_path) as (process, told):
            for digest in sent:
                assert call(told["url"], "eth_getTransactionReceipt", digest)["status"] == "0x1"
            assert call(told["url"], "eth_getBalance", OTHER, "latest") == hex(len(sent))
            for _ in range(3):
                sent.append(call(told["url"], "eth_sendRawTransaction", payment(tmp_path, len(sent))))
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_it_ends_when_it_is_told_to_and_has_nothing_left_to_write(tmp_path: Path) -> None:
    with chain(tmp_path) as (process, told):
        call(told["url"], "eth_sendRawTransaction", payment(tmp_path, 0))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain.db", "root.key"]


def test_what_keeps_it_from_starting_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "root.key").write_text("no key")
    (tmp_path / "root.key").chmod(0o600)
    argv = [sys.executable, "-P", "-m", "mesh_core.chain.local", "--dir", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("chain: ") and "expected 64 hex digits" in line


# ---------------------------------------------------------------------------------------- beside a mesh


def running(mesh: Mesh, fits: Callable[[ProcessView], bool]) -> ProcessView:
    """The chain's process as soon as it runs and is as wished for."""

    async def until() -> ProcessView:
        client = SupervisorClient(RunDir(mesh.folder))
        async with asyncio.timeout(PATIENCE_S), aclosing(client.events()) as events:
            async for event in events:
                if event.kind == "process" and event.data["part"] == "chain":
                    view = ProcessView(**event.data)
                    if view.state == "running" and fits(view):
                        return view
        raise AssertionError("the supervisor ended")

    return asyncio.run(until())


def test_a_mesh_has_a_chain_beside_it_that_may_die_and_comes_back_with_all_it_had(mesh: Mesh) -> None:
    assert mesh.up("--count", "3", "--chain", "local").returncode == 0
    first = running(mesh, lambda _: True)
    ns = ENS.from_web3(Web3(HTTPProvider(first.note)))
    folder = mesh.folder / "chain"
    root = Account.from_key((folder / "root.key").read_text().strip()).address
    assert ns.owner("axl.eth") == root
    newest = call(first.note, "eth_getBlockByNumber", "latest", False)

    os.kill(first.pid, signal.SIGKILL)
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0
    again = running(mesh, lambda view: view.pid != first.pid)
    assert again.note == first.note
    assert call(again.note, "eth_getBlockByHash", newest["hash"], False) == newest

    down = mesh.whisper("down")
    assert down.returncode == 0 and "chain" in down.stdout
    with pytest.raises(httpx.ConnectError):
        call(again.note, "eth_chainId")


def test_a_mesh_without_a_chain_starts_none(mesh: Mesh) -> None:
    assert mesh.up("--count", "2", "--chain", "off").returncode == 0
    assert not (mesh.folder / "chain").exists()
    assert mesh.whisper("submit", "What is overfitting?").returncode == 0


# ------------------------------------------------------------------------------------------------ anvil

ANVIL = '''#!{python}
"""Answers like an anvil: keeps what it is told to set, writes it down, and says how it was started."""
import json, pathlib, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

option = dict(zip(sys.argv[1::2], sys.argv[2::2]))
state = pathlib.Path(option["--state"])
kept = json.loads(state.read_text()) if state.exists() else {{}}
kept["argv"] = sys.argv[1:]

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, params = asked["method"], asked["params"]
        if method.startswith("anvil_set"):
            kept.setdefault(method, []).append(params)
            result = None
        elif method == "eth_getCode":
            codes = {{where.lower(): code for where, code in kept.get("anvil_setCode", [])}}
            result = codes.get(params[0].lower(), "0x")
        else:
            result = hex(int(option["--chain-id"]))
        body = json.dumps({{"jsonrpc": "2.0", "id": 1, "result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def end(*_):
    state.write_text(json.dumps(kept))
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
HTTPServer(("127.0.0.1", int(option["--port"])), Handler).serve_forever()
'''


def test_an_anvil_gets_the_same_names_once_and_keeps_them(tmp_path: Path) -> None:
    programs, folder = tmp_path / "bin", tmp_path / "chain"
    programs.mkdir()
    (programs / "anvil").write_text(ANVIL.format(python=sys.executable))
    (programs / "anvil").chmod(0o700)
    path = f"{programs}:{os.environ['PATH']}"
    for _ in range(2):
        with chain(folder, "mesh_core.chain.anvil", PATH=path) as (process, told):
            assert told["chain_id"] == CHAIN_ID
            assert call(told["url"], "eth_getCode", addresses.REGISTRY, "latest") != "0x"
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
    kept = json.loads((folder / "anvil.json").read_text())
    accounts = genesis_accounts(bytes.fromhex(told["root"][2:]))
    assert len(kept["anvil_setCode"]) == sum(1 for account in accounts.values() if account.code)
    assert len(kept["anvil_setStorageAt"]) == sum(len(account.storage) for account in accounts.values())
    assert {"--no-cors", "--silent"} < set(kept["argv"])


def test_without_an_anvil_it_says_so_and_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    argv = [sys.executable, "-P", "-m", "mesh_core.chain.anvil", "--dir", str(tmp_path)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (3, "chain: no anvil is on PATH\n")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    argv = [
        sys.executable,
        "-P",
        "-m",
        "mesh_core.chain.local",
        "--dir",
        str(tmp_path / "b"),
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        [*argv[:-3], str(tmp_path / "a"), "--port", str(port)], stdout=subprocess.PIPE
    ) as first:
        try:
            assert first.stdout is not None and first.stdout.readline()
            done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            assert done.returncode == 2
            assert f"cannot listen on port {port}" in done.stderr
        finally:
            first.kill()
