"""A console at the other end of a slow link: bytes are counted where the terminal is, time is what they take to get there."""

from __future__ import annotations

import math
from io import StringIO
from statistics import median
from typing import Any

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from tests.unit.console.feeder import Feeder, rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.app import Console
from whisper_tui.terminal.link import ASK, Link
from whisper_tui.terminal.pace import BYTES_MAX, BYTES_MIN, PIECE_S, Pace
from whisper_tui.terminal.picture import Picture

KEY_S = {32_000: 0.1, 8_000: 0.15}
"""The answer to a key is on the screen within this time, whatever else is on its way. It has some 450 bytes itself: at
8 kB/s they take 0.06 s."""

STEP_S = 0.01
TICK_S = 0.25
SECOND_BYTES_MAX = 25 * 1024


class SlowTerminal:
    """A terminal behind a link that carries so many bytes a second, and what it shows. Its clock is the link's."""

    def __init__(self, size: tuple[int, int], bytes_per_second: int, way_s: float = 0.0) -> None:
        self.now = 0.0
        self.rate, self.way_s = bytes_per_second, way_s
        self.wanted, self.shown = Picture(*size), Picture(*size)
        self.link = Link(StringIO(), self.wanted, monotonic=lambda: self.now)
        self.received = 0
        self._under_way: list[tuple[float, str]] = []
        self._free_at = 0.0

    def step(self) -> None:
        """A hundredth of a second goes by: what has come is shown and answered for, the next piece is sent."""
        self.now += STEP_S
        while self._under_way and self.now >= self._under_way[0][0] - 1e-9:
            _, data = self._under_way.pop(0)
            self.shown.feed(data.replace(ASK, ""))
            self.received += len(data.encode())
            if ASK in data:
                self.link.answered()
        while data := self.link.next_piece():
            self._free_at = max(self.now, self._free_at) + len(data.encode()) / self.rate
            self._under_way.append((self._free_at + self.way_s, data))

    @property
    def rests(self) -> bool:
        return not self._under_way and not self.wanted.is_due

    def lines(self) -> list[str]:
        return ["".join(char or "" for char, _ in row) for row in self.shown.cells()]


class LinkedDriver(HeadlessDriver):
    """Draws through the link of the terminal that is set."""

    terminal: SlowTerminal

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.terminal.link.feed(data, (self.terminal.wanted.width, self.terminal.wanted.height))


def behind(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], rate: int, way_s: float = 0.0
) -> SlowTerminal:
    terminal = SlowTerminal(size, rate, way_s)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr(LinkedDriver, "terminal", terminal, raising=False)
    monkeypatch.setattr("textual.app.App.get_driver_class", lambda _: LinkedDriver)
    monkeypatch.setattr(Console, "_link", property(lambda _: terminal.link))
    return terminal


async def go_on(bench: Bench, pilot: Pilot[Any], terminal: SlowTerminal, seconds: float) -> None:
    """Time passes at both ends, with a frame each quarter of a second."""
    for _ in range(round(seconds / STEP_S)):
        before = terminal.now
        terminal.step()
        if before // TICK_S != terminal.now // TICK_S:
            bench.mesh.wait(TICK_S * 1000)
            bench.clock.seconds += TICK_S
            bench.source.more.set()
            await pilot.pause()
            bench.console.tick()
            await pilot.pause()


def work(mesh: Feeder, number: int) -> None:
    """A quarter of a second of a busy mesh."""
    label, quarter = f"q{number // 4 + 1}", number % 4
    if quarter == 0:
        mesh.submit(label=label)
    for node in range(1, 7):
        job = f"{label}.{node}"
        if quarter == 0:
            mesh.award(job, f"node{node}")
            mesh.lease(job, f"node{node}")
        elif quarter < 3:
            mesh.stream(job, 100 * quarter + node)
        else:
            mesh.settle(job)


@pytest.mark.parametrize("way_s", [0.0, 0.06], ids=["near", "far"])
@pytest.mark.parametrize("rate", [32_000, 8_000])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_key_is_answered_at_once_however_busy_the_mesh_is(
    size: tuple[int, int], rate: int, way_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = behind(monkeypatch, size, rate, way_s)
    bench = Bench(rescue_story(until="started"))
    took: list[float] = []
    async with bench.console.run_test(size=size, headless=False) as pilot:
        await go_on(bench, pilot, terminal, 6)
        begin = terminal.received
        for number in range(24):
            work(bench.mesh, number)
            await go_on(bench, pilot, terminal, TICK_S + STEP_S * (number % 7))
            key, at = ("j", 1) if number % 2 == 0 else ("k", 0)
            pressed = terminal.now
            terminal.link.hurry()
            await pilot.press(key)
            await pilot.pause()
            target = bench.console.main.overview.nodes.table.keys[at]
            assert bench.console.main.overview.nodes.cursor == target
            while f"›node{at + 1} " not in "\n".join(terminal.lines()):
                terminal.step()
                assert terminal.now - pressed < 2, "never"
            took.append(terminal.now - pressed)
        spent = (terminal.received - begin) / (24 * (TICK_S + 3 * STEP_S))
    assert median(took) <= 0.1 + way_s and max(took) <= KEY_S[rate] + way_s, sorted(
        round(one, 2) for one in took
    )[-8:]
    assert spent <= min(rate, SECOND_BYTES_MAX)


async def test_the_latest_frame_wins_and_the_header_says_that_the_link_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = behind(monkeypatch, (120, 40), 2_000)
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(120, 40), headless=False) as pilot:
        for number in range(16):
            work(bench.mesh, number)
            await go_on(bench, pilot, terminal, TICK_S)
        await go_on(bench, pilot, terminal, 2)
        assert "slow link" in bench.lines()[0]
        for _ in range(60):
            await go_on(bench, pilot, terminal, 0.5)
        assert terminal.rests
        assert [line.rstrip() for line in terminal.lines()] == bench.lines()
        assert "slow link" not in bench.lines()[0] and "24✓" in terminal.lines()[0]


def test_pieces_shrink_to_what_a_slow_link_carries_in_a_moment_and_grow_where_it_is_quick() -> None:
    slow, now = Pace(), 0.0
    assert slow.limit is None
    for size in (4_000, *[600] * 40):
        piece = min(size, slow.limit or size)
        now += piece / 8_000
        slow.arrived(now, piece, piece / 8_000)
        now += 0.1
        slow.arrived(now, 20, 20 / 8_000)
    assert slow.limit is not None and BYTES_MIN <= slow.limit <= 8_000 * 2 * PIECE_S
    quick = Pace()
    quick.arrived(0.0, 4_000, 0.001)
    assert quick.limit == BYTES_MAX
    far = Pace()
    for number in range(60):
        far.arrived(number / 10, min(6_000, far.limit or 6_000), 0.15)
    assert far.limit is not None and far.limit >= 6_000, "a long way is not a slow one"
    assert math.isfinite(far.limit)
