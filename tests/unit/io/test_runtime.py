"""Effects are carried out in their order, those that need the disk after it, and no surprise stops the node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mesh_core.config import limit
from mesh_core.effects import (
    CancelJob,
    Effect,
    Execute,
    Executed,
    FrameReceived,
    Input,
    JobOptions,
    Leave,
    NeighboursChanged,
    Notify,
    Partition,
    Persist,
    Progressed,
    PutBlob,
    PutMeta,
    PutStatement,
    Send,
    StopExecution,
    SubmitQuery,
    Tick,
    Write,
)
from mesh_core.io.clock import Clock
from mesh_core.io.problems import Problems
from mesh_core.io.runtime import Runtime
from mesh_core.io.store_file import StoreError
from mesh_core.io.unwritten import WRITE_OVERHEAD_BYTES
from mesh_core.node import Refusal
from mesh_core.wire.messages import Message, Nack, Work

PEER = b"p" * 32
JOB = b"j" * 32
WORK = Work("answer", "why?", "", 0)


class FakeNode:
    """Answers each input with the effects it was given for it."""

    def __init__(self) -> None:
        self.answers: list[list[Effect] | Exception] = []
        self.inputs: list[Input] = []
        self.deadline: float | None = None
        self.ticked = asyncio.Event()

    def start(self, now: float) -> list[Effect]:
        return []

    def step(self, now: float, event: Input) -> list[Effect]:
        self.inputs.append(event)
        if isinstance(event, Tick):
            self.deadline = None
            self.ticked.set()
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    def next_deadline(self) -> float | None:
        return self.deadline


class FakeDisk:
    """Counts tickets; durable when told."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Write]] = []

    def submit(self, writes: Sequence[Write]) -> int:
        self.batches.append(writes)
        return len(self.batches)


class World:
    """A runtime whose effects end in one list."""

    def __init__(self) -> None:
        self.node, self.disk = FakeNode(), FakeDisk()
        self.done: list[object] = []
        self.mentioned: list[str] = []
        self.traces: list[str] = []
        self.store_failures: list[StoreError] = []
        self.problems = Problems(
            self.mentioned.append, lambda: None, lambda name, trace: self.traces.append(trace)
        )
        self.clock = Clock()
        self.runtime = Runtime(
            self.node,
            self.disk,
            self.clock,
            self.problems,
            lambda kind, fields: self.done.append(kind),
            self.store_failures.append,
        )
        self.runtime.connect(self, self)

    def send(self, to: bytes, message: Message) -> None:
        assert isinstance(message, Nack)
        self.done.append(message.number)

    def flush(self) -> None:
        """Nothing is held back here."""

    def start(self, job: bytes, epoch: int, work: Work) -> None:
        self.done.append(("start", epoch))

    def stop(self, job: bytes, epoch: int) -> None:
        self.done.append(("stop", epoch))

    def step(self, *effects: Effect) -> None:
        self.node.answers.append(list(effects))
        self.runtime.step(Leave())

    async def durable(self, ticket: int) -> None:
        self.runtime.durable(ticket)
        await asyncio.sleep(0)


@pytest.fixture
async def world() -> Any:
    made = World()
    yield made
    made.runtime.close()


def send(number: int, *, after_disk: bool = True) -> Send:
    return Send(PEER, Nack(number), after_disk)


def persist() -> Persist:
    return Persist((PutMeta("key", b"value"),))


async def test_without_writes_everything_happens_at_once(world: World) -> None:
    world.step(send(1), Notify("moment", {}), Execute(JOB, 1, WORK), StopExecution(JOB, 1))
    assert world.done == [1, "moment", ("start", 1), ("stop", 1)]


async def test_what_follows_a_write_waits_for_the_disk_and_keeps_its_order(world: World) -> None:
    world.step(send(1), persist(), send(2), Execute(JOB, 1, WORK), persist(), send(3), Notify("moment", {}))
    assert world.done == [1]
    await world.durable(1)
    assert world.done == [1, 2, ("start", 1)]
    await world.durable(2)
    assert world.done == [1, 2, ("start", 1), 3, "moment"]


