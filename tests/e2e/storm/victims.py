"""The mesh in a storm: processes as the supervisor shows them, and what is done to them from outside.

Who kills and stops is not the supervisor: signals come from here, as they would from the kernel. Bringing back, cutting off
and healing are the product's own commands. A disk is full for one process by a limit on the size of its files, which
the kernel enforces: writes are refused or end in their middle, the store's, its log's and its mark's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import aclosing

import msgspec

from mesh_core.api.client import ControlClient
from mesh_core.api.schema import Event
from tests.e2e.command_line import Mesh
from tests.e2e.processes import belonging_to, limit_files
from tests.e2e.storm.schedule import Blow, Step
from whisper_tui.actions.actions import Actions
from whisper_tui.errors import ActionError
from whisper_tui.reach import Reach
from whisper_tui.sources.live import Endpoint, LiveSource
from whisper_tui.supervisor.plan import OPERATOR
from whisper_tui.supervisor.rundir import RunDir, SupervisorFile
from whisper_tui.supervisor.schema import GONE, SUPERVISOR, WORKING, ProcessView
from whisper_tui.supervisor.stopped import stopped

PATIENCE_S = 30.0
"""For one thing that is done to the mesh."""

LOOK_S = 0.01

UPS = 3
"""How often a mesh may be brought up after a blackout until it is."""

FULL_AT_START_S = 0.7
"""How long a participant that is started on a full disk has to wait for room."""


class Victims:
    """Follows the operator's and the supervisor's events; carries out what a schedule says."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.run = run = RunDir(mesh.folder)
        self.actions = Actions(run, "storm")
        self.reach = Reach(run)
        self.plan = self.reach.plan()
        self.processes: dict[tuple[str, str], ProcessView] = {}
        self.done: Counter[str] = Counter()
        self.told: list[str] = []
        """What was done and what came of it, for whoever has to find out."""
        self._listeners: list[Callable[[Event], None]] = []
        self._wakers: set[asyncio.Event] = set()

    # ------------------------------------------------------------------------------------------- watching

    @property
    def names(self) -> list[str]:
        """Everybody."""
        return [seat.name for seat in self.plan.participants]

    def control(self, name: str) -> ControlClient:
        """A participant's API."""
        return self.reach.control(self.plan.seat(name))

    def listen(self, listener: Callable[[Event], None]) -> None:
        """`listener` gets every event of the operator and the supervisor from now on."""
        self._listeners.append(listener)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """While the block runs, events are followed."""
        following = asyncio.create_task(self._follow())
        try:
            seated = {(name, part) for name in self.names for part in ("provider", "axl")}
            await self.until(lambda: seated <= self.processes.keys())
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self.events_of([OPERATOR])) as events:
            async for event in events:
                if event.node == SUPERVISOR and event.kind == "process":
                    view = msgspec.convert(event.data, ProcessView)
                    self.processes[view.name, view.part] = view
                for listener in self._listeners:
                    listener(event)
                for waker in self._wakers:
                    waker.set()

    def events_of(self, names: Collection[str]) -> AsyncGenerator[Event, None]:
        """The events of these participants and the supervisor, over all interruptions and wherever they listen by then."""
        token = self.run.token()

        def locate(name: str) -> Endpoint | None:
            supervisor = self.run.running()
            if name == SUPERVISOR:
                return Endpoint(name, f"http://127.0.0.1:{supervisor.port}") if supervisor else None
            if name not in names:
                return None
            seat = self.plan.seat(name)
            return Endpoint(name, f"http://127.0.0.1:{seat.control_port}", seat.peer)

        endpoints = [endpoint for name in [*names, SUPERVISOR] if (endpoint := locate(name))]
        source = LiveSource(endpoints, None, lambda url: ControlClient(url, token), locate=locate)
        return source.events()

    async def until(self, holds: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait until `holds`: looked at after every event, and only then."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    waker.clear()
                    await waker.wait()
        finally:
            self._wakers.discard(waker)

    # ----------------------------------------------------------------------------------------- what is done

    async def suffer(self, steps: Iterable[Step], at_most_s: float) -> None:
        """Carry out one step after the other. After `at_most_s` nothing more befalls anybody, and what has is mended."""
        now = asyncio.get_running_loop().time
        ends_s = now() + at_most_s
        before_s = 0.0
        fallen: set[Blow] = set()
        for step in steps:
            if step.falls and now() + step.at_s - before_s >= ends_s:
                continue
            if step.falls or step.blow in fallen:
                await asyncio.sleep(step.at_s - before_s)
                before_s = step.at_s
                fallen.add(step.blow)
                await self.perform(step)

    async def perform(self, step: Step) -> None:
        """Carry one step out and wait until it is."""
        self.told.append(str(step))
        blow = step.blow
        if step.falls:
            self.done[blow.kind] += 1 if blow.kind == "blackout" else len(blow.names)
            await self._fall(blow)
        else:
            await self._mend(blow)

    async def _fall(self, blow: Blow) -> None:
        match blow.kind:
            case "kill" | "full at start":
                await self._end(blow, signal.SIGKILL)
            case "terminate":
                await self._end(blow, signal.SIGTERM)
            case "stop":
                await self._stop([view.pid for view in self._running(blow)])
            case "cut":
                await self.actions.partition([], blow.names)
            case "blackout":
                await self._black_out()
            case "full" | "full and killed":
                for view in self._running(blow):
                    limit_files(view.pid, self._room(view, blow.room_bytes))

    async def _mend(self, blow: Blow) -> None:
        match blow.kind:
            case "kill" | "terminate":
                await self._revive(blow)
            case "stop" if blow.part == "axl":
                for view in self._running(blow):
                    os.kill(view.pid, signal.SIGCONT)
            case "stop":
                await self._revive(blow)  # which also tells whoever slept of partitions
            case "cut":
                await self.actions.heal()
            case "blackout":
                await self._bring_up()
            case "full":
                for view in self._running(blow):
                    limit_files(view.pid, None)
            case "full and killed":
                await self._end(blow, signal.SIGKILL)
                await self._revive(blow)
            case "full at start":
                await self._revive_without_disk(blow)

    def _views(self, blow: Blow) -> Iterator[ProcessView]:
        """The processes it is about."""
        for name in blow.names:
            for part in ("provider", "axl"):
                if blow.part in {"both", part}:
                    yield self.processes[name, part]

    def _running(self, blow: Blow) -> list[ProcessView]:
        """The processes it is about, none of which has ended by itself."""
        views = list(self._views(blow))
        for view in views:
            assert view.pid, f"{view.name} {view.part} is {view.state}: {view.note}"
        return views

    def _room(self, view: ProcessView, room_bytes: int | None) -> int:
        """How large files may be so that a participant's write-ahead log grows by no more than this."""
        if room_bytes is None:
            return 0
        log = self.run.participant(view.name).store.with_name("store.db-wal")
        return log.stat().st_size + room_bytes

    async def _end(self, blow: Blow, number: signal.Signals) -> None:
        views = self._running(blow)
        for view in views:
            os.kill(view.pid, number)
        ended = {(view.name, view.part): view.pid for view in views}
        await self.until(lambda: all(self.processes[name].pid != pid for name, pid in ended.items()))

    def _supervisor(self) -> SupervisorFile:
        supervisor = self.run.running()
        assert supervisor is not None, "the supervisor has ended"
        return supervisor

    async def _stop(self, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE_S):
            # One that waits for its disk stops after that, and nobody tells.
            while stopped(pids) != set(pids):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)

    async def _black_out(self) -> None:
        """The supervisor is killed, and all its children end with it."""
        os.kill(self._supervisor().pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while belonging_to(self.run.root):  # noqa: ASYNC110 - nobody is left to tell
                await asyncio.sleep(LOOK_S)

    async def _bring_up(self) -> None:
        """Everybody reads the whole ledger at once: on a busy machine that may take longer than `up` waits, and once more."""
        for _ in range(UPS):
            up = await asyncio.to_thread(self.mesh.whisper, "up", "--detach")
            if up.returncode == 0:
                break
            self.told.append(f"{' ' * 12}refused: {up.stderr.splitlines()[0]}")
            assert "not every participant answers" in up.stderr, up.stderr
        assert up.returncode == 0, up.stderr
        self.plan = self.reach.plan()  # its ports may have been taken meanwhile
        pids = {view.pid for view in (await self.reach.status()).processes}
        await self.until(lambda: {view.pid for view in self.processes.values()} == pids)

    async def _revive(self, blow: Blow) -> None:
        await self.actions.revive(blow.names)
        await self.until(lambda: all(view.state in WORKING for view in self._views(blow)))

    async def _revive_without_disk(self, blow: Blow) -> None:
        """Started while nothing can be written: it waits for room, or says in one line why it cannot start."""
        supervisor = self._supervisor()
        before = list(self._views(blow))
        limit_files(supervisor.pid, 0)  # its children inherit it
        reviving = asyncio.create_task(self.actions.revive(blow.names))
        try:
            await self.until(lambda: all(self.processes[one.name, one.part] != one for one in before))
        finally:
            limit_files(supervisor.pid, None)
        started = list(self._views(blow))
        await asyncio.sleep(FULL_AT_START_S)
        for view in (view for view in started if view.pid):
            with contextlib.suppress(ProcessLookupError):
                limit_files(view.pid, None)
        try:
            await reviving
        except ActionError as refusal:
            self.told.append(f"{' ' * 12}refused: {refusal.message}")
            await self.until(lambda: any(view.state in GONE for view in self._views(blow)))
            await self._revive(blow)
