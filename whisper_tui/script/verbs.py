"""The table of everything a script can `do`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whisper_tui.script import doing, durations
from whisper_tui.script.bridges import bridge_roundtrip
from whisper_tui.script.doing import Linger, Nodes, Nothing, OneJob, Question, Stage, Victims
from whisper_tui.script.load import Load, count_of, load
from whisper_tui.script.storm import Storm, storm


@dataclass(frozen=True)
class Verb:
    """What the arguments look like, and who does it; `perform` answers in a few words what was done.

    `checks` are those of arguments that are more than any text; each raises ValueError. `of_processes` are arguments that only
    processes can obey; `needs_processes`: the whole verb is about them; `only_passes_time`: it does nothing to a mesh.
    """

    args: type[Any]
    perform: Callable[[Stage, Any], Awaitable[str]]
    checks: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    of_processes: tuple[str, ...] = ()
    needs_processes: bool = False
    only_passes_time: bool = False

    def check(self, args: Mapping[str, Any]) -> None:
        """ValueError when something among `args`, whose variables have been filled in, cannot be."""
        for name, check in self.checks.items():
            try:
                check(args[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


def _some_time(text: str) -> None:
    if durations.seconds(text) == 0:
        raise ValueError("expected more than nothing")


VERBS: Mapping[str, Verb] = {
    "submit": Verb(Question, doing.submit),
    "kill": Verb(Victims, doing.kill, of_processes=("only",)),
    "pause": Verb(Nodes, doing.pause),
    "revive": Verb(Nodes, doing.revive),
    "partition": Verb(Nodes, doing.partition),
    "heal": Verb(Nothing, doing.heal),
    "add": Verb(Nothing, doing.add),
    "cancel": Verb(OneJob, doing.cancel),
    "linger": Verb(Linger, doing.linger, {"lasting": _some_time}, only_passes_time=True),
    "bridge_roundtrip": Verb(Nothing, bridge_roundtrip, needs_processes=True),
    "load": Verb(Load, load, {"questions": count_of}),
    "storm": Verb(Storm, storm, dict.fromkeys(("lasting", "every", "away"), _some_time)),
}
