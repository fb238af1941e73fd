"""Reading a running mesh from outside: whom to ask, and what everybody says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TypeVar

import msgspec
from msgspec import Struct

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import Event, State
from whisper_tui.errors import BadInput, MeshUnreachable, UserError
from whisper_tui.model import state as model
from whisper_tui.model.reducer import reduce
from whisper_tui.model.selectors import PEER_PREFIX_MIN, find_node
from whisper_tui.model.state import initial_state
from whisper_tui.sources.live import Endpoint, LiveSource
from whisper_tui.supervisor import plan as plans
from whisper_tui.supervisor.client import SupervisorClient
from whisper_tui.supervisor.plan import OPERATOR, Plan, Seat
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import GONE, SUPERVISOR, Status

T = TypeVar("T")


class Reach:
    """The control APIs of the mesh in `run`."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.supervisor = SupervisorClient(run)

    def plan(self) -> Plan:
        """What the mesh consists of; MeshUnreachable when there never was one."""
        plan = plans.load(self.run.plan)
        if plan is None:
            raise self.run.nobody()
        return plan

    def control(self, seat: Seat) -> ControlClient:
        """The control API of one participant, with the token."""
        return ControlClient(f"http://127.0.0.1:{seat.control_port}", self.run.token())

    async def status(self) -> Status:
        """What the supervisor says of the processes."""
        return await self.supervisor.status()

    async def state(self, observer: str | None = None) -> State:
        """The mesh as `observer` sees it, else as the operator does, else the first participant that answers."""
        status = await self.status()
        seats = [_seat(status.plan, observer)] if observer else _by_preference(status)
        for seat in seats:
            try:
                return await self.control(seat).state()
            except (ControlUnavailable, ControlError, msgspec.MsgspecError) as error:
                reason = str(error)
        raise MeshUnreachable(
            f"no participant answers: {reason}" if seats else "every participant is down",
            "bring one back with `whisper-tui revive operator`",
        )

    async def peer(self, word: str) -> str:
        """The peer id of whoever is meant by a name, a name on the chain, or the start of a peer id. NotFound for nobody."""
        picture = await self.picture()
        return find_node(
            picture, f"node{word}" if word.isdigit() and len(word) < PEER_PREFIX_MIN else word
        ).peer

    async def picture(self) -> model.State:
        """The mesh as the console would show it now."""
        status, state = await asyncio.gather(self.status(), self.state())
        return picture_of(status, state)

    async def states(self) -> dict[str, State]:
        """What everyone who answers sees, by name."""

        async def ask(seat: Seat) -> tuple[str, State | None]:
            try:
                return seat.name, await self.control(seat).state()
            except (ControlUnavailable, ControlError, msgspec.MsgspecError):
                return seat.name, None

        answers = await asyncio.gather(*map(ask, _by_preference(await self.status())))
        return {name: state for name, state in answers if state is not None}

    async def askable(self, name: str | None = None) -> list[tuple[str, ControlClient]]:
        """Whose control API can be asked, the operator's first: name and client; of the one called `name` only, if there is
        a name."""
        status = await self.status()
        seats = [_seat(status.plan, name)] if name else _by_preference(status)
        return [(seat.name, self.control(seat)) for seat in seats]

    async def until_met(self) -> None:
        """Wait until the operator's node sees every participant alive whose mesh process runs."""
        status = await self.status()
        awaited = {seat.peer for seat in _by_preference(status)}
        async with aclosing(self.control(status.plan.operator).events()) as events:
            async for event in events:
                if event.kind == "member" and event.data.get("state") == "alive":
                    awaited.discard(str(event.data.get("peer")))
                if not awaited:
                    return
        raise MeshUnreachable("the operator's node ended before all participants had met")

    async def ask_operator(self, question: Callable[[ControlClient], Awaitable[T]]) -> T:
        """Ask the operator's own node; ControlError when it refuses, MeshUnreachable when it is not there."""
        status = await self.status()
        back = "bring it back with `whisper-tui revive operator`"
        for view in status.processes:
            if view.name == OPERATOR and (view.state in GONE or view.state == "paused"):
                raise MeshUnreachable(
                    f"the operator's node cannot be asked: its {view.part} is {view.state}", back
                )
        try:
            return await question(self.control(status.plan.operator))
        except ControlUnavailable as error:
            raise MeshUnreachable(f"the operator's node cannot be asked: {error}", back) from error

    async def certificate(self, job: str) -> bytes:
        """The receipt of a settled job from whoever has it; ControlError says why nobody does."""
        refusal = ControlError(f"no participant that answers has a receipt of {job}")
        for seat in _by_preference(await self.status()):
            try:
                return await self.control(seat).certificate(job)
            except ControlError as error:
                refusal = error
            except ControlUnavailable:
                continue
        raise refusal


