"""The supervisor: everything that runs on this machine for one mesh, and what can be done to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from mesh_core.api.client import ControlError, ControlUnavailable
from mesh_core.api.http import HttpError
from whisper_tui.errors import UserError
from whisper_tui.supervisor.chain_choice import OFF, STARTED_HERE
from whisper_tui.supervisor.chain_service import chain_command, chain_service
from whisper_tui.supervisor.child import Child, all_gone, end_all
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.supervisor.events import EventLog
from whisper_tui.supervisor.model_service import model_command, model_service
from whisper_tui.supervisor.participant import Only, Participant
from whisper_tui.supervisor.plan import MODEL_PORT_OFFSET, Plan, Seat
from whisper_tui.supervisor.prepare import new_provider
from whisper_tui.supervisor.recorder_service import recorder_command, recorder_service
from whisper_tui.supervisor.registrar_service import Names, registrar_service, without_secrets, write_settings
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import WORKING, ActionMoment, Outcome, ProcessView, Status
from whisper_tui.supervisor.service import Service
from whisper_tui.supervisor.stopped import stopped

PARTITION_S = 5.0
"""How long a participant may take to hear of a partition."""

LATER_S = 5.0
"""What the mesh does not need to come up is started at the latest so long after the start."""

COME_UP_S = 30.0
"""How long participants may take to come up; then the command fails, and they may still."""


class Supervisor:
    """Runs the participants of `plan`. One command at a time changes anything.

    Commands answer an `Outcome` once they are carried out, and raise HttpError with one line when they are not.
    """

    def __init__(self, run: RunDir, plan: Plan, lifeline: int, env: Mapping[str, str]) -> None:
        self._run = run
        self._plan = plan
        self._token = run.token()
        self._lifeline = lifeline
        self._env = without_secrets(env)
        self._registrar_env = env
        self._started_ms = time.time() * 1000
        self._ready: dict[str, int] | None = None
        self._sides: list[list[str]] = []
        self._lock = asyncio.Lock()
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.done = asyncio.Event()
        self.events = EventLog(self._views)
        self._participants = {seat.name: self._participant(seat) for seat in plan.participants}
        self._model = (
            model_service(model_command(plan.port_base + MODEL_PORT_OFFSET), run.logs, self._changed)
            if plan.backend.llama_cpp_url
            else None
        )
        self._recorder = (
            recorder_service(recorder_command(run.root, self._started_ms), run.logs, self._changed)
            if plan.record
            else None
        )
        self._chain = (
            chain_service(chain_command(plan.chain, run.chain, plan.chain_port), run.logs, self._changed)
            if plan.chain in STARTED_HERE
            else None
        )
        self._names = Names(self.events.emit)
        self._registrar = registrar_service(run, self._changed, self._names) if plan.chain != OFF else None
        services = (self._model, self._recorder, self._chain, self._registrar)
        self._services = [one for one in services if one is not None]

    # ------------------------------------------------------------------------------------------- seeing

    def status(self) -> Status:
        """Everything at once."""
        self._look()
        return Status(
            pid=os.getpid(),
            run_dir=str(self._run.root),
            started_ms=self._started_ms,
            ready=self._ready is not None and self._ready["up"] == self._ready["of"],
            plan=self._plan,
            processes=[child.view for child in self._children()],
            sides=self._sides,
            chain=self._names.chain,
            names=self._names.names,
        )

    def _look(self) -> None:
        """Nobody tells when a process is stopped or goes on: see for oneself."""
        children = self._children()
        found = stopped([child.view.pid for child in children if child.view.pid])
        for child in children:
            child.look(found)

    def _children(self) -> list[Child]:
        children = [child for participant in self._participants.values() for child in participant.children]
        return [*children, *(service.child for service in self._services)]

    def _views(self) -> Iterable[tuple[str, object]]:
        for child in self._children():
            yield "process", child.view
        if self._ready:
            yield "ready", self._ready
        yield from self._names.views()

    def _changed(self, view: ProcessView) -> None:
        self.events.emit("process", view)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One command after the other, and none once the mesh is going down."""
        async with self._lock:
            if self._ending:
                raise HttpError(409, "the mesh is going down")
            self._look()
            yield

    def _tell(self, action: str, targets: list[str], command: str, by: str) -> ActionMoment:
        """Say that an action is carried out now, for logs and incident timelines."""
        moment = ActionMoment(action, targets, by, time.time() * 1000, command)
        self.events.emit("action", moment)
        return moment

    # -------------------------------------------------------------------------------------- starting, ending

    def start(self) -> None:
        """Start everything at once; `ready` is told when all participants answer."""
        for participant in self._participants.values():
            participant.start(self._lifeline, self._env)
        if self._model:
            self._spawn(self._model.run(self._lifeline, self._env))
        self._spawn(self._tell_ready())
        for service in (self._recorder, self._chain):
            if service:
                self._spawn(self._run_later(service, self._env))
        if self._registrar:
            write_settings(self._run, self._plan, self._registrar_env)
            self._spawn(self._run_later(self._registrar, self._registrar_env))

    async def _run_later(self, service: Service, env: Mapping[str, str]) -> None:
        """From when all participants answer: until then they need the machine."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LATER_S):
                await asyncio.gather(*(participant.ready() for participant in self._participants.values()))
        await service.run(self._lifeline, env)

    async def _tell_ready(self) -> None:
        answers = await asyncio.gather(*(participant.ready() for participant in self._participants.values()))
        took_ms = round(time.time() * 1000 - self._started_ms)
        self._ready = {"up": sum(answers), "of": len(answers), "took_ms": took_ms}
        self.events.emit("ready", self._ready)

    async def down(self, *, by: str = "") -> Outcome:
        """SIGTERM to all, SIGKILL after a grace to what is left. `done` is set afterwards."""
        self._ending = True  # waits for no other command: one may be waiting for what will never come up
        action = self._tell("down", list(self._participants), command_line("down"), by)
        ended = [child for child in self._children() if child.alive]
        for service in self._services:
            service.end()
        await end_all(ended)
        for task in self._tasks:
            task.cancel()
        self.done.set()
        return Outcome(action, [child.view for child in ended])

    # ---------------------------------------------------------------------------------------------- commands

    async def kill(self, names: list[str], only: Only | None = None, *, by: str = "") -> Outcome:
        """SIGKILL the provider and the AXL node of each, or `only` one of the two, all at once."""
        async with self._turn():
            chosen, skipped = self._needing(
                names,
                lambda one: any(child.alive and only in {None, child.view.part} for child in one.children),
                f"does not run its {only}" if only else "is down already",
            )
            names = _names(chosen)
            action = self._tell("kill", names, command_line("kill", *names, only=only), by)
            killed = [child for participant in chosen for child in participant.kill(only)]
            await all_gone(killed)
            return Outcome(action, [child.view for child in killed], skipped)

    async def pause(self, names: list[str], *, by: str = "") -> Outcome:
        """SIGSTOP both processes of each."""
        async with self._turn():
            chosen, skipped = self._needing(
                names, lambda one: one.whole, "does not run, or is paused already"
            )
            names = _names(chosen)
            action = self._tell("pause", names, command_line("pause", *names), by)
            for participant in chosen:
                participant.pause()
            return _outcome(action, chosen, skipped)

    async def revive(self, names: list[str], *, by: str = "") -> Outcome:
        """Start again what is gone, with the same key and store; wake what is paused. Answers once they do."""
        async with self._turn():
            chosen, skipped = self._needing(names, lambda one: not one.whole, "runs: nothing to revive")
            names = _names(chosen)
            action = self._tell("revive", names, command_line("revive", *names), by)
            return msgspec.structs.replace(await self._bring_up(chosen, action), skipped=skipped)

    async def add(self, *, by: str = "") -> Outcome:
        """One more provider, with a key of its own."""
        async with self._turn():
            try:
                self._plan, seat = new_provider(self._run, self._plan)
            except UserError as error:
                raise HttpError(409, error.message) from error
            participant = self._participants[seat.name] = self._participant(seat)
            if self._registrar:
                write_settings(self._run, self._plan, self._registrar_env)
            if self._sides:
                self._sides[0].append(seat.name)
            return await self._bring_up(
                [participant], self._tell("add", [seat.name], command_line("add"), by)
            )

    async def partition(self, a: list[str], b: list[str], *, by: str = "") -> Outcome:
        """Cut side `a` from side `b`: each participant drops and hides the other side.

        Every participant is on one side: those not named are on side `a`. A partition that there is already ends.
        """
        async with self._turn():
            self._named([*a, *b])
            both = set(a) & set(b)
            if both:
                raise HttpError(400, f"{', '.join(sorted(both))} cannot be on both sides")
            side_a = [name for name in self._participants if name not in b]
            if not b or not side_a:
                raise HttpError(400, "a partition needs somebody on either side")
            replaced, self._sides = self._sides, [side_a, b]
            action = self._tell("partition", b, command_line("partition", *b), by)
            outcome = await self._hide(list(self._participants.values()), action)
            return msgspec.structs.replace(outcome, replaced=replaced)

    async def heal(self, *, by: str = "") -> Outcome:
        """End the partition."""
        async with self._turn():
            if not self._sides:
                raise HttpError(409, "there is no partition to heal")
            sides, self._sides = self._sides, []
            action = self._tell("heal", sides[1], command_line("heal"), by)
            try:
                return await self._hide(list(self._participants.values()), action)
            except HttpError:
                self._sides = sides  # whoever was not told is still cut off: it can be asked for again
                raise

    async def _bring_up(self, chosen: list[Participant], action: ActionMoment) -> Outcome:
        for participant in chosen:
            participant.start(self._lifeline, self._env)
        try:
            async with asyncio.timeout(COME_UP_S):
                answers = await asyncio.gather(*(participant.ready() for participant in chosen))
        except TimeoutError:
            raise HttpError(504, f"not up after {COME_UP_S:g} s: see the logs in {self._run.root}") from None
        failed = [participant for participant, answer in zip(chosen, answers, strict=True) if not answer]
        if failed:
            raise HttpError(500, "; ".join(_why_not_up(participant) for participant in failed))
        # Also when there is no partition: who was paused while it was healed has not heard of that.
        return await self._hide(chosen, action)

    async def _hide(self, chosen: list[Participant], action: ActionMoment) -> Outcome:
        """Tell each of `chosen` that runs which peers it must not see."""
        reachable = [participant for participant in chosen if participant.provider.view.state in WORKING]
        failures = [line for line in await asyncio.gather(*map(self._hide_from, reachable)) if line]
        if failures:
            raise HttpError(502, "; ".join(failures))
        return _outcome(action, reachable, sides=self._sides)

    async def _hide_from(self, participant: Participant) -> str:
        """Empty, or one line why the participant could not be told."""
        name = participant.seat.name
        others = [other for side in self._sides if name not in side for other in side]
        hidden = [self._participants[other].seat.peer for other in others]
        try:
            async with asyncio.timeout(PARTITION_S):
                await participant.control.command("partition", hidden=hidden)
        except (ControlError, ControlUnavailable) as error:
            return f"{name}: {error}"
        except TimeoutError:
            return f"{name} did not answer in {PARTITION_S:g} s"
        return ""

    # ---------------------------------------------------------------------------------------------- helpers

    def _participant(self, seat: Seat) -> Participant:
        files = self._run.participant(seat.name)
        return Participant(self._plan, seat, files, self._run.logs, self._token, self._changed)

    def _named(self, names: list[str]) -> list[Participant]:
        if not names:
            raise HttpError(400, "name at least one participant")
        unknown = [name for name in names if name not in self._participants]
        if unknown:
            raise HttpError(
                404, f"no participant is called {unknown[0][:80]}; there are {', '.join(self._participants)}"
            )
        return [self._participants[name] for name in dict.fromkeys(names)]

    def _needing(
        self, names: list[str], needs: Callable[[Participant], bool], why_not: str
    ) -> tuple[list[Participant], list[str]]:
        """Those among `names` that the command is for, and a line about each of the others; 409 without any."""
        named = self._named(names)
        chosen = [participant for participant in named if needs(participant)]
        skipped = [f"{participant.seat.name} {why_not}" for participant in named if not needs(participant)]
        if not chosen:
            raise HttpError(409, "; ".join(skipped))
        return chosen, skipped

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _outcome(
    action: ActionMoment,
    chosen: list[Participant],
    skipped: Sequence[str] = (),
    sides: Sequence[list[str]] = (),
) -> Outcome:
    views = [child.view for participant in chosen for child in participant.children]
    return Outcome(action, views, list(skipped), list(sides))


def _names(chosen: list[Participant]) -> list[str]:
    return [participant.seat.name for participant in chosen]


def _why_not_up(participant: Participant) -> str:
    notes = [f"{child.view.part}: {child.view.note}" for child in participant.children if child.view.note]
    return f"{participant.seat.name} did not come up: {'; '.join(notes) or 'it was ended meanwhile'}"
