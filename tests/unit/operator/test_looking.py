"""What the commands that look, and those that start a mesh, make of what they are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesh_core.api.schema import Counters, JobView, ReplicaView, State
from mesh_core.corpus_report import CorpusReport, LeftOut
from tests.unit.console.feeder import peer_of, rescue_story
from whisper_tui.commands import show
from whisper_tui.commands.show import _agreement, _compared
from whisper_tui.reach import Reach, _by_preference
from whisper_tui.supervisor.launch import left_out
from whisper_tui.supervisor.plan import Plan, Seat
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView, Status


def replica(root: str, heads: dict[str, int], missing: int = 0, records: int | None = None) -> ReplicaView:
    return ReplicaView(
        root, "vector", sum(heads.values()) if records is None else records, heads, missing, {}, []
    )


def test_a_replica_misses_what_any_other_holds() -> None:
    held = {
        "operator": replica("r", {"a": 200, "b": 99}),
        "node1": replica("r", {"a": 192, "b": 100}),
        "node2": replica("r", {"b": 100}, missing=3),
    }
    compared = _compared(held)
    assert {name: view.missing for name, view in compared.items()} == {
        "operator": 1,
        "node1": 8,
        "node2": 200,
    }
    assert _agreement(compared) == "converged on one state, 3 replicas still lack records"


def test_gaps_a_replica_knows_of_itself_count_when_nobody_else_fills_them() -> None:
    assert _compared({"node1": replica("r", {"a": 1}, missing=3)})["node1"].missing == 3


def test_replicas_with_equal_states_and_records_are_converged() -> None:
    assert _agreement(_compared({name: replica("r", {"a": 7}) for name in ("node1", "node2")})) == "converged"


def test_replicas_of_different_length_are_said_to_be() -> None:
    shortened = {"node1": replica("r", {"a": 7}), "node2": replica("r", {"a": 7}, records=3)}
    assert _agreement(_compared(shortened)) == "converged, of different length (3 to 7 records kept)"


def test_different_roots_are_a_divergence() -> None:
    assert _agreement({"node1": replica("r", {}), "node2": replica("s", {})}) == "diverged"


def test_without_the_operator_one_of_those_that_are_together_is_asked() -> None:
    names = ("node1", "node2", "node3", "operator")
    processes = [ProcessView(name, part, state="running") for name in names for part in ("provider", "axl")]
    seats = [Seat(name, "provider", "", 1, 1, 1) for name in names]
    status = Status(1, "", 0.0, True, Plan(participants=seats), processes, [])
    assert asked_first(status) == "operator"
    alone = [
        view for view in processes if view.name != "operator" and (view.name, view.part) != ("node1", "axl")
    ]
    gone = [ProcessView("operator", "provider", state="killed"), ProcessView("node1", "axl", state="killed")]
    assert asked_first(msgspec.structs.replace(status, processes=[*alone, *gone])) == "node2"
    cut = msgspec.structs.replace(status, processes=[*alone, gone[0]], sides=[["node3", "node2"], ["node1"]])
    assert asked_first(cut) == "node2"


def asked_first(status: Status) -> str:
    return _by_preference(status)[0].name


def test_files_left_out_of_a_corpus_are_told_by_reason_once() -> None:
    skipped = [LeftOut("a symbolic link, not followed", 228, "a/b.md"), LeftOut("binary", 1, "c.txt")]
    report = CorpusReport("p", "h", 1, 1, 1, True, skipped)
    assert left_out(report) == [
        "corpus: 228 files left out, such as a/b.md: a symbolic link, not followed",
        "corpus: c.txt, left out: binary",
    ]
    assert left_out(msgspec.structs.replace(report, new=False)) == []


class Looked:
    """What the commands that look print of a mesh that tells of these jobs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._mesh = rescue_story(until="running")
        self._capsys = capsys
        self.jobs: list[JobView] = list(self._mesh.jobs.values())
        self.members = list(self._mesh.members.values())
        plan = Plan(
            participants=[Seat(name, "provider", peer_of(name), 1, 1, 1) for name in self._mesh.everyone]
        )

        async def status(_: Reach) -> Status:
            return Status(1, "", 0.0, True, plan, [], [])

        async def state(_: Reach) -> State:
            return self._state()

        for name, value in {"plan": lambda _: plan, "state": state, "status": status}.items():
            monkeypatch.setattr(Reach, name, value)

    def says(self, command: str, *args: Any) -> list[str]:
        asyncio.run(getattr(show, command)(RunDir(Path("run")), *args))
        return self._capsys.readouterr().out.splitlines()

    def _state(self) -> State:
        operator = self._mesh._node("operator")
        nothing = replica("r", {})
        return State(
            1, 0.0, operator, self.members, self.jobs, [], [], nothing, Counters(0, 0, 0, 0, 0, 0), {}
        )


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Looked:
    return Looked(monkeypatch, capsys)


def test_a_job_whose_committee_has_lost_its_quorum_is_stalled_in_the_shell_too(looked: Looked) -> None:
    looked.jobs = [msgspec.structs.replace(job, live_weight=job.quorum - 1) for job in looked.jobs]
    stalled = "stalled: needs 1 more vote"
    for command, args in (("jobs", (None, False)), ("leases", (False,))):
        _, *rows = looked.says(command, *args)
        assert len(rows) == len(looked.jobs) and all(f" {stalled} " in row for row in rows), rows
    assert f"state      {stalled}" in looked.says("job", "q1.1", None, False)


def test_a_job_that_goes_on_is_not_stalled(looked: Looked) -> None:
    told = [*looked.says("jobs", None, False), *looked.says("leases", False)]
    assert sum(" leased " in line for line in told) == 2 * len(looked.jobs)
    assert not any("stalled" in line for line in told)


def test_a_job_that_nobody_took_from_a_guest_is_not_simply_open(looked: Looked) -> None:
    guest = msgspec.structs.replace(looked.members[0], peer="ee" * 32, state="left", role="submitter")
    looked.members.append(guest)
    looked.jobs = [
        msgspec.structs.replace(job, state="open", epoch=0, holder="", accepted_ms=0.0, submitter=submitter)
        for job, submitter in zip(looked.jobs, (guest.peer, looked.jobs[1].submitter), strict=False)
    ]
    _, first, second = looked.says("jobs", None, False)
    assert " open: its submitter has gone " in first
    assert " open " in second and "gone" not in second


def test_a_lease_without_a_memory_of_its_jobs_acceptance_is_stalled_all_the_same(looked: Looked) -> None:
    """Only the submitter remembers it, until it is started again."""
    looked.jobs = [msgspec.structs.replace(job, live_weight=1, accepted_ms=0.0) for job in looked.jobs]
    assert all("needs 3 more votes" in row for row in looked.says("jobs", None, False)[1:])
