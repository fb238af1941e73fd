"""From a wish to a running mesh: prepare the run directory, index the corpus, start the supervisor.

Used by `up`, by the console and by scripts. A mesh that runs already is found, not started again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import msgspec

from mesh_core.corpus_report import CorpusReport
from whisper_tui import backends
from whisper_tui.errors import BadInput, MeshUnreachable, TimedOut
from whisper_tui.settings import Settings
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.child import child_environment, last_line
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.plan import MODEL_PORT_OFFSET, Plan
from whisper_tui.supervisor.prepare import Wishes, check_kept, check_paths, differences, make_plan, prepare
from whisper_tui.supervisor.registrar_service import SECRETS, check_environment
from whisper_tui.supervisor.rundir import RunDir, lock
from whisper_tui.supervisor.schema import GONE, Status

BUILT_IN_CORPUS = Path(__file__).resolve().parent.parent / "shards"
GREETING_S = 20.0
READY_S = 30.0

Say = Callable[[str], None]


def left_out(report: CorpusReport) -> list[str]:
    """A line for each reason for which files are not part of a corpus that was indexed anew; of one that is known it has
    been told."""
    if not report.new:
        return []
    return [
        f"corpus: {left.example}, left out: {left.reason}"
        if left.count == 1
        else f"corpus: {left.count} files left out, such as {left.example}: {left.reason}"
        for left in report.skipped
    ]


@asynccontextmanager
async def launched(run: RunDir, wishes: Wishes, settings: Settings, say: Say) -> AsyncIterator[bool]:
    """Start the mesh of `run`, or find that it runs (False). The block waits until it is up: of a start that fails,
    in the block too, nothing goes on, and nothing that was wished for is kept for the next one.

    BadInput when it runs with other settings than wished for, or when something wished for cannot be;
    MeshUnreachable when it does not start. `say` gets one line about anything that takes its time.
    """
    check_paths(wishes.corpus, wishes.axl_node)
    if not run.root.exists():
        make_plan(None, wishes)  # what is refused leaves no folders behind
    run.make()
    with lock(run.up_lock_file, wait=True):
        if run.running() is not None:
            _refuse_other_settings((await SupervisorClient(run).status()).plan, wishes, settings)
            new, before = False, None
        else:
            new, before = True, plans.load(run.plan)
            await _start(run, before, wishes, settings, say)
    try:
        yield new
    except BaseException:
        if new:
            await _undo(run)
            with lock(run.up_lock_file, wait=True):
                if run.running() is None:
                    _keep(run, before)
        raise


async def _start(run: RunDir, before: Plan | None, wishes: Wishes, settings: Settings, say: Say) -> None:
    if before is not None:
        check_kept(run, before, wishes)
    plan = make_plan(before, wishes)
    check_environment(settings.environment, plan.chain)
    index = asyncio.create_task(_index(run, plan, say))
    try:
        model_port = plan.port_base + MODEL_PORT_OFFSET
        backend = backends.choose(settings, light=plan.light, model_port=model_port)
        corpus_index = await index
    finally:
        index.cancel()
    try:
        prepare(run, msgspec.structs.replace(plan, backend=backend, corpus_index=corpus_index))
        await _start_supervisor(
            run, child_environment(settings.environment, backend.openai_key_env, *SECRETS)
        )
    except BaseException:
        _keep(run, before)
        raise


def _keep(run: RunDir, before: Plan | None) -> None:
    """Have the next start begin from this plan, the one before this start; from none when there was none."""
    if before is None:
        run.plan.unlink(missing_ok=True)
    else:
        plans.save(run.plan, before)


def _refuse_other_settings(plan: Plan, wishes: Wishes, settings: Settings) -> None:
    other = differences(plan, wishes)
    has = [f"has {', '.join(other)}"] if other else []
    if wishes.corpus is not None and wishes.corpus != plan.corpus:
        has.append(f"answers from another corpus ({plan.corpus or 'built in'})")
    if has:
        raise BadInput(
            f"the mesh that runs here {' and '.join(has)}",
            f"{_taken_back(plan, wishes, settings)} to attach to it, or end it first: whisper-tui down",
        )


def _taken_back(plan: Plan, wishes: Wishes, settings: Settings) -> str:
    """What to do without, to have a mesh as it runs: variables stand for flags that nobody has typed."""
    from_outside = {"fast": ("FAST_MODE", settings.fast), "exec_delay": ("EXEC_DELAY", settings.exec_delay)}
    unset = [
        variable
        for field, (variable, value) in from_outside.items()
        if value is not None and value == getattr(wishes, field) != getattr(plan, field)
    ]
    return f"unset {' and '.join(unset)}, or take it out of .env," if unset else "leave the flag out"


async def _index(run: RunDir, plan: Plan, say: Say) -> str:
    """Path of the corpus index, built unless it is there."""
    source = plan.corpus or str(BUILT_IN_CORPUS)
    argv = ["build", "--source", source, "--shards", str(plan.shards_total), "--out", str(run.corpus)]
    builder = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-P", "-m", "mesh_core.work.corpus", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, errors = await builder.communicate()
    except asyncio.CancelledError:
        builder.terminate()
        await builder.wait()
        raise
    if builder.returncode != 0:
        raise BadInput(
            errors.decode("utf-8", "replace").strip().rpartition("\n")[2] or "corpus: no index was made"
        )
    report = msgspec.json.decode(out, type=CorpusReport)
    if plan.corpus and report.new:
        say(f"corpus: {report.files} files indexed as {report.passages} passages")
    for line in left_out(report):
        say(line)
    return report.path


async def _start_supervisor(run: RunDir, environment: Mapping[str, str]) -> None:
    """Start it in a session of its own, so that it outlives this terminal, and wait until it listens.

    One whose greeting nobody hears ends again: an interrupted start leaves nothing behind.
    """
    log = run.logs / "supervisor.log"
    log.touch(0o600)
    read_end, write_end = os.pipe()
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - it forks and leaves at once; the argv is ours
            [sys.executable, "-P", "-m", "whisper_tui.supervisor", "--run-dir", str(run.root)],
            cwd=run.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=errors,
            start_new_session=True,
        )
    os.close(write_end)
    try:
        greeting = await _line(read_end)
    except asyncio.CancelledError:
        await _undo(run)
        raise
    process.wait()
    if not greeting:
        raise MeshUnreachable(
            f"the supervisor did not start: {last_line(log) or 'it says nothing'}", f"see {log}"
        )


async def _line(read_end: int) -> bytes:
    """The first line that comes through a pipe, empty when none comes."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    try:
        async with asyncio.timeout(GREETING_S):
            return await reader.readline()
    except TimeoutError:
        return b""
    finally:
        transport.close()


