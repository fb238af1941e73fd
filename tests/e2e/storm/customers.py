"""Work for the mesh all through a storm: several customers ask at once, through the operator, and keep what they are given.

What was answered with `accepted` is a promise; so is every job that the operator's node says is accepted. A customer's
question that broke off, or was answered `pending`, is none; if the mesh knows of it nevertheless, it has to be finished
like any other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

from mesh_core.api.client import ControlError, ControlUnavailable
from mesh_core.api.schema import Event
from tests.e2e.storm.victims import Victims
from whisper_tui.supervisor.plan import OPERATOR

CUSTOMERS = 4
PAUSE_S = 2.0
"""Mean time a customer waits before the next question."""

OPEN_MAX = 12
"""Questions that may be open before customers wait: more would only stand in line."""

QUESTIONS = (
    "how is a neural network trained?",
    "what does a replay buffer do?",
    "what is attention?",
    "how does dropout work?",
)
LIES: dict[str, int] = {"fault_bound": 1, "submitter_weight": 4}
"""A question whose committee may hold a liar: three phases instead of two."""


class Customers:
    """Ask until the storm is over."""

    def __init__(self, victims: Victims, seed: int, collecting: asyncio.TaskGroup) -> None:
        """`collecting` fetches receipts, also of what is settled after the storm."""
        self._victims = victims
        self._collecting = collecting
        self._rng = [Random(f"customer {number} of {seed}") for number in range(CUSTOMERS)]
        self.asked = 0
        self.accepted: set[str] = set()
        """Jobs that were promised, by id."""
        self.cancelled: set[str] = set()
        """Jobs that somebody asked to cancel."""
        self.settled: set[str] = set()
        self.receipts: dict[str, bytes] = {}
        """What one participant or another showed for a job as soon as it was settled."""
        self.refusals: Counter[str] = Counter()
        self._open: set[str] = set()
        victims.listen(self._hear)

    async def ask(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            for rng in self._rng:
                group.create_task(self._ask_on(rng))

    async def _ask_on(self, rng: Random) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(1 / PAUSE_S))
            while len(self._open) >= OPEN_MAX:
                await self._victims.until(lambda: len(self._open) < OPEN_MAX, within_s=120)
            options = LIES if rng.random() < 0.25 else {}
            gives_up = rng.random() < 0.05
            question = rng.choice(QUESTIONS)
            try:
                asked = await self._victims.control(OPERATOR).command("submit", text=question, **options)
                self._take(asked)
                if gives_up:
                    self.cancelled.update(asked["jobs"])  # also when the answer breaks off
                    cancelled = await self._victims.control(OPERATOR).command("cancel", job=asked["label"])
                    self.cancelled.update(cancelled["jobs"])
            except ControlError as refusal:
                self.refusals[str(refusal)] += 1
            except ControlUnavailable:
                self.refusals["nobody answered"] += 1

    def _take(self, asked: dict[str, Any]) -> None:
        self.asked += 1
        if asked["state"] == "accepted":
            self.accepted.update(asked["jobs"])

    def _hear(self, event: Event) -> None:
        if event.kind == "job_accepted":
            self.accepted.add(event.data["job"])
        elif event.kind == "query":
            (self._open.add if event.data["state"] == "running" else self._open.discard)(event.data["query"])
        elif event.kind == "job_settled" and event.data["job"] not in self.settled:
            job = event.data["job"]
            self.settled.add(job)
            self._collecting.create_task(self._collect(job, len(self.settled)))

    async def _collect(self, job: str, number: int) -> None:
        """The receipt from whoever's turn it is, or the next that has it."""
        names = self._victims.names
        for turn in range(len(names)):
            try:
                client = self._victims.control(names[(number + turn) % len(names)])
                self.receipts[job] = await client.certificate(job)
                return
            except (ControlError, ControlUnavailable):
                continue
