"""What a script consists of once it has been read and checked. There is no code in a script.

A step does one thing (`do`), waits until something is so (`wait`), demands that it is (`expect`), or keeps a
value under a name for later steps (`save`, also beside one of the others).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["do", "wait", "expect", "save"]
KINDS: tuple[Kind, ...] = ("do", "wait", "expect", "save")

LATER: Mapping[str, str] = {
    "press": "presses keys of the console",
    "capture": "keeps a picture of the console",
    "frames": "keeps every picture of the console",
    "cast": "records the console",
}
"""Steps that need the console. This version refuses them by name."""

LIVE = "live"
SOURCES_LATER: Mapping[str, str] = {
    "simulation": "the simulator under a virtual clock",
    "recording": "a recorded run",
}
"""Sources this version refuses by name."""


class Condition(Struct, frozen=True):
    """`path operator expected`, such as `query.q1.settled eq "6/6"`."""

    path: str
    operator: str
    expected: Any


class Step(Struct, frozen=True):
    """One step, as written: texts may still hold `${variables}`. `number` counts from 1, `line` is where it starts.

    `conditions` belong to wait and expect, `action` and `args` to do. `when` skips the step unless it holds.
    """

    number: int
    line: int
    kind: Kind
    about: str
    within_s: float
    action: str = ""
    args: Any = None
    conditions: tuple[Condition, ...] = ()
    save: Mapping[str, str] = {}
    when: tuple[Condition, ...] = ()


class MeshWish(Struct, frozen=True):
    """The mesh a script asks for. `corpus` is a folder, empty for the built-in texts; without `model` answers
    are found by search, so that work is quick and the mesh is what is looked at."""

    nodes: int = 6
    fast: bool = False
    exec_delay_s: float = 0.0
    corpus: str = ""
    model: bool = True


class Script(Struct, frozen=True):
    """A checked script. `variables` are its defaults with what the command line said put over them."""

    name: str
    file: str
    about: str
    source: str
    timeout_s: float
    mesh: MeshWish
    variables: Mapping[str, str]
    steps: tuple[Step, ...]
