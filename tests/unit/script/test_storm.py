"""A storm breaks and mends within its bounds, is the same for the same seed, and leaves a whole mesh."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.unit.script.stand_in import PROVIDERS, StandIn
from whisper_tui.clock import RealClock
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.script.storm import OPEN_QUERIES_MAX, Storm, _ask, _Weather, storm

MINUTE = Storm(lasting="1m", query="why?", every="500ms", away="2s")


class Hurried(RealClock):
    """Sleeping costs nothing."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def now(self) -> float:
        return self.slept_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        await asyncio.sleep(0)


def hurried(folder: Path) -> StandIn:
    mesh = StandIn(folder)
    mesh.clock = Hurried()
    return mesh


def replay(done: list[tuple[str, list[str]]]) -> tuple[int, set[str], bool]:
    """The most that were out of reach at once; who still is at the end; whether the mesh is split then."""
    silent: set[str] = set()
    cut: set[str] = set()
    most = 0
    for action, names in done:
        if action in ("kill", "pause"):
            silent |= set(names)
        elif action == "revive":
            silent -= set(names)
        elif action == "partition":
            cut = set(names)
        elif action == "heal":
            cut = set()
        most = max(most, len(silent | cut))
    return most, silent, bool(cut)


async def test_a_storm_ends_with_everybody_back_and_the_mesh_whole(tmp_path: Path) -> None:
    mesh = hurried(tmp_path)
    did = await storm(mesh.stage(Random("a")), MINUTE)
    most, silent, split = replay(mesh.actions.done)
    assert (silent, split) == (set(), False)
    assert 1 <= most <= 4, "a quorum is left, or misses one vote for a while"
    actions = {action for action, _ in mesh.actions.done}
    assert {"kill", "pause", "revive", "partition", "heal"} <= actions
    assert "disturbances" in did


async def test_nobody_is_broken_who_is_broken_already(tmp_path: Path) -> None:
    mesh = hurried(tmp_path)
    await storm(mesh.stage(Random("b")), MINUTE)
    down: set[str] = set()
    for action, names in mesh.actions.done:
        if action in ("kill", "pause"):
            assert down.isdisjoint(names)
            assert set(names) <= set(PROVIDERS), "the operator asks, so it stays"
            down |= set(names)
        elif action == "revive":
            assert set(names) <= down
            down -= set(names)
    assert {"kill", "pause", "revive"} <= {action for action, _ in mesh.actions.done}


async def test_questions_are_asked_as_long_as_there_is_room(tmp_path: Path) -> None:
    mesh = hurried(tmp_path)

    def answer_oldest() -> None:
        waiting = [label for label, query in mesh.feeder.queries.items() if query.state == "running"]
        if waiting:
            mesh.feeder.answer(waiting[0])

    mesh.actions.then["kill"] = answer_oldest
    await storm(mesh.stage(Random("c")), MINUTE)
    queries = mesh.feeder.queries.values()
    assert len(queries) > OPEN_QUERIES_MAX
    assert sum(query.state == "running" for query in queries) <= OPEN_QUERIES_MAX
    assert len({query.text for query in queries}) == len(queries)


async def test_a_question_that_is_refused_is_asked_again_when_members_have_come_or_gone(
    tmp_path: Path,
) -> None:
    mesh = hurried(tmp_path)
    stage = mesh.stage(Random("d"))
    mesh.actions.refusal = ActionError("no live provider is known here yet")
    asking = asyncio.create_task(_ask(stage, "why?", _Weather(PROVIDERS)))
    await mesh.picture.awaited.wait()
    mesh.picture.awaited.clear()
    mesh.actions.refusal = None
    mesh.feeder.confirm("node1")
    mesh.tell()
    await mesh.picture.awaited.wait()
    assert len(mesh.feeder.queries) == OPEN_QUERIES_MAX
    asking.cancel()


async def test_a_mesh_that_is_gone_ends_the_storm(tmp_path: Path) -> None:
    mesh = hurried(tmp_path)
    mesh.actions.refusal = MeshUnreachable("the supervisor has ended")
    with pytest.raises(MeshUnreachable):
        await storm(mesh.stage(Random("e")), MINUTE)