async def _undo(run: RunDir) -> None:
    """End the supervisor that has just been started."""
    supervisor = run.running()
    if supervisor is not None:
        os.kill(supervisor.pid, signal.SIGTERM)
        await until_released(run)


async def until_ready(run: RunDir) -> Status:
    """Wait until every participant answers; MeshUnreachable says which one does not, and why."""
    status = await until_answered(run)
    if not status.ready:
        raise MeshUnreachable(f"not every participant came up: {'; '.join(causes(status))}")
    return status


async def until_answered(run: RunDir) -> Status:
    """Wait until every participant has come up or ended."""
    client = SupervisorClient(run)
    try:
        async with asyncio.timeout(READY_S), aclosing(client.events()) as events:
            async for event in events:
                if event.kind == "ready":
                    break
    except TimeoutError:
        raise TimedOut(f"not every participant answers after {READY_S:g} s", f"see {run.logs}") from None
    return await client.status()


def not_up(status: Status) -> dict[str, str]:
    """Why, by name of each participant that did not come up."""
    return {
        view.name: f"{view.part}: {view.note or view.state}"
        for view in status.processes
        if view.part in ("provider", "axl") and (view.state in GONE or view.note)
    }


def causes(status: Status) -> list[str]:
    """Why participants did not come up, a line for each cause, with those whose it is."""
    whose: dict[str, list[str]] = {}
    for name, cause in not_up(status).items():
        whose.setdefault(cause, []).append(name)
    total = len(status.plan.participants)
    return [
        f"{names[0]} {cause}"
        if len(names) == 1
        else f"{cause} ({f'all {total}' if len(names) == total else ', '.join(names)})"
        for cause, names in whose.items()
    ]


async def until_released(run: RunDir) -> None:
    """Wait until the supervisor is gone, however it ended: its lock goes with it."""
    try:
        await until_unlocked(run.lock_file, GREETING_S)
    except TimeoutError:
        raise TimedOut(f"the supervisor of {run.root} does not end") from None


async def until_unlocked(path: Path, patience_s: float) -> None:
    """Wait until nobody holds the lock on `path` exclusively; TimeoutError after `patience_s` seconds.

    The wait is a daemon thread's, so that it never keeps this process from ending.
    """
    loop = asyncio.get_running_loop()
    released = asyncio.Event()

    def wait() -> None:
        with lock(path, wait=True, shared=True), suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(released.set)

    threading.Thread(target=wait, name="lock", daemon=True).start()
    async with asyncio.timeout(patience_s):
        await released.wait()
