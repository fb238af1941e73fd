"""Asking, answering, looking and checking through the command line, over real processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mesh_core.api.schema import FINAL_STATES
from tests.e2e.command_line import WHISPER, Mesh

QUESTION = "What does a replay buffer do?"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Two providers that answer by search."""
    mesh = Mesh(tmp_path_factory.mktemp("work") / "run")
    up = mesh.up("--count", "2")
    assert up.returncode == 0, up.stderr
    yield mesh
    mesh.whisper("down")


def test_a_question_is_answered_with_its_sources(mesh: Mesh) -> None:
    asked = mesh.whisper("submit", QUESTION)
    assert asked.returncode == 0, asked.stderr
    assert "replay buffer stores" in asked.stdout
    assert "[1] reinforcement-learning.md" in asked.stdout
    assert "answered by search" in asked.stdout


def test_a_detached_question_returns_at_once_and_ends_by_itself(mesh: Mesh) -> None:
    taken = mesh.json("submit", QUESTION, "--detach")
    assert taken["state"] in {"accepted", "pending"}
    assert len(taken["jobs"]) == 2
    assert mesh.json("submit", QUESTION)["state"] == "answered"
    states = {job["job"]: job["state"] for job in mesh.json("jobs")}
    assert [states[job] for job in taken["jobs"]] == ["settled"] * 2


def test_an_open_question_keeps_its_corpus_over_a_start_with_another_one(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "run")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "cats.txt").write_text(
        "A cat sleeps for most of the day, curled up in the warmest place of the house."
    )
    try:
        assert mesh.up("--count", "2", "--exec-delay", "600").returncode == 0
        asked = asked_and_left(mesh)
        assert mesh.whisper("down").returncode == 0
        again = mesh.up("--count", "3", "--exec-delay", "0", "--corpus", str(notes))
        assert again.returncode == 0, again.stderr
        states = {job["label"]: job["state"] for job in until_final(mesh, asked)}
        assert states == {f"{asked}.1": "settled", f"{asked}.2": "settled", f"{asked}.c": "settled"}
        assert "replay buffer stores" in mesh.whisper("job", asked).stdout
        assert "cats.txt" in mesh.whisper("submit", "Where does a cat sleep?").stdout
    finally:
        mesh.whisper("down")


