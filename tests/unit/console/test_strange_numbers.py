"""Whatever number a stranger has written into the mesh, everything can be drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, to_builtins
from msgspec.structs import fields, replace

from mesh_core.api.schema import AttemptView, AuctionView, BidView, JobView, MemberView, RecordView
from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.console.test_views import frame_of
from whisper_tui.commands import show
from whisper_tui.model.selectors import questions
from whisper_tui.model.views import (
    events,
    header,
    incidents,
    job_page,
    jobs,
    ledger,
    market,
    node_page,
    nodes,
    question_page,
    topology,
)
from whisper_tui.model.views.base import line_cells

INTEGERS = st.integers(-(2**63), 2**64 - 1)
WIDTH = 100


def draw(mesh: Feeder) -> None:
    """Everything the console can show of a mesh."""
    frame = frame_of(mesh)
    state = frame.state
    table = jobs.jobs_table(frame, WIDTH)
    assert all(table.row(key) for key in table.keys)
    assert jobs.live_line(frame, WIDTH)
    for job in state.jobs:
        assert job_page.job_detail(frame, job, WIDTH)
    for question in questions(state):
        assert question_page.question_detail(frame, question.id, WIDTH)
    for peer in state.members:
        assert node_page.node_detail(frame, peer, WIDTH)
    assert market.auction_lines(frame, 10, WIDTH) and market.lease_lines(frame, 10)
    assert ledger.matrix(frame, WIDTH) and ledger.tail(frame, 10, WIDTH)
    members = nodes.nodes_table(frame)
    assert all(members.row(key) for key in members.keys)
    assert incidents.incident_lines(frame) and topology.ring(frame, 60, 30)
    assert line_cells(header.header(frame, header.Running(10), WIDTH)) == WIDTH


def numbers_of(kind: type[Struct]) -> list[tuple[str, type]]:
    """Fields that hold one number, and of which type."""
    return [(field.name, field.type) for field in fields(kind) if field.type in (int, float)]


def strange(one: Any, name: str, kind: type, number: int) -> Any:
    return replace(one, **{name: kind(number)})


def strange_jobs(job: JobView, number: int) -> Iterator[JobView]:
    """The job with every number in it, its attempts and its auction replaced by another, one at a time."""
    for name, kind in numbers_of(JobView):
        yield strange(job, name, kind, number)
    for name, kind in numbers_of(AttemptView):
        yield replace(job, attempts=[strange(job.attempts[0], name, kind, number), *job.attempts[1:]])
    for name, kind in numbers_of(AuctionView):
        yield replace(job, auction=strange(job.auction, name, kind, number))
    for name, kind in numbers_of(BidView):
        bids = [strange(job.auction.bids[0], name, kind, number), *job.auction.bids[1:]]
        yield replace(job, auction=replace(job.auction, bids=bids))


@settings(max_examples=300)
@given(INTEGERS)
def test_any_number_is_shown_as_a_time_of_one_width(number: int) -> None:
    assert line_cells((events.Span(events.clock(float(number))),)) == len("12:34:56.789")
    assert isinstance(show._age(float(number)), str)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**15, -1, 0])
@pytest.mark.parametrize("until", ["running", "rescued", "end"])
def test_a_job_of_any_numbers_can_be_drawn(until: str, number: int) -> None:
    for job in strange_jobs(rescue_story(until=until).jobs["q1.2"], number):
        mesh = rescue_story(until=until)
        mesh._tell_job(job)
        draw(mesh)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**15])
def test_members_and_records_of_any_numbers_can_be_drawn(number: int) -> None:
    mesh = rescue_story(until="rescued")
    record = RecordView("ab" * 32, peer_of("stranger"), 1, "job", "", "x", 0.0, 1)
    for name, kind in numbers_of(MemberView):
        stranger = replace(mesh.members["node2"], peer=peer_of(name), name="stranger")
        mesh.tell("operator", "member", to_builtins(strange(stranger, name, kind, number)))
    for name, kind in numbers_of(RecordView):
        one = strange(replace(record, hash=peer_of(name)), name, kind, number)
        mesh.tell("operator", "record", to_builtins(one))
    draw(mesh)


@pytest.mark.parametrize("written_ms", [2**63 - 1, -(2**63), 10**15])
async def test_the_console_outlives_a_job_from_the_end_of_time(written_ms: int) -> None:
    mesh = rescue_story(until="rescued")
    job = replace(
        mesh.jobs["q1.2"],
        job=os.urandom(32).hex(),
        label="q2.1",
        query=os.urandom(16).hex(),
        submitter=peer_of("stranger"),
        state="open",
        submitted_ms=float(written_ms),
        attempts=[],
        holder="",
    )
    mesh._tell_job(job)
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "tab", "G", "k", "enter")
        await bench.settle(pilot)
        assert "Question ~q2" in bench.text()
