"""Running workloads: one task per lease epoch, progress handed on at a bearable pace, stopped when told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from mesh_core.effects import Executed, JobId, Progressed
from mesh_core.wire.messages import Work
from mesh_core.work.errors import WorkError

PROGRESS_PERIOD_S = 0.1
"""A running workload's tokens are passed on this often: each step travels to the submitter and to consoles."""

Run: TypeAlias = tuple[JobId, int]


class Executor(Protocol):
    """What runs a workload (`mesh_core.work.executor`)."""

    @property
    def backend_name(self) -> str:
        """What writes the answers here, as far as is known."""

    async def prepare(self) -> str:
        """Find out what there is to work with; one line about it."""

    async def aclose(self) -> None:
        """End what still runs."""

    async def run(self, work: Work, on_progress: Callable[[int, str], None]) -> bytes:
        """The result. `on_progress` gets tokens so far and the newest piece of text. Raises WorkError."""


class NoExecutor:
    """Of a participant that executes nothing."""

    backend_name = ""

    async def prepare(self) -> str:
        """Nothing to find out."""
        return "executes nothing"

    async def aclose(self) -> None:
        """Nothing runs."""

    async def run(self, work: Work, on_progress: Callable[[int, str], None]) -> bytes:
        """Always raises WorkError."""
        raise WorkError("this participant executes nothing")


@dataclass(slots=True)
class ExecutionCounters:
    """Executions of this process by how they ended."""

    started: int = 0
    finished: int = 0
    failed: int = 0
    stopped: int = 0


class Executions:
    """All running workloads of one node; what becomes of them goes to `tell` as inputs of the node."""

    def __init__(
        self,
        executor: Executor,
        tell: Callable[[Executed | Progressed], None],
        on_bug: Callable[[str, BaseException], None],
    ) -> None:
        self._executor = executor
        self._tell = tell
        self._on_bug = on_bug
        self._running: dict[Run, asyncio.Task[None]] = {}
        self.counters = ExecutionCounters()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, job: JobId, epoch: int, work: Work) -> None:
        """Run `work` for the lease `epoch` of `job`."""
        run = (job, epoch)
        if run in self._running:
            return
        self.counters.started += 1
        self._running[run] = asyncio.get_running_loop().create_task(self._run(run, work))

    def stop(self, job: JobId, epoch: int) -> None:
        """Stop it; nothing is heard of it any more."""
        task = self._running.pop((job, epoch), None)
        if task is not None:
            self.counters.stopped += 1
            task.cancel()

    async def close(self) -> None:
        """Stop everything and wait for it."""
        tasks = list(self._running.values())
        for job, epoch in list(self._running):
            self.stop(job, epoch)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, run: Run, work: Work) -> None:
        progress = _Progress(run, self._tell)
        try:
            result = await self._executor.run(work, progress)
        except WorkError as error:
            ended = Executed(*run, None, str(error) or "failed without a reason")
        except Exception as error:  # a workload's bug costs its job one attempt, not the node
            self._on_bug(f"executing {work.kind}", error)
            ended = Executed(*run, None, f"internal error: {type(error).__name__}")
        else:
            ended = Executed(*run, result, None)
        finally:
            progress.close()
        if self._running.pop(run, None) is not None:
            if ended.result is None:
                self.counters.failed += 1
            else:
                self.counters.finished += 1
            progress.flush()
            self._tell(ended)


class _Progress:
    """Gathers pieces of text and tells them at most every `PROGRESS_PERIOD_S`."""

    def __init__(self, run: Run, tell: Callable[[Progressed], None]) -> None:
        self._run = run
        self._tell = tell
        self._tokens = 0
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __call__(self, tokens: int, text: str) -> None:
        """More of it: `tokens` so far, `text` the newest piece."""
        if self._closed:
            return
        self._tokens = tokens
        self._pieces.append(text)
        if self._timer is None:
            self._due()

    def flush(self) -> None:
        """Tell what has gathered."""
        if self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._tell(Progressed(*self._run, self._tokens, text))

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        if self._pieces:
            self.flush()
            self._timer = asyncio.get_running_loop().call_later(PROGRESS_PERIOD_S, self._due)
