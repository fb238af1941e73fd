"""Dialogs that go as soon as they come."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.console.feeder import rescue_story
from tests.unit.console.harness import Bench
from whisper_tui import themes
from whisper_tui.screens.confirm import ConfirmDialog, Question
from whisper_tui.screens.submit import SubmitDialog
from whisper_tui.widgets.painting import Painter


@pytest.mark.parametrize("steps", range(14))
async def test_a_dialog_may_be_left_while_it_is_still_being_made(steps: int) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        dialog = SubmitDialog(Painter(themes.MONO.styles, ascii_only=True), bench.clock.monotonic, str)
        bench.console.push_screen(dialog)
        for _ in range(steps):
            await asyncio.sleep(0)
        dialog.dismiss(None)
        await bench.settle(pilot)
        assert "NODE" in bench.text()


async def test_a_frame_that_is_due_while_the_console_closes_finds_a_dialog_without_content() -> None:
    """What is on the screens goes before the screens themselves."""
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        question = Question("Stop node1?", "nothing else", "whisper-tui kill node1")
        dialog = ConfirmDialog(question, Painter(themes.MONO.styles, ascii_only=True), bench.clock.monotonic)
        bench.console.push_screen(dialog)
        await bench.settle(pilot)
        assert "Stop node1?" in bench.text()
        await dialog.remove_children()
        bench.console.draw()
        await bench.settle(pilot)
        assert "Stop node1?" not in bench.text()
