"""Who elects the first checkpoint of a mesh on this machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.prepare import Wishes, make_plan, new_provider, prepare
from whisper_tui.supervisor.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.make()
    return run


def started(run: RunDir, stored: Plan | None, count: int) -> Plan:
    return prepare(run, make_plan(stored, Wishes(count=count, auto_ports=True)))


def named_in(run: RunDir, name: str) -> list[str]:
    settings = tomllib.loads(run.participant(name).settings.read_text())
    electors: list[str] = settings["electors"]
    return electors


def providers(plan: Plan) -> list[str]:
    return [seat.peer for seat in plan.participants if seat.role == "provider"]


def test_the_providers_of_the_first_start_elect_and_everybody_knows(run: RunDir) -> None:
    plan = started(run, None, 6)
    assert plan.electors == providers(plan)
    assert all(named_in(run, seat.name) == plan.electors for seat in plan.participants)


def test_a_large_mesh_has_as_many_as_a_certificate_bears(run: RunDir) -> None:
    plan = started(run, None, 14)
    assert plan.electors == providers(plan)[:11]


def test_who_joins_later_knows_the_first_electors_and_is_none(run: RunDir) -> None:
    plan = started(run, None, 3)
    grown, seat = new_provider(run, plan)
    assert grown.electors == plan.electors and seat.peer not in plan.electors
    assert named_in(run, seat.name) == plan.electors
    assert started(run, grown, 6).electors == plan.electors


def test_a_provider_with_another_key_leaves_the_others_electors(run: RunDir) -> None:
    plan = started(run, None, 6)
    run.participant("node2").key.unlink()
    assert started(run, plan, 6).electors == plan.electors


def test_when_too_few_are_left_and_nothing_was_dropped_others_elect(run: RunDir) -> None:
    plan = started(run, None, 6)
    smaller = started(run, plan, 3)
    assert smaller.electors == providers(smaller)
    assert len(smaller.electors) == 3


def test_electors_stay_once_a_store_cannot_be_read_or_goes_on_from_a_checkpoint(run: RunDir) -> None:
    plan = started(run, None, 6)
    run.participant("node5").store.write_bytes(b"no store")
    assert started(run, plan, 3).electors == plan.electors
