"""The outgoing side of a host: one queue and one frame in flight per peer, as the real transport has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from mesh_core.effects import PeerId
from mesh_core.wire.messages import Message

QUEUE_MESSAGES_MAX = 4096
"""What is held back for one peer before the oldest is dropped."""

Seal = Callable[[PeerId, Sequence[Message]], tuple[bytes, int]]


class Transport:
    """Messages of one life of a host on their way out.

    What queues up while a frame to the same peer is in flight leaves as one frame. `carry` takes a frame to a
    peer and sees to it that `handed_over` is called when the AXL node has accepted it.
    """

    def __init__(self, seal: Seal, carry: Callable[[PeerId, bytes], None]) -> None:
        self._seal = seal
        self._carry = carry
        self._queues: dict[PeerId, deque[Message]] = {}
        self._in_flight: set[PeerId] = set()
        self._ready: dict[PeerId, None] = {}

    def __len__(self) -> int:
        """Messages that wait."""
        return sum(len(queue) for queue in self._queues.values())

    def queue(self, to: PeerId, message: Message) -> None:
        """Take a message; `flush` sends it."""
        queue = self._queues.get(to)
        if queue is None:
            queue = self._queues[to] = deque(maxlen=QUEUE_MESSAGES_MAX)
        queue.append(message)
        if to not in self._in_flight:
            self._ready[to] = None

    def flush(self) -> None:
        """Send one frame to each peer that has messages waiting and no frame in flight."""
        if not self._ready:
            return
        ready, self._ready = self._ready, {}
        for to in ready:
            queue = self._queues[to]
            frame, taken = self._seal(to, tuple(queue))
            for _ in range(taken):
                queue.popleft()
            self._in_flight.add(to)
            self._carry(to, frame)

    def handed_over(self, to: PeerId) -> None:
        """The frame in flight to `to` has left: the next one may."""
        self._in_flight.discard(to)
        if self._queues[to]:
            self._ready[to] = None
            self.flush()
