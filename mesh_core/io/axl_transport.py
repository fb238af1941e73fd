"""Frames in and out through an AXL node, which is treated as a lossy datagram link.

Out: one lane per destination. What is sent before a `flush` leaves as one frame, the next when AXL has taken the
last; what queues meanwhile leaves as one frame again, membership messages first. No timer delays anything, and a
dead peer delays nobody but itself. A frame AXL could not deliver is gone: the protocol repeats what
matters.

In: a long poll, and a watch on `/topology`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import msgspec

from axl.client import AxlClient, AxlError, AxlUnavailable, PeerUnreachable
from mesh_core.config import limit
from mesh_core.effects import PeerId
from mesh_core.wire.messages import Ack, Gossip, Message, Nack, Ping, PingRequest

POLL_S = 20.0
POLL_MESSAGES = 64
WATCH_S = 20.0
BACKOFF_MIN_S = 0.02
BACKOFF_MAX_S = 0.25
"""Longest rest after a failed send or a node that does not answer: below a probe's time-out in effect, so that
a returning peer is met at once."""

_URGENT: frozenset[type] = frozenset({Ping, Ack, PingRequest, Nack, Gossip})
"""Messages whose answer is timed: they go first in a frame."""

_SENDER = "sender"

T = TypeVar("T")
Seal = Callable[[PeerId, Sequence[Message]], tuple[bytes, int]]

_encoder = msgspec.msgpack.Encoder()


class WrongKeyError(Exception):
    """The AXL node speaks for another key; the message is one line for the user."""

    def __init__(self, found: PeerId, expected: PeerId) -> None:
        super().__init__(
            f"the AXL node runs as key {found.hex()}, this participant's key is {expected.hex()}: "
            "both must use the same key file"
        )


@dataclass(slots=True)
class TransportCounters:
    """What has gone through so far."""

    frames_out: int = 0
    messages_out: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    bytes_in: int = 0
    frames_undelivered: int = 0
    messages_dropped: int = 0


class _Lane:
    """Messages on their way to one peer."""

    __slots__ = ("busy", "bytes", "failures", "normal", "peer", "urgent", "wake")

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer
        self.urgent: deque[tuple[Message, int]] = deque()
        self.normal: deque[tuple[Message, int]] = deque()
        self.bytes = 0
        self.busy = False
        self.failures = 0
        self.wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self.urgent) + len(self.normal)

    def put(self, message: Message) -> int:
        """Queue a message; returns how many old ones had to go for it."""
        size = len(_encoder.encode(message))
        self.bytes += size
        (self.urgent if type(message) in _URGENT else self.normal).append((message, size))
        dropped = 0
        while self.bytes > limit("queue_bytes_max"):
            _, lost = (self.normal or self.urgent).popleft()
            self.bytes -= lost
            dropped += 1
        return dropped

    def head(self) -> list[Message]:
        """What may go into the next frame, in order."""
        most = limit("frame_messages_max")
        head = [message for message, _ in islice(self.urgent, most)]
        head += [message for message, _ in islice(self.normal, most - len(head))]
        return head

    def take(self, count: int) -> None:
        """The first `count` messages of `head` are in a frame."""
        for _ in range(count):
            _, size = (self.urgent or self.normal).popleft()
            self.bytes -= size


class AxlTransport:
    """Moves frames between one node and its AXL node."""

    def __init__(
        self,
        client: AxlClient,
        seal: Seal,
        on_frames: Callable[[list[bytes]], None],
        on_neighbours: Callable[[dict[PeerId, bool]], None],
        on_problem: Callable[[str], None],
        on_twin: Callable[[str], None],
    ) -> None:
        """`seal` makes a signed frame of as many messages as fit; `on_problem` gets one line, "" when it is over;
        `on_twin` where another AXL node with this key was noticed, "" as long as none was."""
        self._client = client
        self._seal = seal
        self._on_frames = on_frames
        self._on_neighbours = on_neighbours
        self._on_problem = on_problem
        self._on_twin = on_twin
        self._lanes: dict[PeerId, _Lane] = {}
        self._ready: list[_Lane] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._neighbours: dict[PeerId, bool] = {}
        self.counters = TransportCounters()
        self.failures: Counter[str] = Counter()

    async def connect(self, expected: PeerId) -> None:
        """Wait until the AXL node answers. Raises WrongKeyError when it runs as another key than `expected`."""
        failures = 0
        while True:
            try:
                topology = await self._client.topology()
            except AxlError as error:
                self._on_problem(f"AXL node: {error}")
                await asyncio.sleep(_rest_s(failures))
                failures += 1
                continue
            if topology.our_public_key != expected:
                raise WrongKeyError(topology.our_public_key, expected)
            self._on_problem("")
            return

    def start(self) -> None:
        """Begin to receive and to watch the neighbours."""
        self._spawn(self._receive(), "inbox")
        self._spawn(self._watch(), "topology")

    def send(self, to: PeerId, message: Message) -> None:
        """Queue a message; it leaves with the next `flush` unless an earlier frame to that peer is under way."""
        lane = self._lanes.get(to)
        if lane is None:
            lane = self._new_lane(to)
        self.counters.messages_dropped += lane.put(message)
        if not lane.busy:
            lane.busy = True
            self._ready.append(lane)

    def _new_lane(self, to: PeerId) -> _Lane:
        """A lane, in place of one that has nothing to do when there are as many as members."""
        if len(self._lanes) >= limit("members_max"):
            idle = next((peer for peer, lane in self._lanes.items() if not lane.busy), None)
            if idle is not None:
                del self._lanes[idle]
        lane = self._lanes[to] = _Lane(to)
        return lane

    def flush(self) -> None:
        """Let go what was sent since the last call: one frame to each peer, as far as they hold it."""
        ready, self._ready = self._ready, []
        for lane in ready:
            self._spawn(self._send(lane), _SENDER)

    def queued(self) -> tuple[int, int]:
        """(messages, bytes) that wait for their frames."""
        lanes = self._lanes.values()
        return sum(len(lane) for lane in lanes), sum(lane.bytes for lane in lanes)

    async def flushed(self) -> None:
        """Wait until everything queued has been handed to AXL."""
        self.flush()
        sending = [task for task in self._tasks if task.get_name() == _SENDER]
        if sending:
            await asyncio.wait(sending)

    async def close(self) -> None:
        """Stop at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------- out

    async def _send(self, lane: _Lane) -> None:
        """Send frames to one peer until nothing is left for it."""
        try:
            while lane.urgent or lane.normal:
                frame, taken = self._seal(lane.peer, lane.head())
                lane.take(taken)
                if await self._deliver(lane.peer, frame):
                    lane.failures = 0
                    self.counters.messages_out += taken
                else:
                    await self._rest(lane)
        finally:
            lane.busy = False
        if lane.failures:
            # Nobody there: the lane of a peer that never comes back is not kept.
            self._lanes.pop(lane.peer, None)

    async def _deliver(self, peer: PeerId, frame: bytes) -> bool:
        counters = self.counters
        try:
            await self._client.send(peer, frame)
        except PeerUnreachable:
            self.failures["peer_unreachable"] += 1
        except AxlUnavailable:
            self.failures["axl_unavailable"] += 1
        except AxlError:
            self.failures["axl_error"] += 1
        else:
            counters.frames_out += 1
            counters.bytes_out += len(frame)
            return True
        counters.frames_undelivered += 1
        return False

    async def _rest(self, lane: _Lane) -> None:
        """Leave a peer that cannot be reached alone for a moment, or until it is seen again."""
        lane.wake.clear()
        delay_s = _rest_s(lane.failures)
        lane.failures += 1
        try:
            async with asyncio.timeout(delay_s):
                await lane.wake.wait()
        except TimeoutError:
            return

    # -------------------------------------------------------------------------------------------- in

    async def _receive(self) -> None:
        """Hand on what comes. The client has its next long poll on the way before it returns what one brought."""
        failures = 0
        while True:
            try:
                messages = await self._client.receive(wait_s=POLL_S, max_messages=POLL_MESSAGES)
            except AxlError:
                self.failures["receive"] += 1
                await asyncio.sleep(_rest_s(failures))
                failures += 1
                continue
            failures = 0
            if messages:
                frames = [message.body for message in messages]
                self.counters.frames_in += len(frames)
                self.counters.bytes_in += sum(map(len, frames))
                self._on_frames(frames)

    async def _watch(self) -> None:
        """Follow `/topology`. A node that does not answer has no neighbours, and is the problem that is told."""
        version: int | None = None
        wait_s, failures = 0.0, 0
        while True:
            try:
                topology = await self._client.topology(wait_s=wait_s, version=version)
            except AxlError as error:
                self._on_problem(f"AXL node: {error}")
                self._show({})
                await asyncio.sleep(_rest_s(failures))
                wait_s, version, failures = 0.0, None, failures + 1
                continue
            if failures:
                self._on_problem("")
            wait_s, version, failures = WATCH_S, topology.version, 0
            self._on_twin(topology.twin)
            self._show({peer: one.attached for peer, one in topology.peers.items() if one.up})

    def _show(self, neighbours: dict[PeerId, bool]) -> None:
        if neighbours == self._neighbours:
            return
        found = neighbours.keys() - self._neighbours.keys()
        self._neighbours = neighbours
        for peer in found:
            lane = self._lanes.get(peer)
            if lane is not None:
                lane.wake.set()
        self._on_neighbours(neighbours)

    def _spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": f"AXL {task.get_name()} ended", "exception": error}
            task.get_loop().call_exception_handler(context)


def _rest_s(failures: int) -> float:
    """Back-off after so many failures in a row."""
    return min(BACKOFF_MIN_S * 2.0 ** min(failures, 10), BACKOFF_MAX_S)
