"""What can be done to a mesh, over stand-ins for its processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import Any

import pytest

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.http import HttpError, Server
from whisper_tui.commands import act
from whisper_tui.supervisor.api import Api
from whisper_tui.supervisor.plan import Plan
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.supervisor import Supervisor


def states(supervisor: Supervisor, name: str) -> dict[str, str]:
    return {view.part: view.state for view in supervisor.status().processes if view.name == name}


def pids(supervisor: Supervisor) -> dict[tuple[str, str], int]:
    return {(view.name, view.part): view.pid for view in supervisor.status().processes}


def told(run: RunDir, name: str) -> list[list[str]]:
    """What a stand-in was told to hide, in order."""
    lines = (run.logs / f"{name}.out").read_text().splitlines()
    prefix = "/commands/partition "
    return [json.loads(line.removeprefix(prefix))["hidden"] for line in lines if line.startswith(prefix)]


async def test_everything_is_started_at_once_and_said_to_be_ready(supervisor: Supervisor, plan: Plan) -> None:
    status = supervisor.status()
    assert status.ready
    assert len(status.processes) == 6
    assert {view.state for view in status.processes} == {"running"}
    assert {view.peer for view in status.processes} == {seat.peer for seat in plan.participants}


async def test_kill_ends_provider_and_axl_node_for_good(supervisor: Supervisor) -> None:
    outcome = await supervisor.kill(["node1"], by="test")
    assert outcome.action.command == "whisper-tui kill node1"
    assert states(supervisor, "node1") == {"axl": "killed", "provider": "killed"}
    assert states(supervisor, "node2") == {"axl": "running", "provider": "running"}


async def test_only_one_of_the_two_may_be_killed(supervisor: Supervisor) -> None:
    outcome = await supervisor.kill(["node1"], "provider")
    assert outcome.action.command == "whisper-tui kill node1 --only provider"
    assert states(supervisor, "node1") == {"axl": "running", "provider": "killed"}
    with pytest.raises(HttpError, match="node1 does not run its provider"):
        await supervisor.kill(["node1"], "provider")


async def test_who_is_down_already_is_said_and_keeps_no_other_alive(supervisor: Supervisor) -> None:
    await supervisor.kill(["node1"])
    outcome = await supervisor.kill(["node2", "node1"])
    assert (outcome.action.targets, outcome.skipped) == (["node2"], ["node1 is down already"])
    assert outcome.action.command == "whisper-tui kill node2"
    assert states(supervisor, "node2") == {"axl": "killed", "provider": "killed"}
    with pytest.raises(HttpError, match="node1 is down already; node2 is down already"):
        await supervisor.kill(["node1", "node2"])


async def test_a_kill_of_somebody_unknown_kills_nobody(supervisor: Supervisor) -> None:
    with pytest.raises(HttpError, match="no participant is called nobody"):
        await supervisor.kill(["node2", "nobody"])
    assert states(supervisor, "node2") == {"axl": "running", "provider": "running"}


async def test_pause_and_revive_leave_out_those_that_need_neither(supervisor: Supervisor) -> None:
    await supervisor.pause(["node1"])
    paused = await supervisor.pause(["node1", "node2"])
    assert (paused.action.targets, len(paused.skipped)) == (["node2"], 1)
    await supervisor.revive(["node1"])
    revived = await supervisor.revive(["node1", "node2"])
    assert (revived.action.targets, revived.skipped) == (["node2"], ["node1 runs: nothing to revive"])


async def test_revive_starts_what_is_gone_and_leaves_the_rest(supervisor: Supervisor) -> None:
    before = pids(supervisor)
    await supervisor.kill(["node1"], "provider")
    await supervisor.revive(["node1"])
    after = pids(supervisor)
    assert states(supervisor, "node1") == {"axl": "running", "provider": "running"}
    assert after["node1", "axl"] == before["node1", "axl"]
    assert after["node1", "provider"] != before["node1", "provider"]
    with pytest.raises(HttpError, match="nothing to revive"):
        await supervisor.revive(["node1"])


async def test_a_paused_participant_is_there_and_revives_as_itself(supervisor: Supervisor) -> None:
    before = pids(supervisor)
    await supervisor.pause(["node1"])
    assert states(supervisor, "node1") == {"axl": "paused", "provider": "paused"}
    with pytest.raises(HttpError, match="paused already"):
        await supervisor.pause(["node1"])
    await supervisor.revive(["node1"])
    assert pids(supervisor) == before
    assert states(supervisor, "node1") == {"axl": "running", "provider": "running"}


async def test_a_process_that_dies_by_itself_is_told_and_stays_dead(supervisor: Supervisor) -> None:
    pid = pids(supervisor)["node2", "provider"]
    async with asyncio.timeout(5), contextlib.aclosing(supervisor.events.stream(None)) as pieces:
        os.kill(pid, signal.SIGSEGV)
        async for piece in pieces:
            if b'"state":"exited"' in piece:
                break
    assert states(supervisor, "node2") == {"axl": "running", "provider": "exited"}
    note = next(view.note for view in supervisor.status().processes if view.state == "exited")
    assert note == "ended by signal 11, Segmentation fault"


async def test_add_brings_one_more_provider(supervisor: Supervisor) -> None:
    await supervisor.add()
    assert states(supervisor, "node3") == {"axl": "running", "provider": "running"}
    assert supervisor.status().plan.count == 3


async def test_a_partition_hides_each_side_from_the_other(
    supervisor: Supervisor, run: RunDir, plan: Plan
) -> None:
    peer = {seat.name: seat.peer for seat in plan.participants}
    outcome = await supervisor.partition([], ["node2"])
    assert outcome.replaced == []
    assert outcome.action.targets == ["node2"]
    assert supervisor.status().sides == [["node1", "operator"], ["node2"]]
    assert told(run, "node1") == [[peer["node2"]]]
    assert told(run, "operator") == [[peer["node2"]]]
    assert told(run, "node2") == [[peer["node1"], peer["operator"]]]
    await supervisor.heal()
    assert told(run, "node1")[-1] == []
    assert supervisor.status().sides == []
    with pytest.raises(HttpError, match="no partition"):
        await supervisor.heal()


async def test_a_partition_says_which_one_it_takes_the_place_of(
    supervisor: Supervisor, run: RunDir, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    await supervisor.partition([], ["node1"])
    await act.report("partition", supervisor.partition([], ["node2"]), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "partition: node1 operator | node2",
        "in place of the partition: node2 operator | node1",
    ]
    assert told(run, "node1")[-1] == [plan.seat("node2").peer]


async def test_who_comes_back_during_a_partition_is_told_of_it(supervisor: Supervisor, run: RunDir) -> None:
    await supervisor.kill(["node1"])
    await supervisor.partition([], ["node2"])
    assert told(run, "node1") == []
    await supervisor.revive(["node1"])
    assert told(run, "node1") != []


async def test_who_was_paused_while_a_partition_was_healed_hears_of_it_when_it_goes_on(
    supervisor: Supervisor, run: RunDir
) -> None:
    await supervisor.partition([], ["node2"])
    await supervisor.pause(["node1"])
    await supervisor.heal()
    await supervisor.revive(["node1"])
    assert told(run, "node1")[-1] == []


async def test_a_heal_that_failed_can_be_asked_for_again(
    supervisor: Supervisor, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    await supervisor.partition([], ["node2"])
    command = ControlClient.command

    async def busy(self: ControlClient, name: str, **arguments: Any) -> Any:
        raise ControlUnavailable("busy")

    monkeypatch.setattr(ControlClient, "command", busy)
    with pytest.raises(HttpError, match="busy"):
        await supervisor.heal()
    monkeypatch.setattr(ControlClient, "command", command)
    await supervisor.heal()
    assert told(run, "node1")[-1] == []


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([], [], "name at least one"),
        (["node1"], ["node1"], "both sides"),
        ([], ["node1", "node2", "operator"], "either side"),
        ([], ["node9"], "no participant is called node9"),
    ],
)
async def test_a_partition_that_makes_no_sense_is_refused(
    supervisor: Supervisor, a: list[str], b: list[str], why: str
) -> None:
    with pytest.raises(HttpError, match=why):
        await supervisor.partition(a, b)
    assert supervisor.status().sides == []


async def test_down_leaves_no_process_not_even_a_paused_one(supervisor: Supervisor) -> None:
    await supervisor.pause(["node1"])
    outcome = await supervisor.down()
    assert len(outcome.processes) == 6
    assert {view.state for view in supervisor.status().processes} == {"stopped"}
    assert supervisor.done.is_set()


async def test_a_participant_that_does_not_come_up_is_named_with_its_reason(
    supervisor: Supervisor, run: RunDir
) -> None:
    run.participant("node3").root.mkdir()
    (run.participant("node3").root / "mode").write_text("broken")
    with pytest.raises(HttpError, match=r"node3 did not come up: provider: exit code 1: port 9 is in use"):
        await supervisor.add()


async def test_down_waits_for_no_command_and_none_comes_after_it(supervisor: Supervisor, run: RunDir) -> None:
    run.participant("node3").root.mkdir()
    (run.participant("node3").root / "mode").write_text("mute")
    adding = asyncio.create_task(supervisor.add())
    heal = asyncio.create_task(supervisor.heal())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await supervisor.down()
    with pytest.raises(HttpError, match="did not come up"):
        await adding
    with pytest.raises(HttpError, match="going down"):
        await heal
    assert {view.pid for view in supervisor.status().processes} == {0}


async def test_nothing_is_read_or_changed_without_the_token(supervisor: Supervisor, run: RunDir) -> None:
    server = Server(Api(supervisor), run.token())
    await server.start("127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}"
    try:
        for token in (None, "0" * 64):
            stranger = ControlClient(url, token)
            for asked in (
                stranger.command("kill", names=["node1"]),
                stranger.get("/status"),
                anext(stranger.events()),
            ):
                with pytest.raises(ControlError, match="token"):
                    await asked
        assert states(supervisor, "node1") == {"axl": "running", "provider": "running"}
        trusted = ControlClient(url, run.token())
        assert b'"ready":true' in await trusted.get("/status")
        for name, args, why in (
            ("kill", {}, "names"),
            ("kill", {"names": ["node1"], "only": "both"}, "only"),
            ("kill", {"names": "node1"}, "names"),
            ("kill", {"names": ["node1"], "force": True}, "force"),
            ("explode", {}, "no such command"),
        ):
            with pytest.raises(ControlError, match=why):
                await trusted.command(name, **args)
        await trusted.command("kill", names=["node1"])
        assert states(supervisor, "node1") == {"axl": "killed", "provider": "killed"}
    finally:
        await server.close()