async def test_probes_do_not_wait_for_a_slow_disk(world: World) -> None:
    world.step(persist(), send(1), send(2, after_disk=False), StopExecution(JOB, 1))
    assert world.done == [2, ("stop", 1)]


async def test_a_later_step_waits_behind_the_writes_of_an_earlier_one(world: World) -> None:
    world.step(persist(), send(1))
    world.step(send(2))
    assert world.done == []
    await world.durable(1)
    assert world.done == [1, 2]
    world.step(send(3))
    assert world.done == [1, 2, 3]


async def test_what_several_frames_cause_leaves_together_and_at_once(world: World) -> None:
    world.node.answers = [[send(1), persist()], [send(2), send(3, after_disk=False)]]
    flushes: list[list[object]] = []
    world.flush = lambda: flushes.append(list(world.done))
    world.runtime.receive([b"one", b"two"])
    assert flushes == [[1, 3]]
    await world.durable(1)
    assert flushes == [[1, 3], [1, 3, 2]]


async def test_what_the_runtime_writes_itself_counts_too(world: World) -> None:
    ticket = world.runtime.persist((PutMeta("boot", b"1"),))
    world.step(send(1))
    assert world.done == []
    await world.durable(ticket)
    assert world.done == [1]


async def refuse(world: World, batches: int = 1) -> None:
    """As much waits for the disk as may."""
    size = limit("unwritten_bytes_max") // batches
    for number in range(batches):
        world.step(Persist((PutBlob(bytes([number]) * 32, bytes(size)),)), send(number))


async def test_a_node_whose_disk_refuses_for_long_stands_still_and_forgets_nothing(world: World) -> None:
    await refuse(world, 4)
    seen = list(world.node.inputs)
    world.runtime.receive([b"one", b"two"])
    world.runtime.neighbours({PEER: False})
    world.runtime.neighbours({PEER: True})
    world.runtime.step(Progressed(JOB, 1, 1, "a"))
    world.runtime.step(Executed(JOB, 1, b"result", None))
    with pytest.raises(Refusal, match="the disk refuses"):
        world.runtime.submit(SubmitQuery("why?", "", "", (0,), JobOptions()))
    assert (world.node.inputs, world.runtime.frames_unread, world.done) == (seen, 2, [])
    assert world.problems.text == "64 MiB wait for the disk: this node stands still until it writes"
    await world.durable(2)
    assert world.done == [0, 1]
    assert world.node.inputs[len(seen) :] == [
        NeighboursChanged({PEER: True}),
        Executed(JOB, 1, b"result", None),
    ]
    assert world.problems.text == ""
    world.runtime.receive([b"three"])
    assert world.node.inputs[-1] == FrameReceived(b"three")
    await world.durable(4)
    assert world.done == [0, 1, 2, 3]


async def test_no_timer_fires_while_a_node_stands_still_and_those_that_are_due_fire_afterwards(
    world: World,
) -> None:
    world.node.deadline = world.clock.now() + 0.001
    await refuse(world)
    async with asyncio.timeout(5):
        while world.runtime._alarm._deadline != float("inf"):  # noqa: ASYNC110 (a timer that does nothing tells nobody)
            await asyncio.sleep(0)
    assert not world.node.ticked.is_set()
    await world.durable(1)
    async with asyncio.timeout(5):
        await world.node.ticked.wait()
    assert not any("did not run" in line for line in world.mentioned)


