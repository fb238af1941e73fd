"""A stand-in for models and search: how long an execution takes and what comes out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import msgspec

from mesh_core.effects import Execute


@dataclass(frozen=True, slots=True)
class Appetite:
    """What executions are like. Times are seconds; `failing` and `hanging` are shares of all executions.

    `padding_bytes` makes results large enough to travel in chunks.
    """

    shortest_s: float = 0.02
    longest_s: float = 0.8
    failing: float = 0.0
    hanging: float = 0.0
    progress_steps: int = 2
    padding_bytes: int = 0


QUICK = Appetite()


@dataclass(frozen=True, slots=True)
class Run:
    """One execution as it will go: `result` and `error` are both None when it hangs."""

    takes_s: float
    result: bytes | None
    error: str | None
    progress_s: tuple[float, ...]


Result: TypeAlias = Callable[[Execute], bytes]
"""What an execution comes to."""


class Workload:
    """Plans executions from (seed, job, epoch, host, attempt): a second attempt gives another result, unless `result` says
    what executions come to."""

    def __init__(self, seed: str, appetite: Appetite, result: Result | None = None) -> None:
        self._seed = seed
        self._result = result
        self.appetite = appetite

    def plan(self, execute: Execute, host: str, attempt: int) -> Run:
        """How the execution of `execute` at `host` goes."""
        name = f"{self._seed}/{execute.job.hex()}/{execute.epoch}/{host}/{attempt}"
        rng = Random(name)
        appetite = self.appetite
        takes_s = rng.uniform(appetite.shortest_s, appetite.longest_s)
        steps = appetite.progress_steps
        progress_s = tuple(takes_s * (step + 1) / (steps + 1) for step in range(steps))
        fate = rng.random()
        if fate < appetite.hanging:
            return Run(takes_s, None, None, progress_s)
        if fate < appetite.hanging + appetite.failing:
            return Run(takes_s, None, "simulated failure", progress_s)
        if self._result is not None:
            return Run(takes_s, self._result(execute), None, progress_s)
        return Run(takes_s, _answer(execute, name, appetite.padding_bytes), None, progress_s)


def _answer(execute: Execute, name: str, padding_bytes: int) -> bytes:
    token = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    text = f"{execute.work.kind} of {execute.work.text!r}: {token}{'.' * padding_bytes}"
    return msgspec.json.encode({"text": text, "backend": "simulated", "passages": [], "notes": []})