def _seat(plan: Plan, name: str) -> Seat:
    try:
        return plan.seat(name)
    except KeyError:
        names = ", ".join(seat.name for seat in plan.participants)
        raise BadInput(f"no participant is called {name}; there are {names}") from None


def _by_preference(status: Status) -> list[Seat]:
    """Participants whose mesh process runs: the operator first, who is cut off from most of the others last."""
    silent = {
        (view.name, view.part) for view in status.processes if view.state in GONE or view.state == "paused"
    }
    company = {name: len(side) for side in status.sides for name in side}
    running = [seat for seat in status.plan.participants if (seat.name, "provider") not in silent]
    return sorted(
        running,
        key=lambda seat: (seat.name != OPERATOR, (seat.name, "axl") in silent, -company.get(seat.name, 0)),
    )


def live_source(run: RunDir, plan: Plan, view_period_ms: int | None = None) -> LiveSource:
    """The events of every participant, those added later too, and of the supervisor that runs now; views of what changes
    every `view_period_ms` at most."""
    supervisor = _supervisor_of(run)
    if supervisor is None:
        raise run.nobody()
    token = run.token()

    def locate(name: str) -> Endpoint | None:
        with suppress(UserError):  # a file that cannot be read now says nothing new
            if name == SUPERVISOR:
                return _supervisor_of(run)
            known = plans.load(run.plan) or plan
            return next((_endpoint(seat) for seat in known.participants if seat.name == name), None)
        return None

    return LiveSource(
        [_endpoint(seat) for seat in plan.participants],
        supervisor.url,
        lambda url: ControlClient(url, token, view_period_ms=view_period_ms),
        locate=locate,
    )


def _supervisor_of(run: RunDir) -> Endpoint | None:
    found = run.running()
    return Endpoint(SUPERVISOR, f"http://127.0.0.1:{found.port}") if found is not None else None


def _endpoint(seat: Seat) -> Endpoint:
    return Endpoint(seat.name, f"http://127.0.0.1:{seat.control_port}", seat.peer)


def picture_of(status: Status, state: State) -> model.State:
    """One participant's state and the supervisor's as the operator's picture, through the console's reducer."""
    own: list[tuple[str, Struct]] = [("node", state.node), ("replica", state.replica)]
    own += [("member", view) for view in state.members]
    own += [("job", view) for view in state.jobs]
    own += [("query", view) for view in state.queries]
    own += [("answer", view) for view in state.answers]
    said: list[tuple[str, str, Struct]] = [(SUPERVISOR, "process", view) for view in status.processes]
    said += [(SUPERVISOR, "chain", status.chain)] if status.chain is not None else []
    said += [(SUPERVISOR, "ens", view) for view in status.names]
    said += [(state.node.peer, kind, view) for kind, view in own]
    picture = initial_state(primary=state.node.peer)
    for node, kind, view in said:
        picture = reduce(picture, Event(state.seq, state.at_ms, node, kind, msgspec.to_builtins(view)))
    return picture
