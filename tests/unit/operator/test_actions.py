"""Actions: who is meant, what is refused, and what is written down."""

from __future__ import annotations

import asyncio
import inspect
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.unit.operator.conftest import Running
from whisper_tui.actions import action_log, targets
from whisper_tui.actions.actions import Actions
from whisper_tui.errors import ActionError, MeshUnreachable
from whisper_tui.model.state import State, initial_state
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir


async def resolve(
    plan: Plan, *words: str, candidates: tuple[str, ...] = ("node1", "node2", "operator")
) -> list[str]:
    async def empty() -> State:
        return initial_state()

    return await targets.resolve(words, plan, candidates, empty, random.Random(1))


async def test_names_and_numbers_mean_participants_once_each(plan: Plan) -> None:
    assert await resolve(plan, "node2", "1", "2", "operator") == ["node2", "node1", "operator"]


async def test_all_means_those_it_makes_sense_for(plan: Plan) -> None:
    assert await resolve(plan, "all", candidates=("node2",)) == ["node2"]
    with pytest.raises(ActionError, match="there is nobody"):
        await resolve(plan, "all", candidates=())


async def test_random_means_a_provider_not_named_already(plan: Plan) -> None:
    assert sorted(await resolve(plan, "random", "random")) == ["node1", "node2"]
    assert await resolve(plan, "random", "node1") == ["node1", "node2"]
    with pytest.raises(ActionError, match="no provider is left"):
        await resolve(plan, "node1", "random", "random")


@pytest.mark.parametrize("word", ["node9", "nobody", "holder:q1.1", "0", "", "deadbeef"])
async def test_a_word_that_means_nobody_is_refused(plan: Plan, word: str) -> None:
    with pytest.raises(ActionError):
        await resolve(plan, word)


def written(run: RunDir) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in run.action_log.read_bytes().splitlines()]


async def test_every_action_is_written_down_with_what_does_the_same(running: Running) -> None:
    await running.ready()
    actions = Actions(running.run, "test")
    await actions.kill(["node1"], "axl")
    with pytest.raises(ActionError, match="no partition"):
        await actions.heal()
    done, refused = written(running.run)
    assert done["command"] == "whisper-tui kill node1 --only axl"
    assert (done["by"], done["outcome"]) == ("test", "done")
    assert refused["action"] == "heal"
    assert refused["outcome"] == "there is no partition to heal"


async def test_nothing_that_can_be_done_goes_unwritten_whatever_comes_of_it(run: RunDir) -> None:
    actions = Actions(run, "test")
    tried = (
        actions.submit("why?"),
        actions.cancel("q1.1"),
        actions.kill(["node1", "random"]),
        actions.pause(["node1"]),
        actions.revive(["node1"]),
        actions.partition([], ["node1"]),
        actions.heal(),
        actions.add(),
        actions.down(),
    )
    assert (
        len(tried)
        == sum(
            inspect.iscoroutinefunction(done) for name, done in inspect.getmembers(Actions) if name[0] != "_"
        )
        - 1
    )
    for action in tried:
        with pytest.raises(MeshUnreachable):
            await action
    lines = written(run)
    assert [line["action"] for line in lines] == [
        "submit", "cancel", "kill", "pause", "revive", "partition", "heal", "add", "down",
    ]  # fmt: skip
    assert lines[2]["command"] == "whisper-tui kill node1 random"
    assert all(line["by"] == "test" and "no mesh runs" in line["outcome"] for line in lines)


async def test_what_was_given_up_while_it_was_under_way_is_written_down(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = Actions(run, "test")
    monkeypatch.setattr(actions.reach.supervisor, "command", lambda *_, **__: asyncio.Event().wait())
    adding = asyncio.ensure_future(actions.add())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    (line,) = written(run)
    assert (line["action"], line["outcome"]) == ("add", "broken off: CancelledError")


async def test_the_log_is_its_owners_only_and_lines_of_several_writers_do_not_mix(run: RunDir) -> None:
    def write(number: int) -> None:
        action_log.append(run.action_log, f"writer {number}", "kill", {"names": ["x" * 4_000]}, "c", "done")

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(64)))
    assert sorted(line["by"] for line in written(run)) == sorted(f"writer {number}" for number in range(64))
    assert run.action_log.stat().st_mode & 0o777 == 0o600


async def test_read_only_refuses_and_says_so(running: Running) -> None:
    await running.ready()
    actions = Actions(running.run, "test", read_only=True)
    with pytest.raises(ActionError, match="read-only"):
        await actions.kill(["node1"])
    assert {view.state for view in (await running.client.status()).processes} == {"running"}


async def test_kill_pause_and_revive_choose_among_those_they_make_sense_for(running: Running) -> None:
    await running.ready()
    actions = Actions(running.run, "test")
    first = (await actions.kill(["random"])).action.targets
    second = (await actions.pause(["random"])).action.targets
    assert sorted(first + second) == ["node1", "node2"]
    assert sorted((await actions.revive(["all"])).action.targets) == ["node1", "node2"]


async def test_without_a_mesh_every_action_says_how_to_start_one(run: RunDir) -> None:
    actions = Actions(run, "test")
    for action in (actions.kill(["node1"]), actions.heal(), actions.down(), actions.submit("why?")):
        with pytest.raises(MeshUnreachable) as caught:
            await action
        assert "whisper-tui up" in caught.value.hint


async def test_an_empty_question_is_refused_before_anybody_is_asked(running: Running) -> None:
    with pytest.raises(ActionError, match="characters"):
        await Actions(running.run, "test").submit("   ")
