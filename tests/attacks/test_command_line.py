"""What the operator sees and runs: hostile text shown inert, secrets in no argument, log or readable file."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from axl import keys
from mesh_core.api.client import ControlClient
from mesh_core.identity.statement import body_hash
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Voice, attacker
from tests.attacks.customer import a_job
from tests.e2e.command_line import Mesh
from tests.e2e.mesh import Participant
from whisper_tui.model.reducer import reduce
from whisper_tui.model.selectors import questions
from whisper_tui.model.state import initial_state
from whisper_tui.model.views.base import Frame
from whisper_tui.model.views.question_page import question_detail

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]X[/bold red]\u202eevil\u200b\r\nnode9 alive\x9b31m<script>alert(1)</script>"
INVISIBLE = "\u202e\u202d\u2066\u200b\u200e\ufeff"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh as its operator runs it."""
    mesh = Mesh(tmp_path_factory.mktemp("run") / "run")
    try:
        up = mesh.up("--count", "2")
        assert up.returncode == 0, up.stderr
        yield mesh
    finally:
        mesh.whisper("down")


def seats(run: Mesh) -> list[Participant]:
    """Who takes part, as an attacker finds them."""
    found = json.loads((run.folder / "run.json").read_text())["participants"]
    return [
        Participant(
            one["name"],
            run.folder / one["name"],
            one["axl_port"],
            one["listen_port"],
            one["control_port"],
            keys.load(run.folder / one["name"] / "key.pem"),
        )
        for one in found
    ]


def is_inert(text: str) -> bool:
    controls = {one for one in text if (ord(one) < 32 and one != "\n") or 0x7F <= ord(one) < 0xA0}
    return not controls and not any(one in text for one in INVISIBLE)


async def test_hostile_names_labels_and_reasons_are_shown_inert(run: Mesh, tmp_path: Path) -> None:
    victims = seats(run)
    async with attacker(tmp_path, victims) as mallory:
        odd = {"name": HOSTILE, "role": HOSTILE, "capabilities": ("answer", HOSTILE), "models": (HOSTILE,)}
        alive = mallory.alive(**odd, price_micro=2**64 - 1, shards=(2**64 - 1, -5), ens_name=HOSTILE)
        job = a_job(
            mallory.id,
            [one.key.peer for one in victims],
            label=HOSTILE[:256],
            kind=HOSTILE,
            capability=HOSTILE,
        )
        records = [mallory.record("job", job)]
        odd_labels = ("../../x", "--help", "", "q1", "q1.1", "\0", "\n" * 100, "🏴" * 60)
        records += [mallory.record("job", structs.replace(job, label=label)) for label in odd_labels]
        records += [
            mallory.record(HOSTILE, HOSTILE),
            mallory.record_at(90, bytes(32), "note", 1, written_ms=2**63),
        ]
        release = mallory.sign(st.Release(NETWORK, mallory.id, body_hash(records[0]), 1, HOSTILE))
        for victim in victims:
            await mallory.send(victim, ms.Exchange((alive,), True), ms.Records(tuple(records)))
            await mallory.send(
                victim, ms.Released(release), ms.Streamed(body_hash(records[0]), 1, 5, HOSTILE)
            )
        await mallory.is_heard(*victims)
        commands = (
            ["nodes"],
            ["jobs"],
            ["bids"],
            ["leases"],
            ["ledger"],
            ["job", body_hash(records[0]).hex()],
            ["job", "of-no-such-name"],
            ["kill", "of-no-such-name"],
        )
        shown = await asyncio.gather(*(asyncio.to_thread(run.whisper, *one) for one in commands))
        for command, done in zip(commands, shown, strict=True):
            assert "Traceback" not in done.stderr
            assert is_inert(done.stdout), (command, ascii(done.stdout)[-2000:])
            assert is_inert(done.stderr), (command, ascii(done.stderr)[-2000:])
        as_json = await asyncio.to_thread(run.whisper, "nodes", "--json")
        assert is_inert(as_json.stdout)
        assert "owned" in shown[0].stdout, "the name itself is shown"
    done = await asyncio.to_thread(run.whisper, "submit", "What is a gradient?", "--wait")
    assert done.returncode == 0, done.stderr


