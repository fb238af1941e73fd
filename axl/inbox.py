"""The bounded receive queue between links and the client that reads at this node.

Fair by sender: messages are handed out in turns, in order within each sender, and when the queue is full
the sender that fills it most loses its oldest. A peer that floods this node thus drowns only itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MESSAGE_OVERHEAD_BYTES = 200
"""Charged on top of a message's size, so that a bound in bytes also bounds tiny messages by number."""


@dataclass(slots=True)
class _Lane:
    """What one sender has in the queue."""

    messages: deque[bytes] = field(default_factory=deque)
    charged_bytes: int = 0


class Inbox:
    """A queue of (sender, body) that holds at most `bytes_max`, overhead included."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.dropped = 0
        """Messages that were dropped since the start because nobody read them in time."""
        self.on_message: Callable[[], None] = _nobody_waits
        """Called after each message that went in; it wakes whoever waits."""
        self.charged_bytes = 0
        """What is in the queue, overhead included."""
        self._lanes: dict[bytes, _Lane] = {}
        self._turns: deque[bytes] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def put(self, sender: bytes, body: bytes) -> None:
        """Queue a message; the oldest of the fullest sender make room for it."""
        lane = self._lanes.get(sender)
        if lane is None:
            lane = self._lanes[sender] = _Lane()
            self._turns.append(sender)
        charge = len(body) + MESSAGE_OVERHEAD_BYTES
        lane.messages.append(body)
        lane.charged_bytes += charge
        self.charged_bytes += charge
        while self.charged_bytes > self.bytes_max:
            self._drop_one()
        self.on_message()

    def take(self, count_max: int, body_bytes_max: int) -> list[tuple[bytes, bytes]]:
        """Up to `count_max` messages, and no more than fit `body_bytes_max`; the first one in any case."""
        taken: list[tuple[bytes, bytes]] = []
        size = 0
        while self._turns and len(taken) < count_max:
            sender = self._turns[0]
            size += len(self._lanes[sender].messages[0])
            if taken and size > body_bytes_max:
                break
            self._turns.popleft()
            taken.append((sender, self._pop(sender)))
            if sender in self._lanes:
                self._turns.append(sender)
        return taken

    def _drop_one(self) -> None:
        fullest = max(self._lanes, key=lambda sender: self._lanes[sender].charged_bytes)
        self._pop(fullest)
        self.dropped += 1
        if fullest not in self._lanes:
            self._turns.remove(fullest)

    def _pop(self, sender: bytes) -> bytes:
        lane = self._lanes[sender]
        body = lane.messages.popleft()
        charge = len(body) + MESSAGE_OVERHEAD_BYTES
        lane.charged_bytes -= charge
        self.charged_bytes -= charge
        if not lane.messages:
            del self._lanes[sender]
        return body


def _nobody_waits() -> None:
    """Until someone waits, a message only lies there."""
