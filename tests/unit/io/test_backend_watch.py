"""What is announced of the backend follows what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mesh_core.io import backend_watch
from mesh_core.io.backend_watch import BackendWatch
from mesh_core.wire.messages import Work


class Worker:
    """Has a model from the attempt on that the test says."""

    def __init__(self, ready_at: int) -> None:
        self.attempts = 0
        self.ready_at = ready_at
        self.backend_name = "search"

    async def prepare(self) -> str:
        self.attempts += 1
        if self.attempts >= self.ready_at:
            self.backend_name = "llama_cpp"
        return f"{self.backend_name}, asked {self.attempts} times"

    async def aclose(self) -> None: ...

    async def run(self, work: Work, on_progress: Callable[[int, str], None]) -> bytes:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_watch, "RETRY_FIRST_S", 0.001)


def watched(worker: Worker, *, has_model: bool = True) -> tuple[BackendWatch, list[str], list[str]]:
    said: list[str] = []
    announced: list[str] = []
    return BackendWatch(worker, has_model, said.append, announced.append), said, announced


async def test_a_model_that_is_ready_only_later_is_announced_then() -> None:
    watch, said, announced = watched(Worker(ready_at=3))
    async with asyncio.timeout(5):
        await watch.run()
    assert announced == ["search", "llama_cpp"]
    assert said == ["search, asked 1 times", "llama_cpp, asked 3 times"]


async def test_without_a_model_nobody_is_asked_again() -> None:
    worker = Worker(ready_at=2)
    watch, _, announced = watched(worker, has_model=False)
    await watch.run()
    assert (worker.attempts, announced) == (1, ["search"])


async def test_an_execution_by_another_backend_is_announced_once() -> None:
    worker = Worker(ready_at=1)
    watch, _, announced = watched(worker)
    await watch.run()
    worker.backend_name = "search"
    watch.look()
    watch.look()
    assert announced == ["llama_cpp", "search"]


async def test_nothing_is_announced_before_anybody_was_asked() -> None:
    watch, _, announced = watched(Worker(ready_at=1))
    watch.look()
    assert announced == []
