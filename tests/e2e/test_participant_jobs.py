"""Questions answered from a real corpus by real processes, by search alone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axl import keys
from mesh_core.api.client import ControlError
from mesh_core.api.receipt import verify_receipt
from mesh_core.api.schema import QueryView
from mesh_core.crypto import Verifier
from mesh_core.work.result import decode_answer
from tests.e2e.mesh import PATIENCE_S, Mesh, Participant
from tests.e2e.processes import limit_files

TEXT = """Attention lets a model weigh every word of its input against every other one.

The weights come from the similarity of queries and keys, and select among values.
"""


class PublicKeys(Verifier):
    """Checks signatures with nothing but public keys."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        return keys.verify(peer, data, signature)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The index of one short document, as one shard."""
    source, out = tmp_path / "documents", tmp_path / "corpus"
    source.mkdir()
    (source / "attention.txt").write_text(TEXT)
    argv = [
        sys.executable,
        "-m",
        "mesh_core.work.corpus",
        "build",
        "--source",
        str(source),
        "--shards",
        "1",
        "--out",
        str(out),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    return next(out.glob("*.db"))


def market(
    mesh: Mesh, corpus: Path, providers: int, *, exec_delay_s: float = 0.0
) -> tuple[Participant, list[Participant]]:
    """An operator and providers that know the corpus."""
    operator = mesh.add("operator")
    workers = [
        mesh.add(f"node{number + 1}", executes=True, submitters=[operator]) for number in range(providers)
    ]
    for participant in [operator, *workers]:
        line = f'corpus_index = "{corpus}"\nexec_delay_s = {exec_delay_s}\n[credit]\n'
        participant.change("[credit]\n", line)
    return operator, workers


async def answered(operator: Participant) -> QueryView:
    state = await operator.state_when(
        lambda state: bool(state.queries) and state.queries[0].state != "running"
    )
    return state.queries[0]


async def test_a_question_is_answered_and_its_receipt_stands_alone(mesh: Mesh, corpus: Path) -> None:
    operator, workers = market(mesh, corpus, 2)
    mesh.start()
    await mesh.converged()
    submitted = await operator.client().command("submit", text="What does attention do?")
    assert submitted["state"] == "accepted"
    query = await answered(operator)
    assert (query.state, query.settled, query.total) == ("answered", 1, 1)
    assert query.answer is not None
    assert query.answer.backend == "search"
    assert query.answer.passages[0].text in TEXT
    answer = decode_answer(await operator.client().result(submitted["jobs"][0]))
    assert answer.passages[0].source == "attention.txt"
    receipt = verify_receipt(PublicKeys(), await workers[0].client().certificate(submitted["jobs"][0]))
    assert (receipt.job.hex(), receipt.outcome) == (submitted["jobs"][0], "result")
    assert receipt.holder.hex() in {worker.peer for worker in workers}
    with pytest.raises(ControlError, match="no result that this node can open"):
        await workers[0].client().result(submitted["jobs"][0])


async def test_the_holder_is_killed_and_another_finishes(mesh: Mesh, corpus: Path) -> None:
    operator, workers = market(mesh, corpus, 3, exec_delay_s=1.0)
    mesh.start()
    await mesh.converged()
    await operator.client().command("submit", text="What does attention do?")
    state = await operator.state_when(lambda state: bool(state.jobs) and state.jobs[0].tokens > 0)
    holder = next(worker for worker in workers if worker.peer == state.jobs[0].holder)
    holder.end()
    query = await answered(operator)
    assert query.state == "answered"
    job = (await operator.client().state()).jobs[0]
    assert job.holder != holder.peer
    assert job.rescued
    assert [attempt.outcome for attempt in job.attempts] == ["lost", "settled"]


async def test_a_job_that_tolerates_a_lie_settles_in_three_phases_although_its_holder_dies(
    mesh: Mesh, corpus: Path
) -> None:
    operator, workers = market(mesh, corpus, 4, exec_delay_s=1.0)
    mesh.start()
    await mesh.converged()
    terms = {"text": "What does attention do?", "fault_bound": 1, "submitter_weight": 2}
    submitted = await operator.client().command("submit", **terms)
    state = await operator.state_when(lambda state: bool(state.jobs) and state.jobs[0].tokens > 0)
    holder = next(worker for worker in workers if worker.peer == state.jobs[0].holder)
    holder.end()
    assert (await answered(operator)).state == "answered"
    witness = next(worker for worker in workers if worker is not holder)
    receipt = verify_receipt(PublicKeys(), await witness.client().certificate(submitted["jobs"][0]))
    assert (receipt.fault_bound, receipt.total_weight, receipt.quorum) == (1, 6, 4)
    assert receipt.weight >= 4
    assert receipt.holder.hex() != holder.peer


async def test_a_receipt_is_not_handed_out_before_it_is_on_disk(mesh: Mesh, corpus: Path) -> None:
    """It holds a record of whoever settled the job: killed now, it would sign another one in its place."""
    operator, workers = market(mesh, corpus, 3, exec_delay_s=0.5)
    mesh.start()
    await mesh.converged()
    before = {worker.peer: (await worker.client().state()).seq for worker in workers}
    submitted = await operator.client().command("submit", text="What does attention do?")
    state = await operator.state_when(lambda state: bool(state.jobs) and state.jobs[0].tokens > 0)
    holder = next(worker for worker in workers if worker.peer == state.jobs[0].holder)
    witnesses = [worker.provider for worker in workers if worker is not holder]
    assert holder.provider
    async with asyncio.timeout(PATIENCE_S):
        for witness in witnesses:
            assert witness
            witness.send_signal(signal.SIGSTOP)  # two of four are left: no quorum yet
        assert (await holder.event("proposed", before[holder.peer])).data["epoch"] == 1
        limit_files(holder.provider.pid, 0)
        for witness in witnesses:
            assert witness
            witness.send_signal(signal.SIGCONT)
        await holder.state_when(lambda state: state.jobs[0].state == "settled")
        with pytest.raises(ControlError, match="no certificate yet, or this node's disk does not"):
            await holder.client().certificate(submitted["jobs"][0])
        limit_files(holder.provider.pid, None)
        assert (await answered(operator)).state == "answered"
        receipt = verify_receipt(PublicKeys(), await holder.client().certificate(submitted["jobs"][0]))
    assert receipt.epoch == 1


async def test_everybody_restarted_finishes_what_was_open(mesh: Mesh, corpus: Path) -> None:
    operator, workers = market(mesh, corpus, 2, exec_delay_s=1.0)
    mesh.start()
    await mesh.converged()
    await operator.client().command("submit", text="What does attention do?")
    await operator.state_when(lambda state: bool(state.jobs) and state.jobs[0].state == "leased")
    for participant in [operator, *workers]:
        participant.end()
    mesh.start()
    query = await answered(operator)
    assert (query.state, query.settled) == ("answered", 1)
    assert query.answer is not None
    assert query.answer.passages


async def test_a_cancelled_job_stops_running(mesh: Mesh, corpus: Path) -> None:
    operator, workers = market(mesh, corpus, 2, exec_delay_s=60.0)
    mesh.start()
    await mesh.converged()
    await operator.client().command("submit", text="What does attention do?")
    state = await operator.state_when(lambda state: bool(state.jobs) and state.jobs[0].tokens > 0)
    holder = next(worker for worker in workers if worker.peer == state.jobs[0].holder)
    await operator.client().command("cancel", job="q1")
    query = await answered(operator)
    assert query.state == "cancelled"
    await holder.state_when(lambda state: state.jobs[0].state == "cancelled")
    async with asyncio.timeout(PATIENCE_S):
        while "whisper_executions_running 0" not in await holder.client().metrics():
            await holder.event("replica")