def asked_and_left(mesh: Mesh) -> str:
    """Label of a question whose asker did not wait for the answer, but was told how to find it."""
    argv = [*WHISPER, "submit", QUESTION, "--run-dir", str(mesh.folder)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as asking:
        deadline = time.monotonic() + 40
        while not any(job["holder"] for job in mesh.json("jobs")):
            assert time.monotonic() < deadline
        asking.send_signal(signal.SIGINT)
        assert asking.stderr is not None
        said = asking.stderr.read()
    assert asking.returncode == 130
    last = said.splitlines()[-1]  # after how far it was
    found = re.fullmatch(r"(q1) goes on: `.* job .*q1` shows it, `.* cancel .*q1` ends it", last)
    assert found, said
    return found[1]


def until_final(mesh: Mesh, label: str) -> list[dict[str, Any]]:
    """The jobs of a question once all of them have ended."""
    deadline = time.monotonic() + 40
    while True:
        jobs = [job for job in mesh.json("jobs") if job["label"].startswith(f"{label}.")]
        if len(jobs) == 3 and all(job["state"] in FINAL_STATES for job in jobs):
            return jobs
        assert time.monotonic() < deadline, jobs


def test_a_settled_job_has_a_receipt_that_anyone_can_check(mesh: Mesh, tmp_path: Path) -> None:
    label = mesh.json("submit", QUESTION)["label"]
    receipt = tmp_path / "receipt"
    job = mesh.json("job", f"{label}.1", "--out", str(receipt))
    checked = verify(receipt, tmp_path)
    assert checked["job"] == job["job"]
    assert checked["outcome"] == "result"
    assert len(checked["voters"]) >= job["quorum"]
    receipt.write_bytes(receipt.read_bytes()[:-1])
    with pytest.raises(AssertionError, match="proves nothing"):
        verify(receipt, tmp_path)


def verify(receipt: Path, elsewhere: Path) -> dict[str, object]:
    """Check a receipt in a folder where there is no mesh."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from whisper_tui.cli import main; main()",
            "verify",
            "receipt",
            str(receipt),
            "--json",
        ],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_guests_ask_through_any_bridge_at_once_and_leave(mesh: Mesh) -> None:
    bridge = f"http://127.0.0.1:{mesh.nodes()['node2']['axl_port']}"
    with ThreadPoolExecutor(2) as pool:
        asked = list(pool.map(lambda _: mesh.whisper("submit", QUESTION, "--axl", bridge), range(2)))
    for done in asked:
        assert done.returncode == 0, done.stderr
        assert "replay buffer stores" in done.stdout
    guests = [node for name, node in mesh.nodes().items() if name.startswith("submitter")]
    assert {guest["state"] for guest in guests} == {"left"}
    assert len({guest["peer"] for guest in guests}) == 2


def test_a_guest_with_a_key_nobody_gave_credit_is_told_so(mesh: Mesh, tmp_path: Path) -> None:
    key = tmp_path / "mine.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    bridge = f"http://127.0.0.1:{mesh.nodes()['node1']['axl_port']}"
    done = mesh.whisper("submit", QUESTION, "--axl", bridge, "--key", str(key))
    assert done.returncode == 1
    assert "nobody takes it" in done.stderr
    assert "credit" in done.stderr


def test_a_guest_cannot_be_a_participant_that_runs(mesh: Mesh) -> None:
    bridge = f"http://127.0.0.1:{mesh.nodes()['node1']['axl_port']}"
    key = mesh.folder / "node2" / "key.pem"
    done = mesh.whisper("submit", QUESTION, "--axl", bridge, "--key", str(key))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"whisper-tui: --key {key}: is the key of node2"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "nobody answers"),
        ("localhost:9002", "expected an AXL bridge"),
        ("http://127.0.0.1", "expected an AXL bridge"),
    ],
)
def test_a_bridge_that_is_none_is_one_line(mesh: Mesh, url: str, why: str) -> None:
    done = mesh.whisper("submit", QUESTION, "--axl", url)
    assert done.returncode in {2, 3}
    assert why in done.stderr.splitlines()[0]


def test_everything_can_be_looked_at(mesh: Mesh) -> None:
    label = mesh.json("submit", QUESTION)["label"]
    for command, heading in (
        (["nodes"], "NODE"),
        (["jobs"], "JOB"),
        (["bids", f"{label}.1"], "BIDDER"),
        (["ledger", "--tail", "3"], "converged"),
        (["job", f"{label}.1"], "made by"),
        (
            ["job", f"{label}.1"],
            "any 1 of 2 providers silent while the submitter answers, none while it does not; no lies",
        ),
        (["job", label], "all shards"),
        (["leases"], "nobody holds a lease"),
        (["keys"], "PEER ID"),
    ):
        done = mesh.whisper(*command)
        assert done.returncode == 0, done.stderr
        assert heading in done.stdout
    ledger = mesh.json("ledger", "--tail", "3")
    assert set(ledger["replicas"]) == {"node1", "node2", "operator"}
    assert len(ledger["records"]) == 3
    assert mesh.json("ledger", "--tail", "0")["records"] == []
    assert [job["label"] for job in mesh.json("bids", label)] == [f"{label}.{part}" for part in "12c"]
    labels = [job["label"] for job in mesh.json("jobs")]
    assert [job["label"] for job in mesh.json("jobs", "--tail", "2")] == labels[-2:]
    assert (mesh.json("jobs", "--tail", "0"), mesh.json("jobs", "--tail", "999")) == ([], mesh.json("jobs"))
    detached = mesh.whisper("submit", QUESTION, "--detach").stdout
    assert re.search(rf"job --run-dir \S*{mesh.folder.name} q", detached)


def test_a_partition_says_who_is_on_which_side(mesh: Mesh) -> None:
    try:
        assert mesh.whisper("partition", "2").stdout == "partition: node1 operator | node2\n"
    finally:
        assert mesh.whisper("heal").stdout == "the partition is healed\n"


def test_the_terms_of_a_question_are_those_of_its_jobs(mesh: Mesh) -> None:
    terms = ["--retries", "5", "--execution-timeout", "30s", "--timeout", "60", "--auction-timeout", "0.9"]
    label = mesh.json("submit", QUESTION, *terms)["label"]
    assert mesh.json("job", f"{label}.1")["auction"]["window_ms"] == 900
    done = mesh.whisper("submit", QUESTION, "--byzantine", "1")
    assert done.returncode == 1
    assert "lies of weight 1 need votes of weight 4" in done.stderr.splitlines()[0]


def test_a_job_nobody_knows_is_one_line(mesh: Mesh) -> None:
    for command in ("job", "cancel"):
        done = mesh.whisper(command, "q99.1")
        assert done.returncode == 1
        assert "q99.1" in done.stderr.splitlines()[0]


def test_a_job_can_be_cancelled_unless_it_is_decided(mesh: Mesh) -> None:
    taken = mesh.json("submit", QUESTION, "--detach")
    done = mesh.whisper("cancel", taken["jobs"][-1])
    assert done.returncode == 0 or "is decided already" in done.stderr, done.stderr
