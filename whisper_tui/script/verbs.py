"""The table of everything a script can `do`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from whisper_tui.script import doing
from whisper_tui.script.bridges import bridge_roundtrip
from whisper_tui.script.doing import Nodes, Nothing, OneJob, Question, Stage, Victims
from whisper_tui.script.storm import Storm, storm


@dataclass(frozen=True)
class Verb:
    """What the arguments look like, and who does it; `perform` answers in a few words what was done."""

    args: type[Any]
    perform: Callable[[Stage, Any], Awaitable[str]]


VERBS: Mapping[str, Verb] = {
    "submit": Verb(Question, doing.submit),
    "kill": Verb(Victims, doing.kill),
    "pause": Verb(Nodes, doing.pause),
    "revive": Verb(Nodes, doing.revive),
    "partition": Verb(Nodes, doing.partition),
    "heal": Verb(Nothing, doing.heal),
    "add": Verb(Nothing, doing.add),
    "cancel": Verb(OneJob, doing.cancel),
    "bridge_roundtrip": Verb(Nothing, bridge_roundtrip),
    "storm": Verb(Storm, storm),
}
