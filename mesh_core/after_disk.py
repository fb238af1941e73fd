"""The one rule between a node and its disk: what must survive is on disk before anyone hears of it.

Shared by the runtime and the simulator, so that the rule the simulator attacks is the rule that production keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from mesh_core.config import limit
from mesh_core.effects import Effect, Execute, Persist, Send, StopExecution, Write


class AfterDisk:
    """Effects in order: each waits, if it has to, behind everything written before it.

    `write` queues writes on the disk and gives their ticket; tickets grow. `carry_out` does any other effect.
    """

    def __init__(self, write: Callable[[Sequence[Write]], int], carry_out: Callable[[Effect], None]) -> None:
        self._write = write
        self._carry_out = carry_out
        self._waiting: deque[tuple[int, Effect]] = deque()
        self._durable = 0
        self.written = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Effects that wait."""
        return len(self._waiting)

    def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what may happen now, keep the rest in order."""
        for effect in effects:
            if isinstance(effect, Persist):
                self.written = self._write(effect.writes)
                continue
            if isinstance(effect, StopExecution):
                self._forget_start(effect)
            if effect.after_disk and self._durable < self.written:
                self._waiting.append((self.written, effect))
                self._make_room()
            else:
                self._carry_out(effect)

    def durable(self, ticket: int) -> None:
        """Everything up to `ticket` is on disk: what waited for it happens now."""
        self._durable = ticket
        waiting = self._waiting
        while waiting and waiting[0][0] <= ticket:
            self._carry_out(waiting.popleft()[1])

    def _forget_start(self, stop: StopExecution) -> None:
        """A run that is to stop and has not started, because the disk is slow, must not start later."""
        overtaken = [
            entry
            for entry in self._waiting
            if isinstance(entry[1], Execute) and (entry[1].job, entry[1].epoch) == (stop.job, stop.epoch)
        ]
        for entry in overtaken:
            self._waiting.remove(entry)

    def _make_room(self) -> None:
        """While a disk refuses for long, the oldest messages go: whoever needs an answer asks again."""
        if len(self._waiting) <= limit("effects_waiting_max"):
            return
        for index, (_, effect) in enumerate(self._waiting):
            if isinstance(effect, Send):
                del self._waiting[index]
                self.dropped += 1
                return
