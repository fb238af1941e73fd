"""A thousand jobs at once on six providers, on real processes: throughput, waiting, and whether anybody starves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import msgspec

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import Counters, QueryView
from tests.bench import processes
from tests.bench.figures import Figure, at_least, at_most, bench, percentile
from tests.bench.live import detached
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.rundir import RunDir

QUESTIONS = 143
JOBS_OF_EACH = 7
PATIENCE_S = 300.0
SUBMITTERS_AT_ONCE = 16


@bench("load")
def load() -> Iterator[Figure]:
    """From the first submit command to the last answer."""
    with detached() as (run, _):
        group = processes.Group.of(run)
        before_ms = group.cpu_ms()
        took_s, waits, twice = asyncio.run(_ask_all(run))
        cpu_ms = group.cpu_ms() - before_ms
    jobs = QUESTIONS * JOBS_OF_EACH
    how = f"real processes, FAST, search; {QUESTIONS} questions of {JOBS_OF_EACH} jobs each asked at once"
    yield at_least("load_settled_per_s", jobs / took_s, "jobs/s", None, how)
    yield at_most("load_answered_p50_s", percentile(waits, 0.5), "s", None, how)
    yield at_most("load_answered_p99_s", percentile(waits, 0.99), "s", None, how)
    yield at_most(
        "load_last_answer_to_median",
        max(waits) / percentile(waits, 0.5),
        "ratio",
        4.0,
        f"{how}; starvation shows here",
    )
    yield at_most("load_cpu_per_job_ms", cpu_ms / jobs, "ms", None, f"{how}; CPU of all processes")
    yield at_most("load_settled_twice", twice, "jobs", 0, how)


async def _ask_all(run: RunDir) -> tuple[float, list[float], int]:
    """Seconds until everything is answered, the wait of each question, and how many jobs were settled twice."""
    plan = plans.load(run.plan)
    assert plan is not None
    operator = ControlClient(f"http://127.0.0.1:{plan.operator.control_port}", run.token())
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    slots = asyncio.Semaphore(SUBMITTERS_AT_ONCE)

    async def ask(number: int) -> None:
        async with slots:
            asked[f"load{number}"] = time.monotonic()
            await operator.command("submit", text="what is attention?", label=f"load{number}")

    async with asyncio.timeout(PATIENCE_S), contextlib.aclosing(operator.events()) as events:
        began = time.monotonic()
        asking = asyncio.gather(*map(ask, range(QUESTIONS)))
        async for event in events:
            if event.kind == "query":
                view = msgspec.convert(event.data, QueryView)
                if view.state == "answered":
                    answered.setdefault(view.label, time.monotonic())
                    if len(answered) == QUESTIONS:
                        break
        await asking
    took_s = time.monotonic() - began
    counters: Counters = (await operator.state()).counters
    await operator.close()
    return took_s, [answered[label] - asked[label] for label in asked], counters.jobs_settled_twice
