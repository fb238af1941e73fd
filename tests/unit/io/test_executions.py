"""Workloads end in exactly one input of the node, or in none when they were stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.effects import Executed, Progressed
from mesh_core.io import executions as module
from mesh_core.io.executions import Executions
from mesh_core.wire.messages import Work
from mesh_core.work.errors import WorkError

JOB = b"j" * 32
WORK = Work("answer", "why?", "", 0)


class Scripted:
    """Runs what the test says."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.pieces: list[str] = []
        self.outcome: bytes | Exception = b"result"
        self.cancelled = False
        self.progress: Callable[[int, str], None] | None = None

    async def run(self, work: Work, on_progress: Callable[[int, str], None]) -> bytes:
        self.progress = on_progress
        for number, piece in enumerate(self.pieces, start=1):
            on_progress(number, piece)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Told:
    """What the node heard."""

    def __init__(self) -> None:
        self.inputs: list[Executed | Progressed] = []
        self.bugs: list[str] = []
        self.ended = asyncio.Event()
        self.executor = Scripted()
        self.executions = Executions(self.executor, self.tell, lambda doing, error: self.bugs.append(doing))

    def tell(self, event: Executed | Progressed) -> None:
        self.inputs.append(event)
        if isinstance(event, Executed):
            self.ended.set()

    async def end(self) -> None:
        self.executor.go.set()
        async with asyncio.timeout(5):
            await self.ended.wait()


async def test_a_result_is_told_once() -> None:
    told = Told()
    told.executions.start(JOB, 1, WORK)
    told.executions.start(JOB, 1, WORK)
    await told.end()
    assert told.inputs == [Executed(JOB, 1, b"result", None)]
    assert (told.executions.counters.started, told.executions.counters.finished) == (1, 1)
    assert len(told.executions) == 0


@pytest.mark.parametrize(
    ("outcome", "error", "bugs"),
    [
        (WorkError("the corpus is missing"), "the corpus is missing", []),
        (ValueError("oops"), "internal error: ValueError", ["executing answer"]),
    ],
)
async def test_a_failure_is_an_error_with_its_reason(outcome: Exception, error: str, bugs: list[str]) -> None:
    told = Told()
    told.executor.outcome = outcome
    told.executions.start(JOB, 2, WORK)
    await told.end()
    assert told.inputs == [Executed(JOB, 2, None, error)]
    assert told.bugs == bugs
    assert told.executions.counters.failed == 1


async def test_a_stopped_workload_is_cancelled_and_not_heard_of() -> None:
    told = Told()
    told.executions.start(JOB, 1, WORK)
    await asyncio.sleep(0)
    told.executions.stop(JOB, 1)
    told.executions.stop(JOB, 9)
    await told.executions.close()
    await asyncio.sleep(0)
    assert told.executor.cancelled
    assert told.inputs == []
    assert told.executions.counters.stopped == 1


async def test_the_first_token_is_told_at_once_and_the_rest_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRESS_PERIOD_S", 3600.0)
    told = Told()
    told.executor.pieces = ["a", "b", "c"]
    told.executions.start(JOB, 1, WORK)
    await asyncio.sleep(0)
    assert told.inputs == [Progressed(JOB, 1, 1, "a")]
    await told.end()
    assert told.inputs == [
        Progressed(JOB, 1, 1, "a"),
        Progressed(JOB, 1, 3, "bc"),
        Executed(JOB, 1, b"result", None),
    ]


async def test_gathered_text_follows_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRESS_PERIOD_S", 0.001)
    told = Told()
    told.executor.pieces = ["a", "b"]
    heard = asyncio.Event()
    told.executions._tell = lambda event: (told.tell(event), len(told.inputs) == 2 and heard.set())
    told.executions.start(JOB, 1, WORK)
    async with asyncio.timeout(5):
        await heard.wait()
    assert told.inputs[1] == Progressed(JOB, 1, 2, "b")
    await told.executions.close()


async def test_progress_after_the_end_goes_nowhere() -> None:
    told = Told()
    told.executions.start(JOB, 1, WORK)
    await told.end()
    assert told.executor.progress
    told.executor.progress(5, "late")
    assert told.inputs == [Executed(JOB, 1, b"result", None)]


async def test_closing_stops_everything() -> None:
    told = Told()
    for epoch in range(3):
        told.executions.start(JOB, epoch, WORK)
    await asyncio.sleep(0)
    await told.executions.close()
    assert len(told.executions) == 0
    assert told.inputs == []
