"""The table of everything a script can `do`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from whisper_tui.script import doing, durations
from whisper_tui.script.bridges import bridge_roundtrip
from whisper_tui.script.doing import Linger, Nodes, Nothing, OneJob, Question, Stage, Victims
from whisper_tui.script.storm import Storm, storm


@dataclass(frozen=True)
class Verb:
    """What the arguments look like, and who does it; `perform` answers in a few words what was done.

    `durations` names the arguments that are durations, `of_processes` those that only processes can obey; `needs_processes`:
    the whole verb is about them.
    """

    args: type[Any]
    perform: Callable[[Stage, Any], Awaitable[str]]
    durations: tuple[str, ...] = ()
    of_processes: tuple[str, ...] = ()
    needs_processes: bool = False

    def check(self, args: Mapping[str, Any]) -> None:
        """ValueError when a duration among `args`, whose variables have been filled in, is none or is zero."""
        for name in self.durations:
            try:
                if durations.seconds(args[name]) == 0:
                    raise ValueError("expected more than nothing")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


VERBS: Mapping[str, Verb] = {
    "submit": Verb(Question, doing.submit),
    "kill": Verb(Victims, doing.kill, of_processes=("only",)),
    "pause": Verb(Nodes, doing.pause),
    "revive": Verb(Nodes, doing.revive),
    "partition": Verb(Nodes, doing.partition),
    "heal": Verb(Nothing, doing.heal),
    "add": Verb(Nothing, doing.add),
    "cancel": Verb(OneJob, doing.cancel),
    "linger": Verb(Linger, doing.linger, ("lasting",)),
    "bridge_roundtrip": Verb(Nothing, bridge_roundtrip, needs_processes=True),
    "storm": Verb(Storm, storm, ("lasting", "every", "away")),
}