async def test_nothing_of_a_strangers_passes_for_the_operators_question(run: Mesh, tmp_path: Path) -> None:
    victims = seats(run)
    operator = next(one for one in victims if one.name == "operator")
    asked = await asyncio.to_thread(run.json, "submit", "What does a replay buffer do?", "--wait")
    label = asked["label"]
    async with attacker(tmp_path, victims) as mallory:
        mallory.clock_ms = 2**63 - 1
        alive = mallory.alive(name="3", capabilities=("answer",))
        job = a_job(
            mallory.id, [one.key.peer for one in victims], query=bytes.fromhex(asked["query"]), index=-1
        )
        labels = (label, f"{label}.c", f"{label}.1", "only-theirs")
        signed = [mallory.record("job", structs.replace(job, label=one)) for one in labels]
        names = [body_hash(one).hex() for one in signed]
        # A committee that is all the stranger's leases its job to somebody who was not started from here.
        sibling = Voice()
        alone = mallory.record("job", a_job(mallory.id, [sibling.id], label="held-elsewhere"))
        held = body_hash(alone)
        promises = tuple(
            one.sign(st.Promise(NETWORK, one.id, held, 1, sibling.id, None, ())) for one in (mallory, sibling)
        )
        lease = mallory.record("lease", st.LeaseCertificate(held, 1, sibling.id, promises))
        for victim in victims:
            await mallory.send(victim, ms.Exchange((alive,), True), ms.Records((*signed, alone, lease)))
        await mallory.is_heard(*victims)
        for word in (label, f"{label}.c", f"{label}.1"):
            shown = await asyncio.to_thread(run.json, "job", word)
            assert (shown["submitter"], shown["label"][: len(label)]) == (operator.peer, label)
        theirs = await asyncio.to_thread(run.whisper, "job", "only-theirs")
        assert f"~only-theirs {names[3]}" in theirs.stdout, theirs.stderr
        assert (await asyncio.to_thread(run.json, "job", names[0]))["submitter"] == mallory.peer
        bids = await asyncio.to_thread(run.json, "bids", label)
        assert len(bids) == asked["total"] + 1
        listed = (await asyncio.to_thread(run.whisper, "jobs")).stdout.splitlines()
        assert sum(line.startswith(f"~{label}.1 ") for line in listed) == 1
        ledger = await asyncio.to_thread(run.whisper, "ledger")
        assert (ledger.returncode, ledger.stderr) == (0, "")
        refused = await asyncio.to_thread(run.whisper, "kill", "holder:held-elsewhere")
        assert refused.returncode == 1
        assert f"{sibling.peer[:8]} does not run on this machine" in refused.stderr
        state = initial_state(primary=operator.peer)
        token = (run.folder / "token").read_text().strip()
        client = ControlClient(f"http://127.0.0.1:{operator.control_port}", token)
        async for event in client.events():
            state = reduce(state, event)
            if state.jobs.keys() >= {*names, *asked["jobs"]} and asked["query"] in state.queries:
                break
    frame = Frame(state, time.time() * 1000)
    own = next(one for one in questions(state) if one.id == asked["query"])
    assert {one.submitter for one in own.jobs} == {operator.peer}
    for question in questions(state):
        page = question_detail(frame, question.id, 100)
        assert ("What does a replay buffer do?" in "".join(span.text for line in page for span in line)) == (
            question == own
        )
    assert {node["provider"]["state"] for node in run.nodes().values()} == {"running", "elsewhere"}


def test_the_token_is_in_no_argument_environment_log_or_readable_file(run: Mesh) -> None:
    token = (run.folder / "token").read_bytes().strip()
    assert len(token) >= 32
    nodes = run.nodes()
    children = [nodes[seat.name][part]["pid"] for seat in seats(run) for part in ("provider", "axl")]
    for pid in (run.supervisor(), *children):
        for name in ("cmdline", "environ"):
            assert token not in Path(f"/proc/{pid}/{name}").read_bytes()
    for path in run.folder.rglob("*"):
        if path.is_file() and path.suffix not in (".db", ".sock"):
            holds = token in path.read_bytes()
            assert not holds or path.stat().st_mode & 0o077 == 0, path
            assert not holds or path.suffix not in (".log", ".out"), path
    for name in ("token", *(f"{seat.name}/key.pem" for seat in seats(run))):
        assert (run.folder / name).stat().st_mode & 0o077 == 0


FILES = {
    "nothing": b"",
    "zeros": bytes(1 << 20),
    "a nest": b"\x91" * 500_000,
    "a claim of 4 GiB": b"\xdd\xff\xff\xff\xff",
    "nested text": b"a = " + b"[" * 200_000,
    "nested steps": b'{"a":' * 100_000,
    "no text": b"\xff\xfe\x00" * 1000,
}


@pytest.mark.parametrize("what", FILES)
async def test_a_bomb_of_a_receipt_or_script_is_refused_in_a_line(tmp_path: Path, what: str) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(FILES[what])
    nowhere = Mesh(tmp_path / "run")
    for arguments in (["verify", "receipt", str(bomb)], ["--script", str(bomb)]):
        done = await asyncio.to_thread(nowhere.whisper, *arguments)
        assert done.returncode != 0
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert said.count("\n") <= 3, said[:500]
        assert is_inert(said)
        assert len(said) < 2_000
