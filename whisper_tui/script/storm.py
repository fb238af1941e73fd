"""A storm: participants die, stop, come back and are cut off at random, while questions go on being asked.

Chance comes from the run's seed alone; what the mesh does in between is as real as the processes are. A storm
leaves everybody up and the mesh whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from msgspec import Struct

from whisper_tui.errors import ActionError
from whisper_tui.model import selectors
from whisper_tui.script import doing, durations, looking
from whisper_tui.script.doing import Nodes, Question, Stage, Victims

OPEN_QUERIES_MAX = 3
"""Questions that may be unanswered at once; more would only wait."""

BEYOND_QUORUM = 0.15
"""Share of disturbances that may leave the operator's side without a quorum for a while."""


class Storm(Struct, forbid_unknown_fields=True):
    """`lasting`: how long; `every` and `away`: mean time between disturbances, and until what was disturbed is
    mended; `query`: what is asked all the while."""

    lasting: str
    query: str
    every: str = "2s"
    away: str = "4s"


@dataclass
class _Weather:
    """Who is out of reach at present. `spare` providers may be without a quorum being lost."""

    providers: list[str]
    killed: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    disturbances: int = 0
    questions: int = 0

    @property
    def silent(self) -> set[str]:
        return self.killed | self.paused | self.cut

    @property
    def spare(self) -> int:
        """Of N providers and the operator any minority may be missing."""
        return (len(self.providers) + 1) - ((len(self.providers) + 1) // 2 + 1)


async def storm(stage: Stage, args: Storm) -> str:
    """Disturb and ask for the given time, then mend everything."""
    weather = _Weather([node.name for node in selectors.providers(stage.picture.state)])
    asking = asyncio.create_task(_ask(stage, args.query, weather))
    try:
        await _disturb(stage, args, weather, asking)
        await _mend(stage, weather)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    return f"{weather.disturbances} disturbances, {weather.questions} questions asked"


async def _ask(stage: Stage, query: str, weather: _Weather) -> None:
    """Ask again whenever there is room for another question."""
    while True:
        await stage.picture.until(lambda state: len(looking.open_questions(state)) < OPEN_QUERIES_MAX)
        try:
            await doing.submit(stage, Question(f"{query} ({weather.questions + 1})"))
        except ActionError as refusal:
            stage.say(f"a question was refused: {refusal.message}")
            await _change(stage)
        else:
            weather.questions += 1


async def _change(stage: Stage) -> None:
    """Wait until another member counts as alive: nothing else makes a refused question acceptable."""
    before = selectors.node_counts(stage.picture.state).alive
    await stage.picture.until(lambda state: selectors.node_counts(state).alive != before)


# --------------------------------------------------------------------------------------------- disturbing


async def _disturb(stage: Stage, args: Storm, weather: _Weather, asking: asyncio.Task[None]) -> None:
    """One thing after the other, at random times; never interrupted half-way."""
    every, away = durations.seconds(args.every), durations.seconds(args.away)
    now = stage.clock.now
    end = now() + durations.seconds(args.lasting)
    while (left := end - now()) > 0:
        if asking.done():
            asking.result()
        await stage.clock.sleep(min(left, stage.rng.expovariate(1.0 / every)))
        # What is broken is mended after `away` on average, so the more is, the likelier mending comes next.
        broken = len(weather.killed) + len(weather.paused) + bool(weather.cut)
        mends = stage.rng.random() < broken * every / away
        step = _mending(stage, weather) if mends else _breaking(stage, weather)
        if step is not None:
            await step()
            weather.disturbances += 1


def _breaking(stage: Stage, weather: _Weather) -> Callable[[], Awaitable[None]] | None:
    """Something that can be broken now, if anything can."""
    room = weather.spare - len(weather.silent)
    if stage.rng.random() < BEYOND_QUORUM:
        room += 1
    present = sorted(set(weather.providers) - weather.silent)
    if room < 1 or len(present) < 2:
        return None
    what = stage.rng.choice(["kill", "kill", "pause", "partition"])
    if what == "partition" and not weather.cut:
        return lambda: _cut(stage, weather, stage.rng.sample(present, stage.rng.randint(1, room)))
    victims = stage.rng.sample(present, stage.rng.randint(1, min(room, 2)))
    if what == "pause":
        return lambda: _pause(stage, weather, victims)
    return lambda: _kill(stage, weather, victims)


def _mending(stage: Stage, weather: _Weather) -> Callable[[], Awaitable[None]] | None:
    """Something that can be mended now, if anything is broken."""
    broken: list[Callable[[], Awaitable[None]]] = []
    down = sorted(weather.killed | weather.paused)
    if down:
        name = stage.rng.choice(down)
        broken.append(lambda: _revive(stage, weather, [name]))
    if weather.cut:
        broken.append(lambda: _heal(stage, weather))
    return stage.rng.choice(broken) if broken else None


async def _kill(stage: Stage, weather: _Weather, names: list[str]) -> None:
    weather.killed.update(names)
    await doing.kill(stage, Victims(names))


async def _pause(stage: Stage, weather: _Weather, names: list[str]) -> None:
    weather.paused.update(names)
    await doing.pause(stage, Nodes(names))


async def _revive(stage: Stage, weather: _Weather, names: list[str]) -> None:
    await doing.revive(stage, Nodes(names))
    weather.killed.difference_update(names)
    weather.paused.difference_update(names)


async def _cut(stage: Stage, weather: _Weather, names: list[str]) -> None:
    weather.cut.update(names)
    await doing.partition(stage, Nodes(names))


async def _heal(stage: Stage, weather: _Weather) -> None:
    await doing.heal(stage, doing.Nothing())
    weather.cut.clear()


async def _mend(stage: Stage, weather: _Weather) -> None:
    """Everybody back, nobody cut off."""
    if weather.cut:
        await _heal(stage, weather)
    down = sorted(weather.killed | weather.paused)
    if down:
        await _revive(stage, weather, down)
