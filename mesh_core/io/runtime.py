"""Runs one node on a real machine: inputs in, effects out in their order, what must survive on disk first.

An effect with `after_disk` waits behind every write asked for before it, and so behind every other effect that
does; all others happen at once. Tickets of the store say how far the disk is. A disk that refuses is a slow
disk: the queue waits. When that is full the node stands still, as if its process were paused: frames are lost, no timer
fires, and what becomes of its own workloads is kept until the disk has written something.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from mesh_core.after_disk import AfterDisk
from mesh_core.config import limit
from mesh_core.effects import (
    CancelJob,
    Effect,
    Execute,
    Executed,
    FrameReceived,
    Input,
    Leave,
    NeighboursChanged,
    Notify,
    Partition,
    PeerId,
    Send,
    StopExecution,
    SubmitQuery,
    Tick,
    Write,
)
from mesh_core.io.alarm import Alarm
from mesh_core.io.clock import Clock
from mesh_core.io.problems import Problems
from mesh_core.io.store_file import StoreError
from mesh_core.io.unwritten import Unwritten
from mesh_core.node import Node, Refusal
from mesh_core.wire.messages import Message, Work
from mesh_core.wire.statements import Announcement

SUSPENDED_S = 0.5
"""A timer this late means that the process was stopped or starved; it is said."""


class Disk(Protocol):
    """The part of `mesh_core.io.store.Store` that is needed here."""

    def submit(self, writes: Sequence[Write]) -> int:
        """Queue writes; their ticket."""


class Outgoing(Protocol):
    """The part of `mesh_core.io.axl_transport.AxlTransport` that is needed here."""

    def send(self, to: PeerId, message: Message) -> None:
        """Queue a message."""

    def flush(self) -> None:
        """Let go what was queued."""


class Running(Protocol):
    """The part of `mesh_core.io.executions.Executions` that is needed here."""

    def start(self, job: bytes, epoch: int, work: Work) -> None:
        """Begin a workload."""

    def stop(self, job: bytes, epoch: int) -> None:
        """End it."""


class Runtime:
    """Steps `node` and carries out its effects. Everything happens on the event loop's thread.

    It is the store's listener: `durable`, `problem` and `failed` may be called from its thread.
    """

    def __init__(
        self,
        node: Node,
        disk: Disk,
        clock: Clock,
        problems: Problems,
        on_notify: Callable[[str, dict[str, Any]], None],
        on_store_failed: Callable[[StoreError], None],
    ) -> None:
        self._node = node
        self._disk = disk
        self._clock = clock
        self._problems = problems
        self._on_notify = on_notify
        self._on_store_failed = on_store_failed
        self._loop = asyncio.get_running_loop()
        self._transport: Outgoing
        self._executions: Running
        self._durable = 0
        self._after_disk = AfterDisk(self._write, self._carry_out)
        self._unwritten = Unwritten()
        self._kept: dict[Hashable, Input] = {}
        self._stood_still = False
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._alarm = Alarm(self._tick, lambda: self.frames, self._held_up)
        self.frames = 0
        self.frames_unread = 0
        self.bugs: Counter[str] = Counter()
        self.lag_max_s = 0.0

    def connect(self, transport: Outgoing, executions: Running) -> None:
        """Where messages and workloads go; before `start`."""
        self._transport = transport
        self._executions = executions

    @property
    def waiting(self) -> int:
        """Effects that wait for the disk."""
        return len(self._after_disk)

    @property
    def unwritten_bytes(self) -> int:
        """What waits to be written."""
        return self._unwritten.bytes

    @property
    def stands_still(self) -> bool:
        """Whether so much waits to be written that the node takes nothing in until some of it is."""
        return self._unwritten.is_full

    # ----------------------------------------------------------------------------------------- inputs

    def start(self) -> None:
        """Start the node."""
        self._perform(self._node.start(self._clock.now()))
        self._transport.flush()

    def receive(self, frames: Sequence[bytes]) -> None:
        """Frames have come from AXL. What they cause leaves together: one frame to each peer."""
        self.frames += len(frames)
        if self.stands_still:
            self.frames_unread += len(frames)
            return
        for frame in frames:
            self._step(FrameReceived(frame))
        self._transport.flush()

    def step(self, event: Input) -> None:
        """Give the node one input. While it stands still it hears of its owner's wishes only."""
        if self.stands_still and not isinstance(event, (CancelJob, Partition, Leave)):
            self._keep(event)
            return
        self._step(event)
        self._transport.flush()

    def _keep(self, event: Input) -> None:
        """What is not said again is for later: how a workload ended, and the newest neighbours."""
        if isinstance(event, Executed):
            self._kept[event.job, event.epoch] = event
        elif isinstance(event, NeighboursChanged):
            self._kept["neighbours"] = event

    def _step(self, event: Input) -> None:
        """An exception is a bug of ours: it is counted and told, and costs this input only. What the node had
        already decided stays in its outbox, in order, and leaves with the next step.
        """
        try:
            effects = self._node.step(self._clock.now(), event)
        except Exception as error:  # see the docstring
            self.bug(f"handling {type(event).__name__}", error)
            effects = []
        self._perform(effects)

    def neighbours(self, attached: dict[PeerId, bool]) -> None:
        """`/topology` shows something new."""
        self.step(NeighboursChanged(attached))

    def announce(self, announcement: Announcement) -> None:
        """Say something else of this node from now on."""
        self._perform(self._node.announce(self._clock.now(), announcement))
        self._transport.flush()

    def submit(self, request: SubmitQuery) -> bytes:
        """Submit a question; its 16-byte id. Raises `mesh_core.node.Refusal`."""
        if self.stands_still:
            raise Refusal("the disk refuses to write: nothing is taken until it does again")
        query, effects = self._node.submit(self._clock.now(), request)
        self._perform(effects)
        self._transport.flush()
        return query

    def persist(self, writes: Sequence[Write]) -> int:
        """Write something of the runtime's own, before everything that the node asks for later."""
        self._after_disk.written = self._write(writes)
        return self._after_disk.written

    async def until_durable(self, ticket: int) -> None:
        """Wait until everything up to `ticket` is on disk."""
        if self._durable < ticket:
            awaiting = ticket, self._loop.create_future()
            self._awaited.append(awaiting)
            try:
                await awaiting[1]
            finally:
                self._awaited.remove(awaiting)

    async def written(self) -> None:
        """Wait until everything asked for so far is on disk and what waited for it is on its way."""
        await self.until_durable(self._after_disk.written)

    def bug(self, doing: str, error: BaseException) -> None:
        """Note an exception that nobody expected."""
        name = f"{doing}: {type(error).__name__}"
        self.bugs[name] += 1
        self._problems.report_bug(name, error)

    def close(self) -> None:
        """Tick no more."""
        self._alarm.close()

    # ---------------------------------------------------------------------------------------- effects

    def _perform(self, effects: Sequence[Effect]) -> None:
        self._after_disk.perform(effects)
        self._alarm.arm(self._node.next_deadline())

    def _carry_out(self, effect: Effect) -> None:
        """One effect; a bug in what it sets off must not keep the next ones from happening."""
        try:
            if isinstance(effect, Send):
                self._transport.send(effect.to, effect.message)
            elif isinstance(effect, Notify):
                self._on_notify(effect.kind, effect.fields)
            elif isinstance(effect, Execute):
                self._executions.start(effect.job, effect.epoch, effect.work)
            elif isinstance(effect, StopExecution):
                self._executions.stop(effect.job, effect.epoch)
        except Exception as error:  # see the docstring
            self.bug(f"carrying out {type(effect).__name__}", error)

    # ------------------------------------------------------------------------------------------- disk

    def _write(self, writes: Sequence[Write]) -> int:
        ticket = self._disk.submit(writes)
        self._unwritten.add(ticket, writes)
        if self.stands_still:
            self._problems.set(
                "unwritten",
                f"{limit('unwritten_bytes_max') >> 20} MiB wait for the disk: this node stands still until it writes",
            )
        return ticket

    def durable(self, ticket: int) -> None:
        """The store's thread: everything up to `ticket` is on disk."""
        self._loop.call_soon_threadsafe(self._on_durable, ticket)

    def problem(self, text: str) -> None:
        """The store's thread: the disk refuses for now; "" when it is over."""
        self._loop.call_soon_threadsafe(self._problems.set, "store", text)

    def damaged(self, text: str) -> None:
        """A blob could not be read: it counts as missing from now on, and peers have it."""
        self._problems.mention(text)

    def failed(self, error: StoreError) -> None:
        """The store's thread: nothing will be written any more."""
        self._loop.call_soon_threadsafe(self._on_store_failed, error)

    def _on_durable(self, ticket: int) -> None:
        self._durable = ticket
        stood_still = self.stands_still
        self._unwritten.durable(ticket)
        self._after_disk.durable(ticket)
        if stood_still and not self.stands_still:
            self._go_on()
        self._transport.flush()
        for awaited, durable in self._awaited:
            if awaited <= ticket and not durable.done():
                durable.set_result(None)

    def _go_on(self) -> None:
        self._problems.set("unwritten", "")
        self._stood_still = True
        kept, self._kept = self._kept, {}
        for event in kept.values():
            self.step(event)
        self._alarm.arm(self._node.next_deadline())

    # ----------------------------------------------------------------------------------------- timers

    def _tick(self) -> float | None:
        self._stood_still = False
        if self.stands_still:
            return None
        deadline = self._node.next_deadline()
        if deadline is not None and deadline <= self._clock.now():
            self.step(Tick())
            jump_s = self._clock.jump_s()
            if jump_s:
                self._problems.mention(f"the wall clock was set {jump_s:+.1f} s; only displayed times change")
        return self._node.next_deadline()

    def _held_up(self, late_s: float) -> None:
        if self._stood_still:
            return  # and it has been said why
        self.lag_max_s = max(self.lag_max_s, late_s)
        if late_s >= SUSPENDED_S:
            self._problems.mention(f"this process did not run for {late_s:.1f} s; it was stopped or starved")
