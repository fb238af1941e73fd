"""An action is done when the picture shows it, and what it did."""

import asyncio
from pathlib import Path

from tests.unit.console.feeder import START_MS
from tests.unit.script.stand_in import StandIn
from whisper_tui.script import doing
from whisper_tui.script.doing import Nodes
from whisper_tui.supervisor.schema import ActionMoment, Outcome, ProcessView


async def test_an_action_is_done_when_its_processes_are_seen_as_it_left_them(tmp_path: Path) -> None:
    mesh = StandIn(tmp_path)
    stage = mesh.stage()

    async def pause(names: list[str]) -> Outcome:
        mesh.feeder.action("pause", names, "whisper-tui pause node1")
        mesh.tell()
        moment = ActionMoment("pause", names, "script", START_MS + mesh.feeder.now_ms, "")
        return Outcome(moment, [ProcessView("node1", "provider", state="paused")])

    mesh.actions.pause = pause  # type: ignore[method-assign]
    pausing = asyncio.create_task(doing.pause(stage, Nodes(["node1"])))
    await mesh.picture.awaited.wait()
    assert not pausing.done(), "the action is told, its effect is not"
    mesh.feeder.tell("supervisor", "process", {"name": "node1", "part": "provider", "state": "paused"})
    mesh.tell()
    assert await pausing == "pause node1"


async def test_what_was_starting_is_waited_for_until_it_runs_or_has_ended(tmp_path: Path) -> None:
    mesh = StandIn(tmp_path)
    stage = mesh.stage()

    async def revive(names: list[str]) -> Outcome:
        mesh.feeder.action("revive", names, "whisper-tui revive node1")
        moment = ActionMoment("revive", names, "script", START_MS + mesh.feeder.now_ms, "")
        return Outcome(moment, [ProcessView("node1", "provider", state="starting")])

    mesh.actions.revive = revive  # type: ignore[method-assign]
    reviving = asyncio.create_task(doing.revive(stage, Nodes(["node1"])))
    await mesh.picture.awaited.wait()
    mesh.tell()
    mesh.feeder.tell("supervisor", "process", {"name": "node1", "part": "provider", "state": "running"})
    mesh.tell()
    assert await reviving == "revive node1"


async def test_a_question_is_asked_when_the_operators_node_shows_it(tmp_path: Path) -> None:
    mesh = StandIn(tmp_path)
    stage = mesh.stage()
    assert await doing.submit(stage, doing.Question("why?")) == "submitted as q1"
    assert mesh.picture.state.queries
