"""What a script can do: a table of verbs, each with its arguments, over the actions that people have too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from msgspec import Struct

from whisper_tui.clock import Clock
from whisper_tui.errors import ActionError
from whisper_tui.model import selectors
from whisper_tui.model.selectors import NotFound
from whisper_tui.model.state import DOWN, State
from whisper_tui.recording.timeline import Timeline
from whisper_tui.script import durations, looking
from whisper_tui.script.picture import Picture
from whisper_tui.sources.records import MeshRecords
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import Outcome, ProcessView

STREAMING = "streaming"
"""Instead of a participant's name: one that holds a job and has streamed tokens of it."""


class Actions(Protocol):
    """What can be done to a mesh. All raise UserError with one line when it is refused."""

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        """Ask; the question's label."""
        ...

    async def cancel(self, job: str) -> str:
        """Ask that a job end as cancelled; its id."""
        ...

    async def kill(self, names: Sequence[str], only: Literal["provider", "axl"] | None = None) -> Outcome:
        """SIGKILL."""
        ...

    async def pause(self, names: Sequence[str]) -> Outcome:
        """SIGSTOP."""
        ...

    async def revive(self, names: Sequence[str]) -> Outcome:
        """Start again, or wake."""
        ...

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> Outcome:
        """Cut side b off; whoever is not named is on side a."""
        ...

    async def heal(self) -> Outcome:
        """End the partition."""
        ...

    async def add(self) -> Outcome:
        """One more provider."""
        ...


@dataclass(frozen=True)
class Stage:
    """What verbs act on: a mesh, its picture, the one source of chance, and the clock. `run` is where its processes have
    their files, None without any; `records` is where its signed records can be asked for, `replay` what happened where nothing
    happens any more."""

    actions: Actions
    picture: Picture
    rng: Random
    say: Callable[[str], None]
    clock: Clock
    run: RunDir | None = None
    records: MeshRecords | None = None
    replay: Timeline | None = None


class Nothing(Struct, forbid_unknown_fields=True):
    """No arguments."""


class Question(Struct, forbid_unknown_fields=True):
    """`query`: what is asked."""

    query: str


class Nodes(Struct, forbid_unknown_fields=True):
    """`nodes`: names, `random`, `streaming`, `holder:JOB`, `all`."""

    nodes: list[str]


class Victims(Nodes, forbid_unknown_fields=True):
    """`only`: one of a participant's two processes."""

    only: Literal["provider", "axl"] | None = None


class Linger(Struct, forbid_unknown_fields=True):
    """`lasting`: how long."""

    lasting: str


class OneJob(Struct, forbid_unknown_fields=True):
    """`job`: label or id."""

    job: str


async def submit(stage: Stage, args: Question) -> str:
    """Ask a question; done once the operator's node shows it."""
    label = await stage.actions.submit(args.query)
    await stage.picture.until(lambda state: _knows_query(state, label))
    return f"submitted as {label}"


async def kill(stage: Stage, args: Victims) -> str:
    """SIGKILL."""
    outcome = await stage.actions.kill(_named(stage, args.nodes), args.only)
    return await _done(stage, outcome)


async def pause(stage: Stage, args: Nodes) -> str:
    """SIGSTOP."""
    return await _done(stage, await stage.actions.pause(_named(stage, args.nodes)))


async def revive(stage: Stage, args: Nodes) -> str:
    """Start again what is gone, wake what is paused; done once they answer."""
    return await _done(stage, await stage.actions.revive(_named(stage, args.nodes)))


async def partition(stage: Stage, args: Nodes) -> str:
    """Cut the named participants off from all others, the operator's side."""
    return await _done(stage, await stage.actions.partition([], _named(stage, args.nodes)))


async def heal(stage: Stage, _: Nothing) -> str:
    """End the partition."""
    return await _done(stage, await stage.actions.heal())


async def add(stage: Stage, _: Nothing) -> str:
    """One more provider."""
    return await _done(stage, await stage.actions.add())


async def linger(stage: Stage, args: Linger) -> str:
    """Let time pass, for those who watch."""
    await stage.clock.sleep(durations.seconds(args.lasting))
    return f"let {args.lasting} pass"


async def cancel(stage: Stage, args: OneJob) -> str:
    """Ask that a job end as cancelled."""
    return f"asked to cancel {await stage.actions.cancel(args.job)}"


# ------------------------------------------------------------------------------------------------ helpers


def _knows_query(state: State, label: str) -> bool:
    try:
        selectors.find_query(state, label)
    except NotFound:
        return False
    return True


async def _done(stage: Stage, outcome: Outcome) -> str:
    """Wait until the picture shows the action and what it did to processes, so that what follows is about that."""
    action = outcome.action

    def shows(state: State, view: ProcessView) -> bool:
        process = state.processes.get((view.name, view.part))
        awaited = "running" if view.state == "starting" else view.state
        return process is not None and (process.state == awaited or process.state in DOWN)

    def known(state: State) -> bool:
        told = any(
            entry.kind == "action"
            and (entry.data["action"], entry.data["at_ms"]) == (action.action, action.at_ms)
            for entry in reversed(state.log)
        )
        return told and all(shows(state, view) for view in outcome.processes)

    await stage.picture.until(known)
    return f"{action.action} {' '.join(action.targets)}".rstrip()


def _named(stage: Stage, words: Sequence[str]) -> list[str]:
    """`words` with `streaming` replaced by names; the actions know the other words."""
    state = stage.picture.state
    names: list[str] = []
    for word in words:
        if word == STREAMING:
            holders = [selectors.node_of(state, job.holder) for job in looking.streaming(state)]
            free = sorted({node.name for node in holders if node.seated} - set(names) - set(words))
            if not free:
                raise ActionError("streaming: no participant holds a job and has streamed tokens of it")
            names.append(stage.rng.choice(free))
        else:
            names.append(word)
    return names
