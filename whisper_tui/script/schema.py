"""What a script consists of once it has been read and checked. There is no code in a script.

A step does one thing (`do`), presses keys of a console on a screen of its own (`press`, `type`), keeps a picture of it
(`capture`), waits until something is so (`wait`), demands that it is (`expect`), or keeps a value under a name for later
steps (`save`, also beside one of the others).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["do", "press", "type", "capture", "wait", "expect", "save"]
KINDS: tuple[Kind, ...] = ("do", "press", "type", "capture", "wait", "expect", "save")

OF_THE_CONSOLE: frozenset[Kind] = frozenset({"press", "type", "capture"})
"""Kinds of steps that need a console."""

SCREEN = "screen"
"""The path of what the console shows."""

Clock: TypeAlias = Literal["real", "virtual", "recorded"]
"""Whose time figures are measured in; one of a virtual clock is never reported as one of a real clock."""

LIVE, SIMULATION, REPLAY = "live", "simulation", "replay"

CLOCKS: Mapping[str, Clock] = {LIVE: "real", SIMULATION: "virtual", REPLAY: "recorded"}
"""What a script can be played on, and whose time that is: a mesh of processes, the simulator, a recording."""


class Condition(Struct, frozen=True):
    """`path operator expected`, such as `query.q1.settled eq "6/6"`."""

    path: str
    operator: str
    expected: Any

    @property
    def is_about_the_screen(self) -> bool:
        """Whether it is about what the console shows."""
        return self.path == SCREEN


class Step(Struct, frozen=True):
    """One step, as written: texts may still hold `${variables}`. `number` counts from 1, `line` is where it starts.

    `conditions` belong to wait and expect, `action` and `args` to do, `keys` to press, `text` to type, `file` to capture.
    `when` skips the step unless it holds.
    """

    number: int
    line: int
    kind: Kind
    about: str
    within_s: float
    action: str = ""
    args: Any = None
    keys: tuple[str, ...] = ()
    text: str = ""
    file: str = ""
    conditions: tuple[Condition, ...] = ()
    save: Mapping[str, str] = {}
    when: tuple[Condition, ...] = ()

    @property
    def needs_the_console(self) -> bool:
        """Whether it cannot be played without a console."""
        looks = any(condition.is_about_the_screen for condition in (*self.conditions, *self.when))
        return self.kind in OF_THE_CONSOLE or looks


class MeshWish(Struct, frozen=True):
    """The mesh a script asks for. `corpus` is a folder, empty for the built-in texts; without `model` answers
    are found by search, so that work is quick and the mesh is what is looked at."""

    nodes: int = 6
    fast: bool = False
    exec_delay_s: float = 0.0
    corpus: str = ""
    model: bool = True


class ConsoleWish(Struct, frozen=True):
    """The console a script asks for: its size in cells, and how long it is looked at before every key."""

    columns: int = 120
    rows: int = 40
    pace_s: float = 0.0
    ascii: bool = False


class Script(Struct, frozen=True):
    """A checked script. `variables` are its defaults with what the command line said put over them. `recording` is the file
    that is replayed, empty for other sources."""

    name: str
    file: str
    about: str
    source: str
    recording: str
    timeout_s: float
    mesh: MeshWish
    console: ConsoleWish
    variables: Mapping[str, str]
    steps: tuple[Step, ...]

    @property
    def needs_the_console(self) -> bool:
        """Whether it cannot be played without a console."""
        return any(step.needs_the_console for step in self.steps)

    @property
    def captures(self) -> bool:
        """Whether it keeps pictures."""
        return any(step.kind == "capture" for step in self.steps)
