"""Makes the pictures of the README from a live mesh: `python screenshots/make.py`.

Six providers are asked a question, three of them are killed while they answer it. The console that is drawn is the
real one, fed by the mesh; `report.json` keeps what the pictures show in numbers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from textual.pilot import Pilot

from whisper_tui.actions.actions import Actions
from whisper_tui.app import HZ, Console, ConsoleOptions
from whisper_tui.model import selectors
from whisper_tui.model.state import State
from whisper_tui.reach import live_source
from whisper_tui.script.doing import Question, Victims, kill, submit
from whisper_tui.script.looking import streaming
from whisper_tui.script.mesh import Mesh, running
from whisper_tui.settings import Settings
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir

HERE = Path(__file__).resolve().parent
LARGE, SMALL = (120, 40), (80, 24)
QUESTION = "How does a network learn from its mistakes?"
PATIENCE_S = 180.0


async def main() -> None:
    """Run the story once and write pictures and report."""
    wishes = Wishes(count=6, fast=True, exec_delay=3.0, auto_ports=True)
    with tempfile.TemporaryDirectory(prefix="whisper-pictures-") as folder:
        run = RunDir(Path(folder))
        async with running(run, wishes, Settings({}, None, None), Random(1), say, lambda _, __: None) as mesh:
            await until(mesh, lambda state: selectors.node_counts(state).agreed == 6)
            console = Console(
                live_source(run, mesh.plan),
                Actions(run, "console"),
                ConsoleOptions(
                    primary=mesh.plan.operator.peer, exec_delay_ms=mesh.plan.exec_delay * 1000, hz=HZ
                ),
            )
            async with console.run_test(size=LARGE) as pilot:
                await tell(mesh, console, pilot)


async def tell(mesh: Mesh, console: Console, pilot: Pilot[Any]) -> None:
    """The story: asked, at work, three killed, rescued, answered."""
    await drawn(pilot)
    await submit(mesh.stage, Question(query=QUESTION))
    await until(mesh, lambda state: len({job.holder for job in streaming(state)}) >= 3)
    await drawn(pilot)
    keep(console, "working")
    await kill(mesh.stage, Victims(nodes=["streaming", "streaming", "streaming"]))
    await until(mesh, lambda state: state.incidents[-1].reclaimed_ms is not None)
    await drawn(pilot)
    keep(console, "rescue")
    await until(mesh, lambda state: state.incidents[-1].converged_ms is not None)
    await until(mesh, lambda state: selectors.find_query(state, "q1").state == "answered")
    await drawn(pilot)
    keep(console, "answered")
    await pilot.press("tab", "enter")
    await drawn(pilot)
    keep(console, "question")
    await pilot.press("escape", "j", "j", "enter")
    await drawn(pilot)
    keep(console, "job")
    await pilot.press("escape")
    await pilot.resize_terminal(*SMALL)
    await drawn(pilot)
    keep(console, "small")
    await pilot.press("tab", "X", "r")
    await drawn(pilot)
    keep(console, "confirm")
    await pilot.press("escape", "escape")
    write_report(mesh.picture.state)


async def until(mesh: Mesh, holds: Callable[[State], bool]) -> None:
    """Wait for the mesh to come to a point of the story."""
    async with asyncio.timeout(PATIENCE_S):
        await mesh.picture.until(holds)


async def drawn(pilot: Pilot[Any]) -> None:
    """Let the console draw what has just happened: a few of its frames."""
    await pilot.pause(3 / HZ)


def keep(console: Console, name: str) -> None:
    """Write what the console shows."""
    (HERE / f"{name}.svg").write_text(console.export_screenshot(title="whisper"), encoding="utf-8")
    say(f"{name}.svg")


def write_report(state: State) -> None:
    """The figures of this run, for whoever compares them with the pictures."""
    incident = state.incidents[-1]
    answer = selectors.find_query(state, "q1").answer
    report = {
        "question": QUESTION,
        "killed": sorted(incident.targets),
        "stages_ms": {
            name: round(ms) for name, ms in selectors.incident_stages(incident).items() if ms is not None
        },
        "counters": msgspec.to_builtins(selectors.counters(state)),
        "backend": answer.backend if answer else None,
        "passages": len(answer.passages) if answer else 0,
    }
    (HERE / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def say(line: str) -> None:
    """Progress goes to stderr."""
    print(line, file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
