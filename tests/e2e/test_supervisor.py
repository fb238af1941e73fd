"""The command line over real processes: a mesh goes up, is hurt, comes back, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import FREE_PORTS, WHISPER, Mesh, all_end, watching
from whisper_tui.settings import Settings
from whisper_tui.supervisor.launch import launched
from whisper_tui.supervisor.ports import free_base
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir

STARTED = b"ask something"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """An empty run directory; whatever runs in it is taken down in the end."""
    mesh = Mesh(tmp_path / "run")
    yield mesh
    mesh.whisper("down")


def test_a_mesh_goes_up_is_hurt_comes_back_and_leaves_nothing(mesh: Mesh) -> None:
    up = mesh.up("--count", "3")
    assert up.returncode == 0, up.stderr
    assert "3 providers and the operator up and converged" in up.stdout
    nodes = mesh.nodes()
    assert [node["state"] for node in nodes.values()] == ["alive"] * 4

    assert mesh.whisper("kill", "node1").returncode == 0
    assert mesh.whisper("pause", "2").returncode == 0
    hurt = mesh.nodes()
    assert hurt["node1"]["provider"]["state"] == hurt["node1"]["axl"]["state"] == "killed"
    assert hurt["node2"]["provider"]["state"] == hurt["node2"]["axl"]["state"] == "paused"

    assert mesh.whisper("revive", "all").returncode == 0
    back = mesh.nodes()
    assert {node["provider"]["state"] for node in back.values()} == {"running"}
    assert back["node1"]["provider"]["pid"] != nodes["node1"]["provider"]["pid"]
    assert back["node2"]["provider"]["pid"] == nodes["node2"]["provider"]["pid"]
    assert [node["peer"] for node in back.values()] == [node["peer"] for node in nodes.values()]

    assert mesh.whisper("kill", "operator").returncode == 0
    assert mesh.nodes()["operator"]["provider"]["state"] == "killed"
    asked = mesh.whisper("submit", "why?")
    assert asked.returncode == 3
    assert re.search(rf"whisper-tui revive --run-dir \S*{mesh.folder.name} operator`", asked.stderr)

    assert mesh.whisper("pause", "node3").returncode == 0
    with watching(mesh.pids()) as handles:
        down = mesh.whisper("down")
        assert down.returncode == 0, down.stderr
        assert all_end(handles, 1.0)
    for port in mesh.ports():
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))


async def test_what_is_typed_while_the_mesh_comes_up_waits_for_it(mesh: Mesh) -> None:
    wishes = Wishes(count=3, fast=True, auto_ports=True, light=True)
    async with launched(RunDir(mesh.folder), wishes, Settings({}, None, None), print):  # nobody is up yet
        nodes = await asyncio.to_thread(mesh.nodes)
        assert [node["state"] for node in nodes.values()] == ["alive"] * 4
        asked = await asyncio.to_thread(mesh.json, "submit", "What is overfitting?")
        assert asked["state"] == "answered" and asked["total"] == 3


def test_when_the_supervisor_is_killed_nothing_outlives_it_by_two_seconds(mesh: Mesh) -> None:
    assert mesh.up("--count", "2").returncode == 0
    assert mesh.whisper("pause", "node1").returncode == 0
    pids = mesh.pids()
    with watching(pids) as handles:
        os.kill(pids[0], signal.SIGKILL)
        assert all_end(handles, 2.0)
    gone = mesh.whisper("nodes")
    assert gone.returncode == 3
    assert "no mesh runs in" in gone.stderr
    again = mesh.up()
    assert again.returncode == 0, again.stderr
    assert "2 providers" in again.stdout


def test_an_axl_node_that_knows_no_lifeline_ends_with_its_supervisor_too(mesh: Mesh, tmp_path: Path) -> None:
    node = tmp_path / "axl-node"
    node.write_text(f'#!/bin/sh\nunset WHISPER_LIFELINE_FD\nexec {sys.executable} -m axl "$@"\n')
    node.chmod(0o755)
    up = mesh.up("--count", "1", "--axl-node", str(node))
    assert up.returncode == 0, up.stderr
    pids = mesh.pids()
    with watching(pids) as handles:
        os.kill(pids[0], signal.SIGKILL)
        assert all_end(handles, 2.0)


def test_a_damaged_store_is_named_and_the_others_go_on(mesh: Mesh) -> None:
    assert mesh.up("--count", "3").returncode == 0
    assert mesh.whisper("down").returncode == 0
    store = mesh.folder / "node2" / "store.db"
    for beside in store.parent.glob("store.db-*"):
        beside.unlink()
    store.write_bytes(b"not a store" * 1000)
    up = mesh.whisper("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert "node2 provider: exit code 3" in up.stdout
    assert "store" in up.stdout
    assert "2 providers and the operator up and converged" in up.stdout
    assert store.read_bytes().startswith(b"not a store")


def test_a_second_up_attaches_and_other_flags_are_refused(mesh: Mesh) -> None:
    assert mesh.up("--count", "2").returncode == 0
    pid = mesh.supervisor()
    second = mesh.whisper("up", "--no-console")
    assert second.returncode == 0
    assert "running already" in second.stdout
    other = mesh.whisper("up", "--detach", "--count", "5", "--no-fast")
    assert other.returncode == 2
    assert "the mesh that runs here has count 2, fast on" in other.stderr.splitlines()[0]
    assert mesh.supervisor() == pid


def test_a_start_that_fails_keeps_nothing_of_what_was_wished_for(mesh: Mesh, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "note.txt").write_text("A mesh that does not start is not a mesh.")
    wrong = ("--axl-node", "/bin/false", "--corpus", str(notes), "--count", "3")
    first = mesh.up(*wrong)
    assert first.returncode == 3, first.stderr
    assert not (mesh.folder / "run.json").exists()
    assert mesh.up("--count", "2").returncode == 0
    assert mesh.whisper("down").returncode == 0
    before = (mesh.folder / "run.json").read_text()
    assert mesh.up(*wrong).returncode == 3
    assert (mesh.folder / "run.json").read_text() == before
    again = mesh.whisper("up", "--detach")
    assert "2 providers and the operator up and converged" in again.stdout, again.stderr


def test_a_stopped_mesh_comes_back_with_its_keys_ports_and_stores(mesh: Mesh) -> None:
    assert mesh.up("--count", "2").returncode == 0
    before = mesh.nodes()
    assert mesh.whisper("down").returncode == 0
    assert mesh.whisper("up", "--detach").returncode == 0
    after = mesh.nodes()
    for field in ("peer", "axl_port", "control_port"):
        assert [node[field] for node in after.values()] == [node[field] for node in before.values()]


def test_a_port_in_use_is_named_before_anything_is_started(mesh: Mesh) -> None:
    base = free_base(2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", base + 2))
        other.listen()
        done = mesh.whisper("up", "--detach", "--light", "--count", "2", "--port-base", str(base))
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert f"port {base + 2}, wanted for the AXL bridge of node2, is in use" in first
    assert "--port-base auto" in hint
    assert not (mesh.folder / "supervisor.json").exists()


# ------------------------------------------------------------------------------------- at a terminal


class Terminal:
    """`up --no-console` at a terminal of its own."""

    def __init__(self, mesh: Mesh) -> None:
        argv = [
            *WHISPER,
            "up",
            "--no-console",
            "--fast",
            "--count",
            "2",
            *FREE_PORTS,
            "--run-dir",
            str(mesh.folder),
        ]
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it (nohup)
            os.execv(argv[0], argv)

    def until(self, text: bytes) -> bytes:
        """Read until `text` has been printed."""
        seen = b""
        deadline = time.monotonic() + 40
        while text not in seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, seen
            seen += os.read(self.master, 4096)
        return seen

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def exit_code(self) -> int:
        with watching([self.pid]) as handles:
            assert all_end(handles, 20)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def hang_up(self) -> None:
        os.close(self.master)


def test_a_hung_up_terminal_leaves_a_mesh_that_is_found_and_ended(mesh: Mesh) -> None:
    terminal = Terminal(mesh)
    terminal.until(STARTED)
    terminal.hang_up()
    assert terminal.exit_code() == -signal.SIGHUP
    assert {node["provider"]["state"] for node in mesh.nodes().values()} == {"running"}
    with watching(mesh.pids()) as handles:
        assert mesh.whisper("down").returncode == 0
        assert all_end(handles, 1.0)


def test_ctrl_c_ends_everything_that_was_started_here(mesh: Mesh) -> None:
    terminal = Terminal(mesh)
    terminal.until(b"Ctrl-C ends it all")
    with watching(mesh.pids()) as handles:
        terminal.press(b"\x03")
        assert terminal.exit_code() == 0
        assert all_end(handles, 1.0)
    terminal.hang_up()
    assert not (mesh.folder / "supervisor.json").exists()


def test_ctrl_c_while_it_starts_leaves_nothing(mesh: Mesh) -> None:
    terminal = Terminal(mesh)
    terminal.until(b"starting")
    deadline = time.monotonic() + 20
    while not (mesh.folder / "supervisor.json").exists():
        assert time.monotonic() < deadline
    pid = mesh.supervisor()
    with watching([pid]) as handles:
        terminal.press(b"\x03")
        assert terminal.exit_code() == 130
        assert all_end(handles, 5.0)
    terminal.hang_up()
    assert mesh.whisper("nodes").returncode == 3


def test_an_operator_whose_store_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "run")
    try:
        assert mesh.up("--count", "3", "--light").returncode == 0
        assert mesh.whisper("submit", "what is attention?").returncode == 0
        assert mesh.whisper("down").returncode == 0
        (mesh.folder / "operator" / "store.db").unlink()
        again = mesh.whisper("up", "--detach")
        assert again.returncode == 3
        assert f"store {mesh.folder}/operator/store.db is missing, but commit " in again.stderr
        assert "put the newer one back, or move key and store away" in again.stderr
        for file in (mesh.folder / "operator").glob("store.db*"):
            file.unlink()
        again = mesh.whisper("up", "--detach")
        assert again.returncode == 3
        assert "operator provider: key retired: peers hold record " in again.stderr
        assert "put the newer store back, or move the key away and start with a new one" in again.stderr
        (mesh.folder / "operator" / "key.pem").unlink()
        for file in (mesh.folder / "operator").glob("store.db*"):
            file.unlink()
        assert mesh.whisper("up", "--detach").returncode == 0
    finally:
        mesh.whisper("down")
