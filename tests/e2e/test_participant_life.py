"""Participants as processes: they find each other, survive what a machine does to them, and go cleanly."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess

import pytest

from axl.client import AxlClient
from mesh_core.api.schema import State
from mesh_core.io.store import Store
from tests.e2e.mesh import PATIENCE_S, Mesh, Participant


async def ended(process: subprocess.Popen[bytes], within_s: float = PATIENCE_S) -> int:
    async with asyncio.timeout(within_s):
        return await asyncio.to_thread(process.wait)


def pair(mesh: Mesh) -> tuple[Participant, Participant]:
    first = mesh.add("node1")
    return first, mesh.add("node2", submitters=[first])


def provider_of(participant: Participant) -> subprocess.Popen[bytes]:
    assert participant.provider is not None
    return participant.provider


async def test_two_find_each_other_and_one_that_is_told_to_stop_says_goodbye(mesh: Mesh) -> None:
    first, second = pair(mesh)
    mesh.start()
    await mesh.converged()
    position = (await first.client().state()).seq
    provider_of(second).terminate()
    assert await ended(provider_of(second)) == 0
    assert (await first.event("member_left", position)).data["peer"] == second.peer
    assert (second.folder / "provider.err").read_text() == ""
    Store.open(second.folder / "store.db", second.key.peer).close()
    assert second.log()[-1]["kind"] == "stopped"


async def test_a_restart_is_another_boot_of_the_same_key(mesh: Mesh) -> None:
    _, second = pair(mesh)
    mesh.start()
    await mesh.converged()
    provider_of(second).kill()
    await ended(provider_of(second))
    second.start_provider()
    state = await second.state_when(lambda state: state.node.ready)
    assert state.node.boot == 2
    assert state.seq >= 2_000_000_000
    await mesh.converged()


async def test_the_end_of_its_lifeline_is_the_end(mesh: Mesh) -> None:
    participant = mesh.add("node1")
    participant.start_axl()
    read_end, write_end = os.pipe()
    process = participant.start_provider(lifeline=read_end)
    os.close(read_end)
    await participant.state_when(lambda state: state.node.ready)
    process.send_signal(signal.SIGINT)
    assert (await participant.client().health())["ready"]
    os.close(write_end)
    assert await ended(process, within_s=2.0) == 0
    Store.open(participant.folder / "store.db", participant.key.peer).close()


async def test_ctrl_c_ends_a_participant_without_a_lifeline(mesh: Mesh) -> None:
    participant = mesh.add("node1")
    participant.start_provider()
    await participant.health()
    provider_of(participant).send_signal(signal.SIGINT)
    assert await ended(provider_of(participant)) == 0


async def test_it_waits_for_its_axl_node_and_names_one_that_goes_away(mesh: Mesh) -> None:
    participant = mesh.add("node1")
    participant.start_provider()
    health = await participant.health()
    assert not health["ready"]
    await participant.state_when(lambda state: "cannot be reached" in state.node.problem)
    participant.start_axl()
    state = await participant.state_when(lambda state: state.node.ready)
    assert state.node.problem == ""
    assert participant.axl is not None
    participant.axl.kill()
    await participant.state_when(lambda state: not state.node.ready and "AXL node" in state.node.problem)
    participant.axl.wait()
    participant.start_axl()
    await participant.state_when(lambda state: state.node.ready and not state.node.problem)


async def test_a_stopped_process_says_so_and_calls_nobody_dead(mesh: Mesh) -> None:
    first, second = pair(mesh)
    mesh.start()
    await mesh.converged()
    position = (await second.client().state()).seq
    provider_of(second).send_signal(signal.SIGSTOP)
    await first.state_when(lambda state: seen(state, second) == "dead")
    provider_of(second).send_signal(signal.SIGCONT)
    text = (await second.event("problem", position)).data["text"]
    assert "stopped or starved" in text
    await mesh.converged()
    kinds = {line["kind"] for line in second.log()}
    assert "member_dead" not in kinds


def seen(state: State, participant: Participant) -> str:
    return next(member.state for member in state.members if member.peer == participant.peer)


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux only"
)
async def test_a_disk_that_refuses_is_named_and_waited_for(mesh: Mesh) -> None:
    first, second = pair(mesh)
    second.change('role = "operator"', 'role = "provider"')
    mesh.start()
    await mesh.converged()
    pid = provider_of(first).pid
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = (first.folder / "store.db-wal").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 100, unlimited[1]))
    answer = asyncio.ensure_future(first.client().command("submit", text="what is attention?"))
    await first.state_when(lambda state: "store" in state.node.problem)
    assert seen(await second.client().state(), first) == "alive"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    state = await first.state_when(lambda state: not state.node.problem and state.jobs[0].accepted_ms > 0)
    assert (await answer)["jobs"] == [job.job for job in state.jobs]


async def test_a_copied_key_is_named_in_one_line(mesh: Mesh) -> None:
    pair(mesh)
    mesh.start()
    await mesh.converged()
    second, copy = mesh.participants[1], mesh.add("copy")
    (copy.folder / "key.pem").write_bytes((second.folder / "key.pem").read_bytes())
    copy.start_axl()
    copy.start_provider()
    state = await second.state_when(lambda state: "this participant's key" in state.node.problem)
    assert "another AXL node runs with this participant's key, noticed " in state.node.problem
    assert "\n" not in state.node.problem


async def test_garbage_from_the_network_is_counted_and_harms_nobody(mesh: Mesh) -> None:
    first, second = pair(mesh)
    stranger = mesh.add("stranger")
    for participant in (first, second):
        participant.start_axl()
        participant.start_provider()
    stranger.start_axl()
    client = AxlClient(f"http://127.0.0.1:{stranger.axl_port}")
    await first.state_when(lambda state: state.node.ready)
    async with asyncio.timeout(PATIENCE_S):
        topology = await client.topology()
        while first.key.peer not in topology.peers:
            topology = await client.topology(wait_s=1.0, version=topology.version)
    for number in range(200):
        await client.send(first.key.peer, bytes([number]) * (number * 7))
    await client.send(first.key.peer, b"\x98" + b"\xff" * 100_000)
    await client.aclose()
    mesh.participants.remove(stranger)
    stranger.end()
    await mesh.converged()
    async with asyncio.timeout(PATIENCE_S):  # what is in the node's inbox is not read yet
        while 'whisper_dropped_total{cause="malformed"} 201' not in (
            metrics := await first.client().metrics()
        ):
            await first.state_when(lambda state: True)
    assert "whisper_bugs_total{" not in metrics