async def test_what_waits_for_the_disk_is_bounded_however_much_comes(world: World) -> None:
    frame_of_records = [PutStatement(PEER, seq, bytes(32), bytes(1_000)) for seq in range(500)]
    for _ in range(1_000):
        world.node.answers = [[Persist(tuple(frame_of_records))]]
        world.runtime.receive([b"records"])
    step_bytes = 500 * (1_000 + WRITE_OVERHEAD_BYTES)
    assert (
        limit("unwritten_bytes_max")
        <= world.runtime.unwritten_bytes
        < limit("unwritten_bytes_max") + step_bytes
    )
    queued = sum(len(batch) for batch in world.disk.batches) * (1_000 + WRITE_OVERHEAD_BYTES)
    assert queued == world.runtime.unwritten_bytes


async def test_its_owner_can_still_end_it(world: World) -> None:
    await refuse(world)
    for wish in (Leave(), Partition(frozenset()), CancelJob(JOB, "no")):
        world.runtime.step(wish)
        assert world.node.inputs[-1] == wish


async def test_a_bug_costs_its_input_and_nothing_else(world: World) -> None:
    world.node.answers.append(ZeroDivisionError("boom"))
    world.runtime.receive([b"poison"])
    world.step(send(1))
    assert world.done == [1]
    assert world.runtime.bugs == {"handling FrameReceived: ZeroDivisionError": 1}
    assert world.mentioned == ["internal error while handling FrameReceived: ZeroDivisionError: boom"]
    assert "ZeroDivisionError: boom" in world.traces[0]


async def test_a_bug_in_what_an_effect_sets_off_spares_the_next_effects(world: World) -> None:
    def fail(to: bytes, message: Message) -> None:
        raise OverflowError("boom")

    world.send = fail
    world.step(send(1), Notify("moment", {}))
    assert world.done == ["moment"]
    assert world.runtime.bugs == {"carrying out Send: OverflowError": 1}


async def test_the_same_bug_again_is_counted_and_not_repeated(world: World) -> None:
    for _ in range(50):
        world.node.answers.append(KeyError("x"))
        world.runtime.receive([b"poison"])
    assert sum(world.runtime.bugs.values()) == 50
    assert len(world.mentioned) == len(world.traces) == 1


async def test_a_store_that_gives_up_is_told_on_the_event_loop(world: World) -> None:
    error = StoreError("gone")
    await asyncio.to_thread(world.runtime.failed, error)
    await asyncio.to_thread(world.runtime.problem, "disk full")
    await asyncio.sleep(0)
    assert world.store_failures == [error]
    assert world.problems.text == "disk full"


async def test_the_node_is_ticked_when_its_deadline_has_passed(world: World) -> None:
    world.node.deadline = world.clock.now() + 0.002
    world.step()
    async with asyncio.timeout(5):
        await world.node.ticked.wait()
    assert isinstance(world.node.inputs[-1], Tick)


async def test_a_wall_clock_that_is_set_is_mentioned_and_changes_nothing(world: World) -> None:
    world.clock._offset -= 10.0
    world.node.deadline = world.clock.now()
    world.runtime._tick()
    assert [type(event) for event in world.node.inputs] == [Tick]
    assert world.mentioned == ["the wall clock was set +10.0 s; only displayed times change"]
    world.runtime._tick()
    assert len(world.mentioned) == 1


async def test_a_process_that_stood_still_says_so(world: World) -> None:
    world.runtime._held_up(0.3)
    assert world.mentioned == []
    world.runtime._held_up(4.0)
    assert world.mentioned == ["this process did not run for 4.0 s; it was stopped or starved"]
    assert world.runtime.lag_max_s == 4.0


def test_problems_stand_until_they_are_over() -> None:
    mentioned: list[str] = []
    changes: list[str] = []
    problems = Problems(mentioned.append, lambda: changes.append(problems.text), lambda name, trace: None)
    problems.set("store", "disk full")
    problems.set("store", "disk full")
    problems.set("axl", "no answer")
    problems.set("store", "")
    problems.set("store", "")
    assert changes == ["disk full", "disk full; no answer", "no answer"]
    assert mentioned == ["disk full", "no answer", "over: disk full"]
