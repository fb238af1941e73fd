"""Figures of the real thing: processes, sockets, disks, SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import Event
from mesh_core.config import DEFAULT, FAST
from tests.bench import processes
from tests.bench.figures import Figure, at_most, bench, percentile
from whisper_tui.model import selectors
from whisper_tui.model.state import Incident, LogEntry, State, initial_state
from whisper_tui.script.doing import Nodes, Question, Stage, Victims, kill, revive, submit
from whisper_tui.script.looking import streaming
from whisper_tui.script.mesh import LiveMesh
from whisper_tui.script.picture import Picture
from whisper_tui.script.progress import Progress
from whisper_tui.settings import Settings
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir

PROVIDERS = 6
KILLS = 10
BATCHES = 20
IDLE_S = 20.0
DELAY_S = 1.5
STEP_TIMEOUT_S = 60.0
SETTLED_PERIODS = 10


@contextlib.asynccontextmanager
async def mesh_of(*, fast: bool = True, exec_delay_s: float = 0.0) -> AsyncIterator[Stage]:
    """Six providers that answer by search, and the operator; up and agreed."""
    wishes = Wishes(count=PROVIDERS, fast=fast, exec_delay=exec_delay_s, auto_ports=True, light=True)
    with tempfile.TemporaryDirectory(prefix="whisper-bench-") as folder:
        run = RunDir(Path(folder))
        mesh = LiveMesh(run, wishes, Settings({}, None, None))
        async with mesh.entered(Random(1), _Silent(), lambda _: None) as stage:
            await _until(stage, _whole)
            yield stage


class _Silent(Progress):
    """Nobody reads what goes on: it is measured."""

    def say(self, text: str) -> None:
        """Nothing."""

    def told(self, state: State, entry: LogEntry) -> None:
        """Nothing."""


async def _until(mesh: Stage, holds: Callable[[State], bool]) -> None:
    async with asyncio.timeout(STEP_TIMEOUT_S):
        await mesh.picture.until(holds)


def _whole(state: State) -> bool:
    return _all_alive(state) and selectors.convergence(state).converged


def _all_alive(state: State) -> bool:
    counts = selectors.node_counts(state)
    return counts.up == PROVIDERS and selectors.agreed_alive(state) == PROVIDERS


# ------------------------------------------------------------------------------------------------- kills


@bench("kill3_fast")
def kill_three_fast() -> Iterator[Figure]:
    """Three of six providers die while they work, FAST timers."""
    yield from _kill_figures("fast", fast=True, targets=(1_000, 1_200, 1_500))


@bench("kill3_default")
def kill_three_default() -> Iterator[Figure]:
    """Three of six providers die while they work, default timers."""
    yield from _kill_figures("default", fast=False, targets=(3_000, None, 5_000))


def _kill_figures(label: str, *, fast: bool, targets: tuple[float | None, ...]) -> Iterator[Figure]:
    seen = asyncio.run(_kill_again_and_again(fast=fast))
    how = (
        f"real processes, {len(seen)} rounds of SIGKILL to three of six, at least one of them streaming; median; "
        f"each stage when the last survivor has reached it; all have been up for {SETTLED_PERIODS} probe periods"
    )
    for stage, target in zip(("confirmed_ms", "reclaimed_ms", "finished_ms"), targets, strict=True):
        times = [getattr(one, stage) for one in seen if getattr(one, stage) is not None]
        yield at_most(
            f"kill3_{label}_{stage}", percentile(times, 0.5), "ms", target, f"{how}; n = {len(times)}"
        )


async def _kill_again_and_again(*, fast: bool) -> list[Incident]:
    seen: list[Incident] = []
    async with mesh_of(fast=fast, exec_delay_s=DELAY_S) as mesh:
        await asyncio.sleep(SETTLED_PERIODS * (FAST if fast else DEFAULT).probe_period_s)
        for _ in range(KILLS):
            await submit(mesh, Question(query="neural network training"))
            await _until(mesh, lambda state: len({job.holder for job in streaming(state)}) >= 3)
            await kill(mesh, Victims(nodes=["streaming", "streaming", "streaming"]))
            await _until(mesh, _over)
            seen.append(mesh.picture.state.incidents[-1])
            await _until(mesh, _quiet)
            await revive(mesh, Nodes(nodes=list(seen[-1].targets)))
            await _until(mesh, _whole)
            # An accuser counts once it has answered for a while; a mesh that people use is older than that.
            await asyncio.sleep(SETTLED_PERIODS * (FAST if fast else DEFAULT).probe_period_s)
    return seen


def _over(state: State) -> bool:
    return state.incidents[-1].converged_ms is not None


def _quiet(state: State) -> bool:
    return all(query.view.state != "running" for query in state.queries.values())


# ------------------------------------------------------------------------------------------------- speed


@bench("first_execution")
def first_execution() -> Iterator[Figure]:
    """From the submit command to the first of six jobs running, and what that costs."""
    waits, cpu, single = asyncio.run(_batches())
    how = f"real processes, FAST, search; from the command's first byte to `execution_started`; {len(waits)} batches"
    yield at_most("submit_to_first_execution_p50_ms", percentile(waits, 0.5), "ms", 30, how)
    yield at_most("submit_to_first_execution_p90_ms", percentile(waits, 0.9), "ms", 50, how)
    yield at_most(
        "submit_to_settled_cpu_ms",
        percentile(cpu, 0.5),
        "ms",
        None,
        "CPU of supervisor, mesh and AXL nodes until answered",
    )
    yield at_most(
        "submit_to_execution_cpu_ms",
        percentile(single, 0.5),
        "ms",
        60,
        "CPU of supervisor, mesh and AXL nodes until all six run",
    )


async def _batches() -> tuple[list[float], list[float], list[float]]:
    waits: list[float] = []
    whole: list[float] = []
    begun: list[float] = []
    with detached(exec_delay_s=0.5) as (run, _):
        group = processes.Group.of(run)
        plan = plans.load(run.plan)
        assert plan is not None
        picture = Picture(initial_state(primary=plan.operator.peer), lambda _, __: None)
        operator = ControlClient(f"http://127.0.0.1:{plan.operator.control_port}", run.token())
        async with contextlib.aclosing(operator.events()) as events:
            following = asyncio.create_task(picture.follow(events))
            for number in range(BATCHES):
                label = f"batch{number}"
                before = group.cpu_ms()
                since = time.time() * 1000
                await operator.command("submit", text="what is attention?", label=label)
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    await picture.until(partial(_all_begun, label))
                    begun.append(group.cpu_ms() - before)
                    waits.append(min(_starts(picture.state, label)) - since)
                    await picture.until(partial(_answered, label))
                whole.append(group.cpu_ms() - before)
                await asyncio.sleep(0.5)  # what follows an answer is not part of the next question
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await operator.close()
    return waits, whole, begun


def _starts(state: State, label: str) -> list[float]:
    jobs = [entry.view for entry in state.jobs.values() if entry.view.label.rpartition(".")[0] == label]
    return [job.first_started_ms for job in jobs if job.first_started_ms and job.index]


def _all_begun(label: str, state: State) -> bool:
    return len(_starts(state, label)) == PROVIDERS


def _answered(label: str, state: State) -> bool:
    return selectors.find_query(state, label).state == "answered"


@bench("start")
def start_up() -> Iterator[Figure]:
    """From the command until six providers and the operator see each other and agree."""
    times = [_start_once() for _ in range(5)]
    yield at_most(
        "start_to_converged_s", percentile(times, 0.5), "s", 2.0, "real processes, FAST, search; median of 5"
    )


def _start_once() -> float:
    with detached() as (_, took_s):
        return took_s


@contextlib.contextmanager
def detached(exec_delay_s: float = 0.0) -> Iterator[tuple[RunDir, float]]:
    """A mesh that nobody watches, and how long the command took to bring it up and together."""
    command = Path(sys.executable).with_name("whisper-tui")
    with tempfile.TemporaryDirectory(prefix="whisper-bench-") as folder:
        where = ["--run-dir", folder]
        since = time.perf_counter()
        how = f"--count {PROVIDERS} --fast --light --port-base auto --exec-delay {exec_delay_s}".split()
        subprocess.run([command, "up", "--detach", *how, *where], check=True, capture_output=True)
        took_s = time.perf_counter() - since
        try:
            yield RunDir(Path(folder)), took_s
        finally:
            subprocess.run([command, "down", *where], check=True, capture_output=True)


@bench("idle")
def idle() -> Iterator[Figure]:
    """Memory and CPU of a mesh that has nothing to do."""
    memory, cpu = _idle()
    how = f"supervisor, operator, six providers, seven AXL nodes; FAST; {IDLE_S:g} s after the mesh has met"
    yield at_most("idle_memory_pss_mb", memory, "MB", 350, how)
    yield at_most("idle_cpu_percent_of_a_core", cpu, "%", 5, how)


def _idle() -> tuple[float, float]:
    with detached() as (run, _):
        group = processes.Group.of(run)
        time.sleep(5.0)
        before, since = group.cpu_ms(), time.perf_counter()
        time.sleep(IDLE_S)
        share = (group.cpu_ms() - before) / ((time.perf_counter() - since) * 1000)
        return group.pss_mb(), 100 * share


@bench("hint")
def hint() -> Iterator[Figure]:
    """From SIGKILL of a participant until every survivor's provider has noticed the lost link."""
    times = asyncio.run(_hints())
    how = f"real processes, SIGKILL of provider and AXL node, until the last survivor reports it; {len(times)} kills"
    yield at_most("killed_neighbour_noticed_ms", percentile(times, 0.5), "ms", 50, how)


async def _hints() -> list[float]:
    times: list[float] = []
    async with mesh_of() as mesh:
        losses: dict[str, float] = {}
        took = mesh.picture.take

        def listen(event: Event) -> None:
            if event.kind in ("neighbour_lost", "client_detached"):
                losses.setdefault(event.node, event.at_ms)
            took(event)

        mesh.picture.take = listen  # type: ignore[method-assign]
        for number in range(1, PROVIDERS + 1):
            name = f"node{number}"
            losses.clear()
            await kill(mesh, Victims(nodes=[name]))
            await _until(mesh, lambda state: len(losses) >= PROVIDERS and _confirmed(state))
            times.append(max(losses.values()) - mesh.picture.state.incidents[-1].at_ms)
            await revive(mesh, Nodes(nodes=[name]))
            await _until(mesh, _whole)
    return times


def _confirmed(state: State) -> bool:
    """Whether the last kill has been confirmed by everybody."""
    return bool(state.incidents) and state.incidents[-1].confirmed_ms is not None
