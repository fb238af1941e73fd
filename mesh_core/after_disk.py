"""The one rule between a node and its disk: what must survive is on disk before anyone hears of it.

Shared by the runtime and the simulator, so that the rule the simulator attacks is the rule that production keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from mesh_core.config import limit
from mesh_core.effects import Effect, Execute, Persist, Send, StopExecution, Write

_Waiting: TypeAlias = deque[tuple[int, int, Effect]]
"""Effects that wait, each with its place among all of them and the ticket it waits for."""


class AfterDisk:
    """Effects in order: each waits, if it has to, behind everything written before it.

    `write` queues writes on the disk and gives their ticket; tickets grow. `carry_out` does any other effect.
    """

    def __init__(self, write: Callable[[Sequence[Write]], int], carry_out: Callable[[Effect], None]) -> None:
        self._write = write
        self._carry_out = carry_out
        self._messages: _Waiting = deque()
        self._notices: _Waiting = deque()
        self._starts: _Waiting = deque()
        self._place = 0
        self._durable = 0
        self.written = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Effects that wait."""
        return len(self._messages) + len(self._notices) + len(self._starts)

    def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what may happen now, keep the rest in order."""
        for effect in effects:
            if isinstance(effect, Persist):
                self.written = self._write(effect.writes)
                continue
            if isinstance(effect, StopExecution):
                self._forget_start(effect)
            if effect.after_disk and self._durable < self.written:
                self._wait(effect)
            else:
                self._carry_out(effect)

    def durable(self, ticket: int) -> None:
        """Everything up to `ticket` is on disk: what waited for it happens now."""
        self._durable = ticket
        queues = (self._messages, self._notices, self._starts)
        while ready := [queue for queue in queues if queue and queue[0][1] <= ticket]:
            first = min(ready, key=lambda queue: queue[0][0])
            self._carry_out(first.popleft()[2])

    def _wait(self, effect: Effect) -> None:
        """While a disk refuses for long, the oldest messages go, since whoever needs an answer asks again; and when none
        are left, the oldest news. What is to run stays: the node counts on it."""
        queue = self._notices
        if isinstance(effect, Send):
            queue = self._messages
        elif isinstance(effect, Execute | StopExecution):
            queue = self._starts
        self._place += 1
        queue.append((self._place, self.written, effect))
        crowd = self._messages or self._notices
        if len(self) > limit("effects_waiting_max") and crowd:
            crowd.popleft()
            self.dropped += 1

    def _forget_start(self, stop: StopExecution) -> None:
        """A run that is to stop and has not started, because the disk is slow, must not start later."""
        self._starts = deque(
            entry
            for entry in self._starts
            if not isinstance(entry[2], Execute) or (entry[2].job, entry[2].epoch) != (stop.job, stop.epoch)
        )
