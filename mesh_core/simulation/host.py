"""One simulated machine: a node with its disk, its transport, its clock and its executions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from mesh_core.after_disk import AfterDisk
from mesh_core.context import Doors, NodeConfig
from mesh_core.crypto import Crypto
from mesh_core.effects import (
    Effect,
    Execute,
    Executed,
    FrameReceived,
    Input,
    JobId,
    NeighboursChanged,
    Notify,
    PeerId,
    Progressed,
    PutMeta,
    Send,
    StopExecution,
    Stored,
    Tick,
    Write,
)
from mesh_core.node import Node
from mesh_core.simulation.clock import HostClock
from mesh_core.simulation.disk import BOOT, Damage, Disk
from mesh_core.simulation.network import Network
from mesh_core.simulation.schedule import Schedule
from mesh_core.simulation.trace import Trace
from mesh_core.simulation.transport import Transport
from mesh_core.simulation.workload import Workload
from mesh_core.wire.messages import Message

INBOX_FRAMES_MAX = 100
"""An AXL node holds this many frames for a client that does not read, and drops the oldest."""

TIMER_SLACK_S = 1e-6
"""Timers fire this much late, so that rounding between clocks never lets one fire early."""

RETRY_S = (0.05, 2.0)
"""A write that a full disk refuses is tried again after this long, doubling from the first to the second."""

POLL_FRAMES = 64
"""A process takes at most this many frames from its inbox before it judges its timers."""

HANDED_OVER_S = (0.0002, 0.001)
"""How long an AXL node takes to accept a frame; the next one to that peer waits for it."""


class Watcher(Protocol):
    """Hears what hosts do; checkers are watchers."""

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        """`host` hands these writes to its disk."""

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """These writes of `host` are on its disk."""

    def notified(self, host: Host, notify: Notify) -> None:
        """The node of `host` reported something."""


@dataclass(slots=True)
class Surroundings:
    """What all hosts of one world share."""

    schedule: Schedule
    network: Network
    workload: Workload
    trace: Trace
    watchers: list[Watcher]
    deliver: Callable[[PeerId, PeerId, bytes], None]
    came_up: Callable[[], None]
    sending: Callable[[Host, Message], None] | None = None
    """Hears of every message that leaves a node for its transport."""


@dataclass(slots=True)
class HostSpec:
    """What one host is made of. `make_node` and `make_disk` let a control put in a broken part."""

    name: str
    index: int
    config: NodeConfig
    crypto: Crypto
    rng: Random
    clock: HostClock = field(default_factory=HostClock)
    fsync_s: tuple[float, float] = (0.0005, 0.004)
    make_node: Callable[[NodeConfig, Doors, Stored, int], Node] = Node
    make_disk: Callable[[], Disk] = Disk


class Host:
    """Runs one node as the real runtime would: effects in order, some only after the disk.

    Each boot begins a new life; what was scheduled in an earlier one is void. `loop_s` is the mean time that the
    process takes for one frame: with more than nothing, frames wait in the inbox of its AXL node meanwhile.
    """

    def __init__(self, spec: HostSpec, around: Surroundings) -> None:
        self.name = spec.name
        self.index = spec.index
        self.peer: PeerId = spec.config.peer
        self.config = spec.config
        self.clock = spec.clock
        self.disk = spec.make_disk()
        self.disk.on_durable = self._on_durable
        self.node: Node | None = None
        self.axl_up = False
        self.booting = False
        self.lost = False
        self.executions = 0
        self.frames_sent = 0
        self.fsync_s = spec.fsync_s
        self.loop_s = 0.0
        self._spec = spec
        self._around = around
        self._schedule = around.schedule
        self._rng = spec.rng
        self._life = 0
        self._paused = False
        self._inbox: deque[bytes] = deque(maxlen=INBOX_FRAMES_MAX)
        self._deferred: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._after_disk = AfterDisk(self._write, self._carry_out)
        self._transport = Transport(_nobody_home, self._carry)
        self._tick_at: float | None = None
        self._busy = 0
        self._handled = 0
        self._polled = 0
        self._runs: dict[tuple[JobId, int], int] = {}

    # ------------------------------------------------------------------------------------ life and death

    @property
    def up(self) -> bool:
        """Whether the node's process exists (it may be paused)."""
        return self.node is not None

    @property
    def started(self) -> bool:
        """Whether the process has ever run."""
        return self._life > 0

    @property
    def paused(self) -> bool:
        """Whether the process is stopped (SIGSTOP) or stalled."""
        return self._paused

    @property
    def backlog(self) -> int:
        """Effects that wait for the disk and messages that wait for the transport."""
        return len(self._after_disk) + len(self._transport)

    @property
    def waiting_frames(self) -> int:
        """Frames in the inbox of its AXL node."""
        return len(self._inbox)

    def boot(self) -> None:
        """Start the process: the number of this start goes to disk first, then the node comes up."""
        self._life += 1
        self.booting = True
        self.axl_up = True
        self.clock.boot(self._schedule.now, self._rng.uniform(10.0, 100_000.0))
        self._schedule.after(self._rng.uniform(*self.fsync_s), self._come_up, self._life)

    def _come_up(self, life: int) -> None:
        if life != self._life:
            return
        if self.disk.full:
            self._schedule.after(RETRY_S[0], self._come_up, life)
            return
        self.booting = False
        self.disk.append((PutMeta(BOOT, str(self.disk.boot + 1).encode()),))
        self.disk.begin_sync()
        self.disk.end_sync()
        self.node = self._make_node()
        self._transport = Transport(self.node.seal_frame, self._carry)
        self._perform(self.node.start(self.clock.monotonic(self._schedule.now)))
        self._around.came_up()
        for frame in self._take_inbox():
            self.receive(frame)

    def crash(self, *, axl_too: bool) -> Damage:
        """End the process as SIGKILL does; with `axl_too` its AXL node dies as well, and its inbox with it.

        Returns what that did to the writes under way.
        """
        self._life += 1
        self.booting = False
        self.node = None
        self._paused = False
        self._deferred.clear()
        self._after_disk = AfterDisk(self._write, self._carry_out)
        self._runs.clear()
        self._tick_at = None
        self._busy = 0
        if axl_too:
            self.axl_up = False
            self._inbox.clear()
        kept = self._rng.random() if not self.disk.idle and not self.disk.full else 0.0
        return self.disk.crash(kept)

    def pause(self) -> None:
        """Stop the process: nothing is handled until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Continue: the inbox is drained before timers are judged, as the runtime does it."""
        if not self._paused:
            return
        self._paused = False
        self._busy = 0
        for frame in self._take_inbox():
            self.receive(frame)
        deferred, self._deferred = self._deferred, []
        for call, args in deferred:
            call(*args)
        self._arm()

    def bend_clock(self, rate: float) -> None:
        """Let the clocks run at another rate from now on."""
        self.clock.bend(self._schedule.now, rate)
        self._arm()

    def replay(self) -> Node:
        """A second node that starts from what is on the disk now; nothing it says leaves it."""
        node = self._make_node()
        node.start(0.0)
        return node

    def _make_node(self) -> Node:
        doors = Doors(
            crypto=self._spec.crypto,
            rng=Random(self._rng.getrandbits(64)),
            wall_ms=lambda: self.clock.wall_ms(self._schedule.now),
        )
        return self._spec.make_node(self.config, doors, self.disk.load(), self.disk.boot)

    # ------------------------------------------------------------------------------------------- inputs

    def receive(self, frame: bytes) -> None:
        """A frame has reached this host's AXL node."""
        if self.node is not None and not self._paused and not self._busy:
            self._handle(frame)
        elif self.axl_up:
            self._inbox.append(frame)

    def _handle(self, frame: bytes) -> None:
        self._around.trace.mix(self._schedule.now, self.index, frame[-8:])
        self.step(FrameReceived(frame))
        if self.loop_s and self.node is not None:
            self._handled += 1
            self._busy = self._handled
            self._schedule.after(self._rng.expovariate(1.0) * self.loop_s, self._loop, self._busy)

    def _loop(self, serial: int) -> None:
        """The process has dealt with a frame: timers after a full poll or an empty inbox, else the next frame."""
        if serial != self._busy or self._paused:
            return
        self._busy = 0
        self._polled += 1
        if not self._inbox or self._polled >= POLL_FRAMES:
            self._polled = 0
            self._judge_timers()
        while self._inbox and not self._busy:
            self._handle(self._inbox.popleft())

    def neighbours(self, attached: Mapping[PeerId, bool]) -> None:
        """`/topology` shows something new."""
        self.command(NeighboursChanged(dict(attached)))

    def command(self, event: Input) -> None:
        """An input from outside the mesh: handled now, or once the process goes on."""
        self._when_running(self._life, self.step, event)

    def step(self, event: Input) -> None:
        """Step the node with one input and carry out what it answers."""
        if self.node is None:
            return
        self._perform(self.node.step(self.clock.monotonic(self._schedule.now), event))

    def act(self, effects: Sequence[Effect]) -> None:
        """Carry out effects of a call that is not a step (`Node.submit`)."""
        self._perform(effects)

    # ------------------------------------------------------------------------------------------ effects

    def _perform(self, effects: Sequence[Effect]) -> None:
        self._after_disk.perform(effects)
        self._after_disk.durable(self.disk.acknowledged)
        self._sync()
        self._transport.flush()
        self._arm()

    def _carry_out(self, effect: Effect) -> None:
        if type(effect) is Send:
            if self._around.sending is not None:
                self._around.sending(self, effect.message)
            self._transport.queue(effect.to, effect.message)
        elif type(effect) is Notify:
            self._around.trace.moment(self._schedule.now, self.name, effect.kind, effect.fields)
            for watcher in self._around.watchers:
                watcher.notified(self, effect)
        elif type(effect) is Execute:
            self._execute(effect)
        elif type(effect) is StopExecution:
            self._runs.pop((effect.job, effect.epoch), None)

    def _when_running(self, life: int, call: Callable[..., None], *args: Any) -> None:
        """Call now, or on `resume`; never in another life."""
        if life != self._life or self.node is None:
            return
        if self._paused:
            self._deferred.append((call, args))
        else:
            call(*args)

    # --------------------------------------------------------------------------------------------- disk

    def _sync(self) -> None:
        if self.disk.idle and self.disk.behind:
            self.disk.begin_sync()
            self._schedule.after(
                self._rng.uniform(*self.fsync_s), self._when_running, self._life, self._synced
            )

    def _write(self, writes: Sequence[Write]) -> int:
        for watcher in self._around.watchers:
            watcher.writing(self, writes)
        return self.disk.append(writes)

    def _synced(self, retry_s: float = RETRY_S[0]) -> None:
        if self.disk.full:
            later = min(2 * retry_s, RETRY_S[1])
            self._schedule.after(retry_s, self._when_running, self._life, self._synced, later)
            return
        self.disk.end_sync()
        self._after_disk.durable(self.disk.acknowledged)
        self._sync()
        self._transport.flush()

    def _on_durable(self, writes: Sequence[Write]) -> None:
        for watcher in self._around.watchers:
            watcher.durable(self, writes)

    # ---------------------------------------------------------------------------------------- transport

    def _carry(self, to: PeerId, frame: bytes) -> None:
        self.frames_sent += 1
        self._around.deliver(self.peer, to, frame)
        handed_over_s = self._rng.uniform(*HANDED_OVER_S)
        self._schedule.after(handed_over_s, self._when_running, self._life, self._transport.handed_over, to)

    def _take_inbox(self) -> list[bytes]:
        frames = list(self._inbox)
        self._inbox.clear()
        return frames

    # ------------------------------------------------------------------------------------------- timers

    def _arm(self) -> None:
        """Make sure that a tick comes no later than the node's next deadline."""
        if self.node is None or self._paused:
            return
        deadline = self.node.next_deadline()
        if deadline is None:
            return
        when = max(self.clock.when(deadline), self._schedule.now) + TIMER_SLACK_S
        if self._tick_at is None or when < self._tick_at:
            self._tick_at = when
            self._schedule.at(when, self._tick, self._life, when)

    def _tick(self, life: int, when: float) -> None:
        if life != self._life or when != self._tick_at:
            return
        self._tick_at = None
        if not self._busy:
            self._judge_timers()

    def _judge_timers(self) -> None:
        if self.node is None or self._paused:
            return
        deadline = self.node.next_deadline()
        if deadline is not None and deadline <= self.clock.monotonic(self._schedule.now):
            self.step(Tick())
        else:
            self._arm()

    # --------------------------------------------------------------------------------------- executions

    def _execute(self, effect: Execute) -> None:
        self.executions += 1
        self._runs[(effect.job, effect.epoch)] = self.executions
        run = self._around.workload.plan(effect, self.name, self.executions)
        serial = self.executions
        for step, seconds in enumerate(run.progress_s, start=1):
            self._schedule.after(
                seconds, self._when_running, self._life, self._progressed, effect, serial, step
            )
        if run.result is not None or run.error is not None:
            executed = Executed(effect.job, effect.epoch, run.result, run.error)
            self._schedule.after(
                run.takes_s, self._when_running, self._life, self._executed, executed, serial
            )

    def _progressed(self, effect: Execute, serial: int, step: int) -> None:
        if self._runs.get((effect.job, effect.epoch)) == serial:
            self.step(Progressed(effect.job, effect.epoch, step * 10, f"words {step} "))

    def _executed(self, executed: Executed, serial: int) -> None:
        if self._runs.get((executed.job, executed.epoch)) == serial:
            del self._runs[(executed.job, executed.epoch)]
            self.step(executed)


def _nobody_home(_to: PeerId, _messages: Sequence[Message]) -> tuple[bytes, int]:
    raise AssertionError("a host that is down sends nothing")
