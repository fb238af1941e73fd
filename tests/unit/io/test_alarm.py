"""Timers are judged in time, and after a stall only once the inbox is empty."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from mesh_core.io import alarm as module
from mesh_core.io.alarm import Alarm


class Inbox:
    """Counts frames and ticks; each tick remembers how many frames had been handled before it."""

    def __init__(self) -> None:
        self.frames = 0
        self.ticks: list[int] = []
        self.deadlines: list[float] = []
        self.delays: list[float] = []
        self.ticked = asyncio.Event()
        self.alarm = Alarm(self.tick, lambda: self.frames, self.delays.append)

    def tick(self) -> float | None:
        self.ticks.append(self.frames)
        self.ticked.set()
        return self.deadlines.pop(0) if self.deadlines else None

    def receive(self) -> None:
        self.frames += 1


@pytest.fixture
async def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.alarm.close()


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def wait_for_tick(inbox: Inbox) -> None:
    async with asyncio.timeout(5):
        await inbox.ticked.wait()
    inbox.ticked.clear()


async def test_it_ticks_at_each_deadline_in_turn(inbox: Inbox) -> None:
    inbox.deadlines = [in_s(0.002), in_s(0.004)]
    inbox.alarm.arm(in_s(0.001))
    for _ in range(3):
        await wait_for_tick(inbox)
    assert len(inbox.ticks) == 3


async def test_an_earlier_deadline_replaces_a_later_one_and_not_the_other_way_round(inbox: Inbox) -> None:
    inbox.alarm.arm(in_s(3600.0))
    inbox.alarm.arm(in_s(0.001))
    inbox.alarm.arm(in_s(3600.0))
    inbox.alarm.arm(None)
    await wait_for_tick(inbox)
    assert len(inbox.ticks) == 1


async def test_after_a_stall_frames_that_were_waiting_come_first(inbox: Inbox) -> None:
    """The process stands still past its deadline; what piled up needs several turns of the loop to arrive."""
    loop = asyncio.get_running_loop()
    inbox.alarm.arm(in_s(0.001))
    time.sleep(0.03)  # noqa: ASYNC251 (the stall itself)

    def arrive(left: int) -> None:
        inbox.receive()
        if left:
            loop.call_later(0.002, arrive, left - 1)

    loop.call_soon(lambda: loop.call_soon(arrive, 5))
    await wait_for_tick(inbox)
    assert inbox.ticks == [6]
    assert inbox.delays
    assert inbox.delays[0] >= 0.02


async def test_a_stream_without_end_does_not_keep_timers_from_being_judged(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_MAX_S", 0.05)
    loop = asyncio.get_running_loop()

    def flood() -> None:
        inbox.receive()
        if not inbox.ticks:
            loop.call_later(0.001, flood)

    inbox.alarm.arm(in_s(0.001))
    time.sleep(0.03)  # noqa: ASYNC251 (the stall itself)
    flood()
    await wait_for_tick(inbox)
    assert inbox.ticks[0] > 1


async def test_it_never_ticks_after_it_was_closed(inbox: Inbox) -> None:
    inbox.alarm.arm(in_s(0.001))
    inbox.alarm.close()
    inbox.alarm.arm(in_s(0.001))
    await asyncio.sleep(0.01)
    assert inbox.ticks == []
