"""Frames in and out through an AXL node, which is treated as a lossy datagram link.

Out: one lane per destination. What is sent before a `flush` leaves as one frame, the next when AXL has taken the
last; what queues meanwhile leaves as one frame again, membership messages first. No timer delays anything, and a
dead peer delays nobody but itself. A frame AXL could not deliver is gone: the protocol repeats what
matters.

In: messages as they come, and a watch on `/topology`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import msgspec

from axl.client import AxlClient
from axl.errors import AxlError, AxlUnavailable, PeerUnreachable
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

    __slots__ = ("bytes", "failures", "normal", "peer", "rest", "urgent")

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer
        self.urgent: deque[tuple[Message, int]] = deque()
        self.normal: deque[tuple[Message, int]] = deque()
        self.bytes = 0
        self.failures = 0
        self.rest: asyncio.TimerHandle | None = None
        """Ends a rest after a failure."""

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
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._busy: dict[_Lane, asyncio.Future[None] | None] = {}
        """Lanes with something to send, each with the fate of its frame, or None while it rests or before it begins."""
        self._all_idle = asyncio.Event()
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
        if lane not in self._busy:
            self._busy[lane] = None
            self._ready.append(lane)

    def _new_lane(self, to: PeerId) -> _Lane:
        """A lane, in place of one that has nothing to do when there are as many as members."""
        if len(self._lanes) >= limit("members_max"):
            idle = next((peer for peer, lane in self._lanes.items() if lane not in self._busy), None)
            if idle is not None:
                del self._lanes[idle]
        lane = self._lanes[to] = _Lane(to)
        return lane

    def flush(self) -> None:
        """Let go what was sent since the last call: one frame to each peer, as far as they hold it."""
        ready, self._ready = self._ready, []
        for lane in ready:
            self._next(lane)

    def queued(self) -> tuple[int, int]:
        """(messages, bytes) that wait for their frames."""
        lanes = self._lanes.values()
        return sum(len(lane) for lane in lanes), sum(lane.bytes for lane in lanes)

    async def flushed(self) -> None:
        """Wait until everything queued has been handed to AXL."""
        self.flush()
        if self._busy:
            self._all_idle.clear()
            await self._all_idle.wait()

    async def close(self) -> None:
        """Stop at once."""
        busy, self._busy = self._busy, {}
        for lane, fate in busy.items():
            if lane.rest is not None:
                lane.rest.cancel()
            if fate is not None:
                fate.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------- out

    def _next(self, lane: _Lane) -> None:
        """Send a peer its next frame, if there is anything for it. A bug in sealing costs this peer's messages only."""
        if not (lane.urgent or lane.normal):
            self._idle(lane)
            return
        try:
            frame, taken = self._seal(lane.peer, lane.head())
            lane.take(taken)
            fate = self._client.post(lane.peer, frame)
        except Exception as error:  # see the docstring
            self._broken("sender", error)
            self._idle(lane)
            return
        self._busy[lane] = fate
        fate.add_done_callback(partial(self._settled, lane, len(frame), taken))

    def _settled(self, lane: _Lane, size: int, taken: int, fate: asyncio.Future[None]) -> None:
        """The fate of a frame is known."""
        if lane not in self._busy:
            return  # the transport was closed
        error = fate.exception()
        if error is None:
            lane.failures = 0
            self.counters.frames_out += 1
            self.counters.bytes_out += size
            self.counters.messages_out += taken
            self._next(lane)
            return
        self.counters.frames_undelivered += 1
        self.failures[_kind_of(error)] += 1
        if not isinstance(error, AxlError):
            self._broken("sender", error)
        self._busy[lane] = None
        lane.rest = self._loop.call_later(_rest_s(lane.failures), self._end_rest, lane)
        lane.failures += 1

    def _end_rest(self, lane: _Lane) -> None:
        """A peer that could not be reached has been left alone for long enough, or is seen again."""
        if lane.rest is not None:
            lane.rest.cancel()
            lane.rest = None
            self._next(lane)

    def _idle(self, lane: _Lane) -> None:
        self._busy.pop(lane, None)
        if lane.failures:
            # Nobody there: the lane of a peer that never comes back is not kept.
            self._lanes.pop(lane.peer, None)
        if not self._busy:
            self._all_idle.set()

    # -------------------------------------------------------------------------------------------- in

    async def _receive(self) -> None:
        """Hand on what comes."""
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
                self._end_rest(lane)
        self._on_neighbours(neighbours)

    def _spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(task.get_name(), error)

    def _broken(self, what: str, error: BaseException) -> None:
        self._loop.call_exception_handler({"message": f"AXL {what} ended", "exception": error})


def _kind_of(error: BaseException) -> str:
    """Under which name a failure is counted."""
    if isinstance(error, PeerUnreachable):
        return "peer_unreachable"
    return "axl_unavailable" if isinstance(error, AxlUnavailable) else "axl_error"


def _rest_s(failures: int) -> float:
    """Back-off after so many failures in a row."""
    return min(BACKOFF_MIN_S * 2.0 ** min(failures, 10), BACKOFF_MAX_S)
